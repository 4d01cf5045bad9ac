import { base, type Run } from "@/api/client";

/** web tells addresses a browser may open from those it must not. */
function web(address: string): string | undefined {
  return /^https?:\/\//i.test(address) ? address : undefined;
}

/** artifactHref is where an artifact can be had: elsewhere for pull requests and references, by its blob
 * for what is stored here. */
export function artifactHref(runId: string, artifact: Run["artifacts"][number], blob?: string): string | undefined {
  switch (artifact.artifact_type) {
    case "PULL_REQUEST":
    case "EXTERNAL_REFERENCE":
      return web(artifact.data.url);
    default:
      return blob ? `${base}api/v1/agent/runs/${runId}/blobs/${encodeURIComponent(blob)}` : undefined;
  }
}

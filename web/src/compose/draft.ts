import type { Schema } from "@/api/client";

/** Draft is a run that is being written. Its key makes sure that it is started once, however often the
 * button is pressed or the network fails. */
export interface Draft {
  key: string;
  prompt: string;
  title: string;
  environment: string;
  model: string;
  host: string;
  /** agent is the uid of the agent to act as; empty for oneself. */
  agent: string;
  skill: string;
  mode: Schema<"RunMode">;
  files: File[];
}

const storage = "cadre.draft";

/** newDraft is what was being written when the page was last open, or an empty one. Files are not kept. */
export function newDraft(): Draft {
  const empty: Draft = { key: crypto.randomUUID(), prompt: "", title: "", environment: "", model: "", host: "", agent: "", skill: "", mode: "normal", files: [] };
  try {
    const kept = JSON.parse(sessionStorage.getItem(storage) ?? "{}") as Partial<Draft>;
    return { ...empty, ...kept, files: [] };
  } catch {
    return empty;
  }
}

export function keepDraft({ files: _, ...draft }: Draft) {
  try {
    sessionStorage.setItem(storage, JSON.stringify(draft));
  } catch {
    // Without storage the draft lasts as long as the page.
  }
}

export function clearDraft() {
  try {
    sessionStorage.removeItem(storage);
  } catch {
    // Nothing was kept.
  }
}

/** request is what a draft asks the server for. */
export async function request(draft: Draft): Promise<Schema<"RunAgentRequest">> {
  const config = {
    ...(draft.environment && { environment_id: draft.environment }),
    ...(draft.model && { model_id: draft.model }),
    ...(draft.host && { worker_host: draft.host }),
  };
  return {
    ...(draft.prompt.trim() && { prompt: draft.prompt }),
    ...(draft.skill && { skill: draft.skill }),
    ...(draft.agent && { agent_identity_uid: draft.agent }),
    ...(draft.title.trim() && { title: draft.title.trim() }),
    ...(draft.mode !== "normal" && { mode: draft.mode }),
    ...(Object.keys(config).length && { config }),
    ...(draft.files.length && { attachments: await Promise.all(draft.files.map(attachment)) }),
  };
}

async function attachment(file: File): Promise<Schema<"AttachmentInput">> {
  const raw = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < raw.length; i += 0x8000) text += String.fromCharCode(...raw.subarray(i, i + 0x8000));
  return { file_name: file.name, mime_type: file.type || "application/octet-stream", data: btoa(text) };
}

import { api, type Environment, must } from "@/api/client";

export const environments = {
  queryKey: ["environments"],
  queryFn: () => must(api.GET("/agent/environments")),
  staleTime: 30_000,
};

export function repositories(e: Environment): string[] {
  return (e.config.source_repos ?? e.config.github_repos ?? []).map((r) => (r.owner ? `${r.owner}/${r.repo}` : r.repo));
}

import { api, must } from "@/api/client";

/** blocked are the runs that wait for a person, longest first: who waited longest is served first. */
export const blocked = {
  queryKey: ["runs", "some", "blocked"],
  queryFn: () => must(api.GET("/agent/runs", { params: { query: { state: ["BLOCKED" as const], limit: 100, sort_by: "updated_at" as const, sort_order: "asc" as const } } })),
  refetchInterval: 60_000,
};

export const requests = (runId: string) => ({
  queryKey: ["run", runId, "requests"],
  queryFn: () => must(api.GET("/agent/runs/{runId}/requests", { params: { path: { runId } } })),
});

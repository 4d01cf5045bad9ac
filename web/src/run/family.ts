import { useQuery } from "@tanstack/react-query";
import { api, must, type Run } from "@/api/client";
import { aggregate } from "@/runs/tree";

/** Kin is a child of a run with what is below it. */
export interface Kin {
  run: Run;
  /** below are the child's own descendants. */
  below: Run[];
}

/** useFamily is who works below a run, in the order they began, as far as the first 500. */
export function useFamily(run: Run): { kin: Kin[]; all: Run[] } {
  const { data } = useQuery({
    queryKey: ["runs", "some", "below", run.run_id, run.children?.length],
    queryFn: () => must(api.GET("/agent/runs", { params: { query: { ancestor_run_id: run.run_id, limit: 500, sort_by: "created_at", sort_order: "asc" } } })),
    enabled: Boolean(run.children?.length),
    placeholderData: (before) => before,
  });
  const all = data?.runs ?? [];
  return { all, kin: family(run.run_id, all) };
}

export function family(parent: string, all: Run[]): Kin[] {
  return all.filter((r) => r.parent_run_id === parent).map((run) => ({ run, below: descendants(run.run_id, all) }));
}

function descendants(id: string, all: Run[], seen = new Set<string>()): Run[] {
  if (seen.has(id)) return []; // a family that is its own parent
  seen.add(id);
  return all.filter((r) => r.parent_run_id === id).flatMap((r) => [r, ...descendants(r.run_id, all, seen)]);
}

export type Subtree = "busy" | "failed" | "settled";

/** subtree is how what is below a child stands as a whole: at work or stuck, settled with a failure, or settled. */
export function subtree(below: Run[]): Subtree {
  const state = aggregate(below);
  if (state === "INPROGRESS" || state === "BLOCKED") return "busy";
  return state === "FAILED" ? "failed" : "settled";
}

/** waitsForEvents says that a run is at work by waiting: for its children, or for messages. */
export function waitsForEvents(run: Pick<Run, "state" | "waiting">): boolean {
  return run.state === "INPROGRESS" && Boolean(run.waiting);
}

export const kinName = (run: Run): string => run.agent_config?.name || run.title;

import type { Run } from "@/api/client";

export interface Branch {
  run: Run;
  depth: number;
  /** children are those of the loaded runs that this one started. */
  children: Run[];
  open: boolean;
}

/** branches orders runs for a list: a run whose parent is loaded stands under it, when that is open.
 * Parents keep the order they came in. */
export function branches(runs: Run[], open: ReadonlySet<string>): Branch[] {
  const loaded = new Set(runs.map((r) => r.run_id));
  const below = new Map<string, Run[]>();
  const roots: Run[] = [];
  for (const run of runs) {
    const parent = run.parent_run_id;
    if (parent && loaded.has(parent) && parent !== run.run_id) below.set(parent, [...(below.get(parent) ?? []), run]);
    else roots.push(run);
  }
  const out: Branch[] = [];
  const add = (run: Run, depth: number) => {
    const children = below.get(run.run_id) ?? [];
    const shown = open.has(run.run_id);
    out.push({ run, depth, children, open: shown });
    if (shown && depth < 8) for (const child of children) add(child, depth + 1);
  };
  for (const run of roots) add(run, 0);
  return out;
}

/** aggregate is the state of a tree as its root's badge shows it: work first, then what needs a person, then
 * what went wrong (features ORC-39). The parent's own state stays its own. */
export function aggregate(runs: Pick<Run, "state">[]): Run["state"] | undefined {
  const has = (...states: Run["state"][]) => runs.some((r) => states.includes(r.state));
  if (runs.length === 0) return undefined;
  if (has("INPROGRESS", "CLAIMED", "PENDING", "QUEUED")) return "INPROGRESS";
  if (has("BLOCKED")) return "BLOCKED";
  if (has("ERROR", "FAILED")) return "FAILED";
  if (has("CANCELLED")) return "CANCELLED";
  return "SUCCEEDED";
}

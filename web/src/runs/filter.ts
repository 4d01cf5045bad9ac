import type { Run, RunState } from "@/api/client";
import { failed, working } from "./state";

/** Filter is what the list shows. All of it is in the page's address, so that a link shows the same. */
export interface Filter {
  /** show is one of the quick filters; absent is all. */
  show?: Quick;
  q?: string;
  source?: NonNullable<Run["source"]>;
  state?: RunState;
  creator?: string;
  /** name is the label of an agent, which groups its runs. */
  name?: string;
  model?: string;
  created?: Created;
  environment?: string;
  artifact?: "PLAN" | "PULL_REQUEST" | "SCREENSHOT" | "FILE";
  /** archived also shows the runs that were put away, or only those. */
  archived?: "include" | "only";
  sort?: "created_at" | "title";
}

export const quick = ["mine", "active", "failed", "recurring", "needs-me"] as const;
export type Quick = (typeof quick)[number];

export const created = { "24h": 1, "3d": 3, "7d": 7 } as const;
export type Created = keyof typeof created;

const texts = ["q", "source", "state", "creator", "name", "model", "environment", "artifact"] as const;

/** readFilter reads an address, whoever wrote it: what it does not know it leaves out. */
export function readFilter(search: Record<string, unknown>): Filter {
  const filter: Record<string, unknown> = {};
  for (const name of texts) {
    const value = search[name];
    if (typeof value === "string" || typeof value === "number") filter[name] = String(value).slice(0, 500);
  }
  if (quick.includes(search.show as Quick)) filter.show = search.show;
  if (typeof search.created === "string" && search.created in created) filter.created = search.created;
  if (search.archived === "include" || search.archived === "only") filter.archived = search.archived;
  if (search.sort === "created_at" || search.sort === "title") filter.sort = search.sort;
  return filter as Filter;
}

/** isNarrow reports whether the filter leaves anything out. */
export function isNarrow(f: Filter): boolean {
  return Object.entries(f).some(([name, value]) => name !== "sort" && value !== undefined && value !== "");
}

/** query translates a filter into what GET /agent/runs takes. Days are whole hours back from now, so that
 * the same filter is the same query for a while. */
export function query(f: Filter, me: string | undefined, now: number) {
  const states: RunState[] = f.state ? [f.state] : f.show === "active" ? working : f.show === "failed" ? failed : f.show === "needs-me" ? ["BLOCKED"] : [];
  const hour = 3_600_000;
  return {
    ...(states.length && { state: states }),
    ...(f.q && { q: f.q }),
    ...(f.show === "recurring" ? { source: "SCHEDULED_AGENT" as const } : f.source && { source: f.source }),
    ...(f.show === "mine" && me ? { creator: me } : f.creator && { creator: f.creator }),
    ...(f.name && { name: f.name }),
    ...(f.model && { model_id: f.model }),
    ...(f.created && { created_after: new Date((Math.floor(now / hour) - 24 * created[f.created]) * hour).toISOString() }),
    ...(f.environment && { environment_id: f.environment }),
    ...(f.artifact && { artifact_type: f.artifact }),
    ...(f.archived && { archived: f.archived }),
    ...(f.sort && { sort_by: f.sort, sort_order: f.sort === "title" ? ("asc" as const) : ("desc" as const) }),
  };
}

const storage = "cadre.runs.filter";

/** remember keeps the filter for the next visit. */
export function remember(f: Filter) {
  try {
    localStorage.setItem(storage, JSON.stringify(f));
  } catch {
    // Without storage the list starts unfiltered next time.
  }
}

export function remembered(): Filter {
  try {
    return readFilter(JSON.parse(localStorage.getItem(storage) ?? "{}") as Record<string, unknown>);
  } catch {
    return {};
  }
}

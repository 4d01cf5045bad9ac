import type { Run, RunState } from "@/api/client";

/** Kind is what a person may want to be told of. */
export type Kind = "request" | "complete" | "error";
export const kinds: Kind[] = ["request", "complete", "error"];

export interface Notice {
  kind: Kind;
  run: Run;
  text: string;
}

export interface Wishes {
  kinds: Kind[];
  /** everybody is for who wants to hear of all runs of the team instead of their own. */
  everybody: boolean;
}

const texts: Partial<Record<RunState, [Kind, string]>> = {
  BLOCKED: ["request", "Waits for you"],
  SUCCEEDED: ["complete", "Done"],
  FAILED: ["error", "Failed"],
  ERROR: ["error", "Failed"],
};

/**
 * notice says whether a change of a run is worth telling. What was not seen at work before is no news: a list
 * that was read again, or a page that reconnected, raises nothing. Children report to their parent, unless
 * they need a person.
 */
export function notice(before: RunState | undefined, run: Run, me: string | undefined, wishes: Wishes): Notice | undefined {
  const [kind, text] = texts[run.state] ?? [];
  if (!kind || !text || !before || before === run.state || texts[before]?.[0] === kind) return undefined;
  if (!wishes.kinds.includes(kind)) return undefined;
  if (!wishes.everybody && run.creator?.uid !== me) return undefined;
  if (run.parent_run_id && kind !== "request") return undefined;
  return { kind, run, text: run.status_message?.message || run.waiting?.message || text };
}

import { type By, type Span, spans } from "./queries";

/** groups are what usage can be shown by, as people call it. */
export const groups: Record<Exclude<By, "day">, string> = {
  creator: "Person",
  name: "Agent",
  model: "Model",
  source: "Source",
  environment: "Environment",
  schedule: "Schedule",
  harness: "Harness",
  executor: "Acts as",
};

export interface UsageSearch {
  days?: Span;
  by?: Exclude<By, "day">;
}

/** readUsage reads an address, whoever wrote it. */
export function readUsage(search: Record<string, unknown>): UsageSearch {
  const days = spans.find((s) => s === Number(search.days));
  const by = Object.keys(groups).find((g) => g === search.by) as UsageSearch["by"];
  return { ...(days && { days }), ...(by && { by }) };
}

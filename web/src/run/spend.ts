import type { Run } from "@/api/client";

/** costOf is what runs cost together, as far as prices are known. */
export function costOf(runs: Run[]): number {
  return runs.reduce((all, { request_usage: u }) => all + (u?.inference_cost_usd ?? 0) + (u?.compute_cost_usd ?? 0), 0);
}

import { dollars, lasted } from "@/ui/format";
import type { Bucket } from "./queries";

/** none stands for what is not known. It is not zero. */
export const none = "—";

export function rate(share: number | undefined | null): string {
  if (share === undefined || share === null) return none;
  // 99.6 % is not all of them, and 0.4 % is not none.
  const percent = share > 0.99 && share < 1 ? Math.floor(share * 1000) / 10 : share > 0 && share < 0.01 ? Math.ceil(share * 1000) / 10 : Math.round(share * 100);
  return `${percent}%`;
}

/** spent is what some runs cost; a plus says that the price of some calls is not known. */
export function spent(b: Pick<Bucket, "cost_usd" | "unpriced_calls" | "tokens">): string {
  if (b.tokens === 0 && b.cost_usd === 0) return none;
  if (b.unpriced_calls === 0) return dollars(b.cost_usd);
  return b.cost_usd === 0 ? none : `${dollars(b.cost_usd)}+`;
}

export function took(ms: number | undefined | null): string {
  return ms === undefined || ms === null ? none : lasted(ms);
}

/** ended are the runs of a bucket whose outcome is known. */
export function ended(b: Bucket): number {
  return b.succeeded + b.failed;
}

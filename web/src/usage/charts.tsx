import { Chart } from "@/ui/chart";
import { count, dollars, lasted } from "@/ui/format";
import type { Bucket } from "./queries";
import { rate, spent, took } from "./words";

interface Props {
  days: Bucket[];
  total: Bucket;
  className?: string;
}

const keys = (days: Bucket[]) => days.map((d) => d.key);

/** Outcomes is how many runs began each day, and what became of them. */
export function Outcomes({ days, total, className }: Props) {
  const of = (label: string, colour: string, pick: (b: Bucket) => number) => ({ label, colour: `var(--${colour})`, values: days.map(pick) });
  const series = [
    of("Done", "mark-ok", (b) => b.succeeded),
    of("Failed", "mark-bad", (b) => b.failed),
    of("Cancelled", "mark-rest", (b) => b.cancelled),
    of("Waiting for you", "signal", (b) => b.blocked),
    of("At work", "mark-run", (b) => b.working),
  ].filter((s, i) => i < 2 || s.values.some((v) => v > 0));
  return <Chart kind="bars" title="Runs" days={keys(days)} series={series} format={whole} className={className} total={<Total number={count(total.runs)} more={`${rate(total.success_rate)} succeed`} />} />;
}

/** whole leaves a line of the grid without a number where half a run would stand. */
const whole = (n: number) => (Number.isInteger(n) ? count(n) : "");

/** Spend is what the model calls of each day's runs cost. */
export function Spend({ days, total, className }: Props) {
  // Where the price of a day's calls is not known, its bar would say that they were free.
  const values = days.map((b) => (b.cost_usd === 0 && b.unpriced_calls > 0 ? undefined : b.cost_usd));
  return (
    <Chart
      kind="bars"
      title="Spend"
      days={keys(days)}
      series={[{ label: "Spend", colour: "var(--accent)", values }]}
      format={dollars}
      className={className}
      total={<Total number={spent(total)} more={total.unpriced_calls ? `${count(total.unpriced_calls)} calls without a price` : `${count(total.tokens)} tokens`} />}
    />
  );
}

/** RunTimes is how long the middle one of each day's runs worked. */
export function RunTimes({ days, total, className }: Props) {
  const values = days.map((b) => b.median_run_time_ms ?? undefined);
  return (
    <Chart
      kind="line"
      title="Run time"
      days={keys(days)}
      series={[{ label: "Median", colour: "var(--mark-run)", values }]}
      format={lasted}
      className={className}
      total={<Total number={took(total.median_run_time_ms)} more="median" />}
    />
  );
}

function Total({ number, more }: { number: string; more: string }) {
  return (
    <>
      {number} <span className="text-[13px] font-normal tracking-normal text-dim">{more}</span>
    </>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { environments } from "@/environments/queries";
import { useNames } from "@/people/queries";
import { sourceNames } from "@/runs/source";
import { Page } from "@/shell/page";
import { Bars, Failed } from "@/ui/empty";
import { count } from "@/ui/format";
import { Choose } from "@/ui/choose";
import { Outcomes, RunTimes, Spend } from "./charts";
import { type Bucket, type By, type Span, spans, usage } from "./queries";
import { groups, type UsageSearch } from "./search";
import { rate, spent, took } from "./words";

/** UsagePage is what runs came to: over time, and by who and what they were. */
export function UsagePage() {
  const { days = 30, by = "creator" } = useSearch({ from: "/usage" });
  const navigate = useNavigate({ from: "/usage" });
  const change = (part: UsageSearch) => void navigate({ search: { days, by, ...part }, replace: true });
  const sums = useQuery(usage("day", days));
  return (
    <Page
      title="Usage"
      hint="What runs came to, each on the day it began"
      actions={<Choose label="How far back" value={days} options={spans.map((s) => [s, `${s} days`] as const)} change={(d) => change({ days: d })} />}
    >
      {sums.isPending ? (
        <Bars lines={5} />
      ) : sums.isError ? (
        <Failed what="The usage" why={sums.error} again={() => void sums.refetch()} />
      ) : (
        <div className="grid gap-4 md:grid-cols-2 lg:grid-cols-4">
          <Outcomes days={sums.data.buckets} total={sums.data.total} className="md:col-span-2" />
          <Spend days={sums.data.buckets} total={sums.data.total} />
          <RunTimes days={sums.data.buckets} total={sums.data.total} />
        </div>
      )}
      <div className="mt-8 mb-3 max-w-full overflow-x-auto">
        <Choose label="By" value={by} options={Object.entries(groups) as [keyof typeof groups, string][]} change={(b) => change({ by: b })} />
      </div>
      <Groups by={by} days={days} />
    </Page>
  );
}

/** filters are the filters of the list of runs that a group goes by. */
const filters: Partial<Record<By, string>> = { creator: "creator", name: "name", source: "source", environment: "environment" };

function Groups({ by, days }: { by: Exclude<By, "day">; days: Span }) {
  const list = useQuery(usage(by, days));
  const name = useGroupName(by);
  if (list.isPending) return <Bars lines={6} />;
  if (list.isError) return <Failed what="The usage" why={list.error} again={() => void list.refetch()} />;
  if (list.data.buckets.length === 0) return <p className="text-dim">No run began in these days.</p>;
  const most = Math.max(...list.data.buckets.map((b) => b.cost_usd));
  return (
    <div className="overflow-x-auto rounded-xl border bg-panel" role="region" aria-label="Usage by group" tabIndex={0}>
      <table className="w-full text-[13px] tabular-nums">
        <thead className="text-left text-xs text-faint">
          <tr className="[&_th]:px-3 [&_th]:py-2.5 [&_th]:font-medium [&_th:first-child]:pl-4 [&_th:not(:first-child)]:text-right">
            <th scope="col">{groups[by]}</th>
            <th scope="col">Runs</th>
            <th scope="col">Succeed</th>
            <th scope="col" className="max-sm:hidden">
              Median time
            </th>
            <th scope="col" className="max-sm:hidden">
              Tokens
            </th>
            <th scope="col">Spend</th>
          </tr>
        </thead>
        <tbody>
          {list.data.buckets.map((b) => (
            <tr key={b.key} className="border-t border-line/60 [&_td]:px-3 [&_td]:py-2.5 [&_td]:text-right">
              <th scope="row" className="relative max-w-0 py-2.5 pr-3 pl-4 text-left font-normal" style={{ width: "40%" }}>
                <span aria-hidden className="absolute inset-y-1 left-0 rounded-r bg-accent-soft/60" style={{ width: most ? `${(b.cost_usd / most) * 100}%` : 0 }} />
                <span className="relative block truncate">
                  <Name by={by} bucket={b} name={b.label || name(b.key)} />
                </span>
              </th>
              <td>{count(b.runs)}</td>
              <td>{rate(b.success_rate)}</td>
              <td className="max-sm:hidden">{took(b.median_run_time_ms)}</td>
              <td className="max-sm:hidden">{count(b.tokens)}</td>
              <td>{spent(b)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Name({ by, bucket, name }: { by: By; bucket: Bucket; name: string }) {
  const filter = filters[by];
  if (!filter || (!bucket.key && by !== "environment")) return name;
  return (
    <Link to="/runs" search={{ [filter]: bucket.key || "empty-environment" } as never} className="hover:underline">
      {name}
    </Link>
  );
}

/** useGroupName is how a group's key is called by people. */
function useGroupName(by: By): (key: string) => string {
  const people = useNames();
  const places = useQuery({ ...environments, enabled: by === "environment" }).data?.environments;
  return (key) => {
    if (!key) return by === "environment" ? "An empty workspace" : "None";
    if (by === "creator" || by === "executor") return people.get(key) ?? key;
    if (by === "environment") return places?.find((e) => e.uid === key)?.config.name ?? key;
    if (by === "source") return sourceNames[key as keyof typeof sourceNames] ?? key;
    return key;
  };
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Bot, CircleCheck, CircleDollarSign, Inbox, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { api, must, type Run, type RunState } from "@/api/client";
import { blocked } from "@/inbox/queries";
import { cost } from "@/runs/row";
import { StateIcon, working } from "@/runs/state";
import { Page } from "@/shell/page";
import { Bars, Failed } from "@/ui/empty";
import { count } from "@/ui/format";
import { Since, Ticking } from "@/ui/time";
import { Outcomes, RunTimes, Spend } from "@/usage/charts";
import { type Bucket, usage } from "@/usage/queries";
import { none, rate, spent, took } from "@/usage/words";
import { Tile } from "./tile";
import { Welcome } from "./welcome";

const atMost = 100;

const latest = (name: string, states: RunState[], query: { created_after?: string } = {}) => ({
  queryKey: ["runs", "some", "home", name, query.created_after ?? ""],
  queryFn: () => must(api.GET("/agent/runs", { params: { query: { state: states, limit: name === "busy" ? atMost : 8, ...query } } })),
  refetchInterval: 60_000,
});

/** HomePage answers in one look: what needs me, what runs, what went wrong today, and what it all cost. */
export function HomePage() {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const needs = useQuery(blocked);
  const busy = useQuery(latest("busy", working));
  const bad = useQuery(latest("failed", ["FAILED", "ERROR"], { created_after: midnight.toISOString() }));
  const sums = useQuery(usage("day", 14));
  const agents = useQuery(usage("name", 14));
  const today = sums.data?.buckets.at(-1);
  if (sums.data?.total.runs === 0 && busy.data?.runs.length === 0 && needs.data?.runs.length === 0) return <Welcome />;
  return (
    <Page title="Home">
      <Tiles needs={needs.data?.runs} busy={busy.data?.runs} today={today} days={sums.data?.buckets} />
      <div className="mt-4 grid items-start gap-4 lg:grid-cols-2">
        <Panel title="Needs you" more="/inbox" runs={needs.data?.runs} failed={needs.error} empty="Nobody waits for you." />
        <Panel title="Running now" more="/runs" search={{ show: "active" }} runs={busy.data?.runs} failed={busy.error} empty="Nothing runs right now." />
      </div>
      {sums.isError && <Failed what="The charts" why={sums.error} again={() => void sums.refetch()} />}
      {sums.data && (
        <div className="mt-4 grid gap-4 md:grid-cols-2 lg:grid-cols-4">
          <Outcomes days={sums.data.buckets} total={sums.data.total} className="md:col-span-2" />
          <Spend days={sums.data.buckets} total={sums.data.total} />
          <RunTimes days={sums.data.buckets} total={sums.data.total} />
        </div>
      )}
      <div className="mt-4 grid items-start gap-4 lg:grid-cols-2">
        <Panel title="Failed today" more="/runs" search={{ show: "failed" }} runs={bad.data?.runs} failed={bad.error} empty="Nothing has failed today." />
        <Agents buckets={agents.data?.buckets} />
      </div>
    </Page>
  );
}

/** Tiles are the page's answers as numbers. Each leads to what it counts. */
function Tiles({ needs, busy, today, days }: { needs?: Run[]; busy?: Run[]; today?: Bucket; days?: Bucket[] }) {
  const queued = busy?.filter((r) => r.state === "QUEUED" || r.state === "PENDING").length ?? 0;
  const before = days?.slice(0, -1).filter((d) => d.runs > 0) ?? [];
  const usual = before.length ? before.reduce((all, d) => all + d.cost_usd, 0) / before.length : undefined;
  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-4 lg:gap-4">
      <Tile to="/inbox" icon={<Inbox />} tone={needs?.length ? "text-wait" : undefined} label="Needs you" value={many(needs)}>
        {needs?.[0] ? <>oldest: <Since at={needs[0].updated_at} /></> : "nobody waits"}
      </Tile>
      <Tile to="/runs" search={{ show: "active" }} icon={<StateIcon state="INPROGRESS" />} tone={busy?.length ? "text-run" : undefined} label="Running" value={many(busy)}>
        {queued ? `${queued} of them waiting to start` : "none waiting to start"}
      </Tile>
      <Tile to="/runs" search={{ show: "failed" }} icon={<TriangleAlert />} tone={today?.failed ? "text-bad" : undefined} label="Failed today" value={today ? count(today.failed) : none}>
        {today ? `of ${count(today.runs)} begun today` : none}
      </Tile>
      <Tile to="/usage" icon={<CircleDollarSign />} label="Spent today" value={today ? spent(today) : none}>
        {usual === undefined ? "no day to compare with" : `${spent({ cost_usd: usual, unpriced_calls: 0, tokens: 1 })} on a usual day`}
      </Tile>
    </div>
  );
}

function many(runs: Run[] | undefined): string {
  if (!runs) return none;
  return runs.length >= atMost ? `${atMost}+` : String(runs.length);
}

const shown = 6;

function Box({ title, link, children }: { title: string; link: ReactNode; children: ReactNode }) {
  return (
    <section className="overflow-hidden rounded-xl border bg-panel">
      <header className="flex items-center px-4 pt-3.5 pb-2">
        <h2 className="flex-1 font-medium">{title}</h2>
        {link}
      </header>
      {children}
    </section>
  );
}

interface PanelProps {
  title: string;
  more: "/inbox" | "/runs";
  search?: object;
  runs?: Run[];
  failed: unknown;
  empty: string;
}

function Panel({ title, more, search, runs, failed, empty }: PanelProps) {
  const link = (
    <Link to={more} search={search as never} className="-my-1 rounded-lg px-2 py-1 text-[13px] text-dim hover:bg-hover hover:text-text">
      All{runs && runs.length > shown ? ` ${runs.length >= atMost ? `${atMost}+` : runs.length}` : ""} <span className="sr-only">of {title}</span>
    </Link>
  );
  return (
    <Box title={title} link={link}>
      {failed && !runs ? <Failed what={title} why={failed} /> : null}
      {!runs && !failed && <Bars lines={3} />}
      {runs?.length === 0 && (
        <p className="flex items-center gap-2 px-4 pb-4 text-dim">
          <CircleCheck className="size-4 text-faint" /> {empty}
        </p>
      )}
      <ul>
        {runs?.slice(0, shown).map((run) => (
          <li key={run.run_id} className="border-t border-line/60">
            <Link to="/runs/$runId" params={{ runId: run.run_id }} className="flex items-center gap-2.5 px-4 py-2.5 hover:bg-hover/60">
              <StateIcon state={run.state} />
              <span className="min-w-0 flex-1 truncate">{run.title}</span>
              <span className="shrink-0 text-[13px] text-faint tabular-nums max-sm:hidden">{cost(run)}</span>
              {run.state === "INPROGRESS" && run.started_at ? (
                <Ticking from={run.started_at} className="min-w-12 shrink-0 text-right text-[13px] text-run tabular-nums" />
              ) : (
                <Since at={run.updated_at} className="min-w-12 shrink-0 text-right text-[13px] whitespace-nowrap text-faint tabular-nums" />
              )}
            </Link>
          </li>
        ))}
      </ul>
    </Box>
  );
}

/** Agents are those who were used lately, by the name their runs have. */
function Agents({ buckets }: { buckets?: Bucket[] }) {
  const named = buckets?.filter((b) => b.key).sort((a, b) => b.runs - a.runs);
  return (
    <Box title="Agents lately" link={<span className="text-xs text-faint">14 days</span>}>
      {!buckets && <Bars lines={3} />}
      {named?.length === 0 && <p className="px-4 pb-4 text-dim">Runs that are given a name are counted by it here.</p>}
      <ul>
        {named?.slice(0, shown).map((b) => (
          <li key={b.key} className="border-t border-line/60">
            <Link to="/runs" search={{ name: b.key }} className="flex items-center gap-2.5 px-4 py-2.5 hover:bg-hover/60">
              <Bot className="size-4 shrink-0 text-faint" />
              <span className="min-w-0 flex-1 truncate">{b.key}</span>
              <span className="w-16 shrink-0 text-right text-[13px] text-dim tabular-nums">{b.runs === 1 ? "1 run" : `${count(b.runs)} runs`}</span>
              <span className="w-11 shrink-0 text-right text-[13px] text-dim tabular-nums" title="Succeeded, of those that ended">
                {rate(b.success_rate)}
              </span>
              <span className="w-16 shrink-0 text-right text-[13px] text-faint tabular-nums max-sm:hidden" title="Median run time">
                {took(b.median_run_time_ms)}
              </span>
              <span className="w-14 shrink-0 text-right text-[13px] text-faint tabular-nums">{spent(b)}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Box>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { api, must, type Run, type RunState } from "@/api/client";
import { blocked } from "@/inbox/queries";
import { cost } from "@/runs/row";
import { failed, StateIcon, working } from "@/runs/state";
import { Page } from "@/shell/page";
import { Since } from "@/ui/time";

const latest = (states: RunState[], query: { created_after?: string } = {}) => ({
  queryKey: ["runs", "some", "home", states.join(), query.created_after ?? ""],
  queryFn: () => must(api.GET("/agent/runs", { params: { query: { state: states, limit: 8, ...query } } })),
  refetchInterval: 60_000,
});

/** HomePage answers, in one look: what needs me, what runs, what went wrong today. */
export function HomePage() {
  const today = new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - 86_400_000).toISOString();
  const needs = useQuery(blocked);
  const busy = useQuery(latest(working));
  const bad = useQuery(latest(failed.filter((s) => s !== "BLOCKED"), { created_after: today }));
  const done = useQuery(latest(["SUCCEEDED"]));
  return (
    <Page title="Home">
      <div className="grid gap-4 lg:grid-cols-2">
        <Panel title="Needs you" more="/inbox" runs={needs.data?.runs} empty="Nobody waits for you." />
        <Panel title="Running" more="/runs" search={{ show: "active" }} runs={busy.data?.runs} empty="Nothing runs right now." />
        <Panel title="Failed today" more="/runs" search={{ show: "failed" }} runs={bad.data?.runs} empty="Nothing failed in the last 24 hours." />
        <Panel title="Lately done" more="/runs" search={{ state: "SUCCEEDED" }} runs={done.data?.runs} empty="Nothing has finished yet." />
      </div>
    </Page>
  );
}

function Panel({ title, more, search, runs, empty }: { title: string; more: "/inbox" | "/runs"; search?: object; runs?: Run[]; empty: string }): ReactNode {
  return (
    <section className="overflow-hidden rounded-xl border bg-panel">
      <header className="flex items-center px-4 py-3">
        <h2 className="flex-1 font-medium">{title}</h2>
        <Link to={more} search={search as never} className="text-[13px] text-dim hover:text-text">
          All
        </Link>
      </header>
      {runs?.length === 0 && <p className="px-4 pb-5 text-dim">{empty}</p>}
      <ul>
        {runs?.slice(0, 8).map((run) => (
          <li key={run.run_id} className="border-t">
            <Link to="/runs/$runId" params={{ runId: run.run_id }} className="flex items-center gap-2.5 px-4 py-2.5 hover:bg-hover">
              <StateIcon state={run.state} />
              <span className="min-w-0 flex-1 truncate">{run.title}</span>
              <span className="text-[13px] text-faint tabular-nums">{cost(run)}</span>
              <Since at={run.updated_at} className="w-9 text-right text-[13px] text-faint tabular-nums" />
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

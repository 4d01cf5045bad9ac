import { Link, useParams, useSearch } from "@tanstack/react-router";
import { ArrowLeft, ChevronRight, Link2, PanelRight } from "lucide-react";
import { useState } from "react";
import type { Run } from "@/api/client";
import { cost } from "@/runs/row";
import { SourceIcon } from "@/runs/source";
import { StateBadge } from "@/runs/state";
import { IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Bars, Failed } from "@/ui/empty";
import { duration, lasted } from "@/ui/format";
import { Ticking } from "@/ui/time";
import { toast } from "@/ui/toast";
import { Details } from "./details";
import { Pills } from "./pills";
import { useRun, useSession } from "./session";
import { Steer } from "./steer";
import { TranscriptView } from "./view";

/** RunPage is one run as it happens: its conversation, and what is to be known about it. */
export function RunPage() {
  const { runId } = useParams({ from: "/runs/$runId" });
  const { seq } = useSearch({ from: "/runs/$runId" });
  const run = useRun(runId);
  if (run.isPending) return <Bars />;
  if (run.isError) return <Failed what="The run" why={run.error} again={() => void run.refetch()} />;
  return <Opened key={runId} run={run.data} around={seq} />;
}

function Opened({ run, around }: { run: Run; around?: number }) {
  const session = useSession(run, around);
  const [details, setDetails] = useState(false);
  const transcript = session?.transcript;
  const pane = <Details run={run} plan={transcript?.plan ?? []} context={transcript?.context ?? 0} />;
  return (
    <div className="flex min-h-0 flex-1">
      <div className="flex min-w-0 flex-1 flex-col">
        <Head run={run} details={() => setDetails(true)} />
        <Pills run={run} />
        {session ? <TranscriptView run={run} session={session} around={around} /> : <Bars lines={4} />}
        <Steer run={run} />
      </div>
      <aside aria-label="Details" className="hidden w-80 shrink-0 overflow-y-auto border-l bg-panel xl:block">
        {pane}
      </aside>
      <Dialog side open={details} onClose={() => setDetails(false)} title="Details">
        <div className="-mx-5 -my-4">{pane}</div>
      </Dialog>
    </div>
  );
}

function Head({ run, details }: { run: Run; details: () => void }) {
  const copy = () =>
    navigator.clipboard.writeText(run.session_link ?? location.href).then(
      () => toast.ok("Link copied"),
      (why) => toast.failed("The link was not copied", why),
    );
  return (
    <header className="flex shrink-0 items-center gap-2.5 border-b px-3 py-2.5 sm:px-5">
      <Link to="/runs" aria-label="All runs" className="rounded-lg p-1.5 text-dim hover:bg-hover hover:text-text">
        <ArrowLeft className="size-4" />
      </Link>
      <div className="min-w-0 flex-1">
        {run.parent_run_id && (
          <p className="flex items-center gap-1 text-xs text-faint">
            <Link to="/runs/$runId" params={{ runId: run.parent_run_id }} className="hover:text-text hover:underline">
              Parent
            </Link>
            <ChevronRight className="size-3" /> <span className="truncate">{run.agent_config?.name ?? run.title}</span>
          </p>
        )}
        <h1 className="truncate text-[15px] font-semibold">{run.title}</h1>
      </div>
      <span className="hidden items-center gap-2.5 text-[13px] text-dim tabular-nums sm:flex">
        <SourceIcon source={run.source} />
        {run.state === "INPROGRESS" && run.started_at ? <Ticking from={run.started_at} /> : <span>{run.run_time && lasted(duration(run.run_time))}</span>}
        <span>{cost(run)}</span>
      </span>
      <StateBadge state={run.state} />
      <IconButton label="Copy link" onClick={() => void copy()}>
        <Link2 />
      </IconButton>
      <IconButton label="Details" className="xl:hidden" onClick={details}>
        <PanelRight />
      </IconButton>
    </header>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Inbox } from "lucide-react";
import type { Run } from "@/api/client";
import { RequestCard } from "@/run/request";
import { StateIcon } from "@/runs/state";
import { Bars, Empty, Failed } from "@/ui/empty";
import { Since } from "@/ui/time";
import { Page } from "@/shell/page";
import { blocked, requests } from "./queries";

/** InboxPage is what waits for a person, to be decided on the spot, with one thumb. */
export function InboxPage() {
  const waiting = useQuery(blocked);
  return (
    <Page title="Inbox" hint="Runs that wait for somebody to decide">
      {waiting.isPending ? (
        <Bars />
      ) : waiting.isError ? (
        <Failed what="The inbox" why={waiting.error} again={() => void waiting.refetch()} />
      ) : waiting.data.runs.length === 0 ? (
        <Empty icon={<Inbox />} title="Nothing waits for you">
          When an agent asks a question, proposes a plan or wants to do something you keep for yourself, it appears here.
        </Empty>
      ) : (
        <ul className="max-w-2xl space-y-5">
          {waiting.data.runs.map((run) => (
            <Waiting key={run.run_id} run={run} />
          ))}
        </ul>
      )}
    </Page>
  );
}

function Waiting({ run }: { run: Run }) {
  const { data } = useQuery(requests(run.run_id));
  const open = data?.requests.filter((r) => !r.answer) ?? [];
  return (
    <li className="space-y-2">
      <div className="flex items-center gap-2">
        <StateIcon state={run.state} />
        <Link to="/runs/$runId" params={{ runId: run.run_id }} className="min-w-0 flex-1 truncate font-medium hover:underline">
          {run.title}
        </Link>
        <Since at={run.updated_at} className="text-[13px] text-faint" />
      </div>
      {open.map((r) => (
        <RequestCard key={r.id} runId={run.run_id} request={{ ...r, input: r.input as Record<string, unknown> | undefined }} over={false} />
      ))}
      {data && open.length === 0 && <p className="text-[13px] text-dim">{run.waiting?.message ?? run.status_message?.message}</p>}
    </li>
  );
}

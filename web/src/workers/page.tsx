import { useQuery } from "@tanstack/react-query";
import { Server } from "lucide-react";
import { Page } from "@/shell/page";
import { Bars, Empty, Failed } from "@/ui/empty";
import { Since } from "@/ui/time";
import { workers } from "./queries";

/** WorkersPage is who carries runs out, and how much room there is. */
export function WorkersPage() {
  const list = useQuery(workers);
  return (
    <Page title="Workers" hint="Machines that carry runs out">
      {list.isPending ? (
        <Bars lines={3} />
      ) : list.isError ? (
        <Failed what="The workers" why={list.error} again={() => void list.refetch()} />
      ) : list.data.workers.length === 0 ? (
        <Empty icon={<Server />} title="No worker is connected">
          Runs wait until one is. Start one on any machine that reaches this server:
          <code className="mt-3 block rounded-lg border bg-panel px-3 py-2 text-left font-mono text-xs text-text">cadre worker --worker-id my-machine --server-root-url {location.origin}</code>
        </Empty>
      ) : (
        <ul className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
          {list.data.workers.map((w) => (
            <li key={w.worker_host} className="rounded-xl border bg-panel p-4">
              <div className="flex items-center gap-2.5">
                <span className="size-2 rounded-full bg-ok" />
                <h2 className="min-w-0 flex-1 truncate font-medium">{w.worker_host}</h2>
                <span className="text-xs text-faint">{w.backend}</span>
              </div>
              <Load running={w.running ?? 0} capacity={w.capacity ?? 0} />
              <p className="mt-3 text-[13px] text-dim">
                {w.connection_count === 1 ? "1 connection" : `${w.connection_count} connections`}, connected <Since at={w.connected_at} />
                {w.version && `, ${w.version}`}
              </p>
            </li>
          ))}
        </ul>
      )}
    </Page>
  );
}

/** Load is how much of a worker's room is taken; a capacity of 0 is without bound. */
function Load({ running, capacity }: { running: number; capacity: number }) {
  return (
    <div className="mt-3">
      <div className="mb-1 flex justify-between text-[13px]">
        <span>{running === 1 ? "1 run" : `${running} runs`}</span>
        <span className="text-faint">{capacity ? `room for ${capacity}` : "no limit"}</span>
      </div>
      <div className="h-1.5 overflow-hidden rounded-full bg-hover" role="meter" aria-label="Load" aria-valuenow={running} aria-valuemin={0} aria-valuemax={capacity || undefined}>
        <div className="h-full rounded-full bg-run" style={{ width: capacity ? `${Math.min(100, (running / capacity) * 100)}%` : running ? "12%" : 0 }} />
      </div>
    </div>
  );
}

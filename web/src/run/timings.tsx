import { useQuery } from "@tanstack/react-query";
import { api, must, type Run } from "@/api/client";
import { look } from "@/runs/state";
import { cx } from "@/ui/cx";
import { exact, lasted } from "@/ui/format";
import { Part } from "./part";

const names: Record<string, string> = { QUEUED: "Queued", PENDING: "Given to a worker", CLAIMED: "Starting", INPROGRESS: "At work" };

/** Timings is where a run's time went, step by step. */
export function Timings({ run }: { run: Run }) {
  const list = useQuery({
    queryKey: ["run", run.run_id, "timeline", run.state, run.execution],
    queryFn: () => must(api.GET("/agent/runs/{runId}/timeline", { params: { path: { runId: run.run_id } } })),
    placeholderData: (before) => before,
  }).data?.events.filter((e) => e.kind !== "execution");
  if (!list?.length) return null;
  const longest = Math.max(1, ...list.map((e) => e.duration_ms ?? 0));
  return (
    <Part title="Timings">
      <ol className="space-y-1.5">
        {list.map((e, i) => (
          <li key={i} className={cx(e.kind === "phase" && "pl-3 text-dim")} title={`${exact(e.at)}${e.message ? `. ${e.message}` : ""}`}>
            <div className="flex justify-between gap-3">
              <span className={cx("truncate", e.error && "text-bad")}>{e.kind === "state" ? (names[e.name] ?? look(e.name as Run["state"]).label) : e.name}</span>
              <span className="shrink-0 text-faint tabular-nums">{e.duration_ms === undefined ? "" : lasted(e.duration_ms)}</span>
            </div>
            {Boolean(e.duration_ms) && (
              <div aria-hidden className="mt-0.5 h-1 rounded-full bg-hover">
                <div className={cx("h-full min-w-0.5 rounded-full", e.error ? "bg-bad" : e.kind === "phase" ? "bg-strong" : "bg-run")} style={{ width: `${((e.duration_ms ?? 0) / longest) * 100}%` }} />
              </div>
            )}
          </li>
        ))}
      </ol>
    </Part>
  );
}

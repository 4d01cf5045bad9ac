import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import type { Run, RunState, Schema } from "@/api/client";
import { watchRuns } from "@/runs/queries";
import { whoami } from "@/shell/me";
import { toast } from "@/ui/toast";
import { type Notice, notice } from "./notice";
import { wishes } from "./wishes";

/** settle is how long a state has to last before it is told, in milliseconds: a turn that is resumed at once,
 * or a question that is answered at once, is no news. */
const settle = 1500;

/** most bounds how many runs are remembered. */
const most = 5000;

/** useNotices tells a person of what became of runs: as a notification of the system while the page is not
 * looked at, else on the page. */
export function useNotices() {
  const queries = useQueryClient();
  const navigate = useNavigate();
  useEffect(() => {
    const opened = Date.now();
    const states = new Map<string, RunState>();
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    const open = (run: Run) => void navigate({ to: "/runs/$runId", params: { runId: run.run_id } });
    const stop = watchRuns((run) => {
      const id = run.run_id;
      // A run that began since the page was opened was at work before, even if it was over when first heard of.
      const begun = Date.parse(run.created_at) > opened ? "QUEUED" : undefined;
      const before = states.get(id) ?? queries.getQueryData<Run>(["run", id])?.state ?? begun;
      if (states.size > most) states.clear();
      states.set(id, run.state);
      clearTimeout(timers.get(id));
      timers.delete(id);
      const news = notice(before, run, queries.getQueryData<Schema<"WhoamiResponse">>(whoami.queryKey)?.uid, wishes());
      if (!news) return;
      timers.set(
        id,
        setTimeout(() => {
          timers.delete(id);
          tell(news, open);
        }, settle),
      );
    });
    return () => {
      stop();
      for (const timer of timers.values()) clearTimeout(timer);
    };
  }, [queries, navigate]);
}

function tell({ kind, run, text }: Notice, open: (run: Run) => void) {
  if (location.pathname.endsWith(`/runs/${run.run_id}`) && !document.hidden) return; // it is being looked at
  if (document.hidden && "Notification" in window && Notification.permission === "granted") {
    // One tag per run: several open pages show one notification, and the latest word replaces the one before.
    const shown = new Notification(run.title, { body: text, tag: `cadre-${run.run_id}`, icon: "./icon.svg" });
    shown.onclick = () => {
      window.focus();
      open(run);
      shown.close();
    };
    return;
  }
  toast.news(run.title, text, kind, () => open(run));
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, Failure, must, type Run } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Bars } from "@/ui/empty";
import { toast } from "@/ui/toast";
import { isWorking, StateIcon } from "./state";

/** stoppable says whether cancelling a run would be refused. */
export function stoppable(run: Run): boolean {
  return run.is_run_type_cancellable && (isWorking(run) || run.state === "BLOCKED");
}

const family = (runId: string) => ({
  queryKey: ["runs", "some", "below", runId],
  queryFn: () => must(api.GET("/agent/runs", { params: { query: { ancestor_run_id: runId, limit: 500, sort_by: "created_at" as const, sort_order: "asc" as const } } })),
});

/** CancelRun asks how much of a run's family is to end with it, and shows what would. */
export function CancelRun({ run, close }: { run: Run; close: () => void }) {
  const below = useQuery({ ...family(run.run_id), enabled: Boolean(run.children?.length) });
  const going = below.data?.runs.filter(stoppable) ?? [];
  const [all, setAll] = useState(true);
  const stop = useStop();
  const ends = [...(stoppable(run) ? [run] : []), ...(all ? going : [])];
  return (
    <Dialog
      open
      onClose={close}
      title="Cancel this run?"
      footer={
        <>
          <Button look="quiet" onClick={close}>
            Keep it
          </Button>
          <Button look="danger" autoFocus busy={stop.isPending} disabled={ends.length === 0 || below.isLoading} onClick={() => stop.mutate(ends, { onSettled: close })}>
            {ends.length === 1 ? "Cancel run" : `Cancel ${ends.length} runs`}
          </Button>
        </>
      }
    >
      <p className="text-dim">Its agent is stopped at once and its processes end. What it said and made is kept, and you can go on from there.</p>
      {below.isLoading && <Bars lines={2} />}
      {going.length > 0 && (
        <fieldset className="mt-4 space-y-2">
          <legend className="sr-only">What ends</legend>
          <Choice checked={all} choose={() => setAll(true)} label={`It and its ${going.length === 1 ? "running sub-agent" : `${going.length} running sub-agents`}`} />
          <Choice checked={!all} choose={() => setAll(false)} label="Only this run; its sub-agents go on" />
        </fieldset>
      )}
      {all && going.length > 0 && (
        <ul aria-label="Sub-agents that end" className="mt-3 max-h-48 overflow-y-auto rounded-lg border bg-ground px-3 py-2 text-[13px]">
          {going.map((r) => (
            <li key={r.run_id} className="flex items-center gap-2 py-1">
              <StateIcon state={r.state} className="size-3.5" />
              <span className="truncate">{r.title}</span>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

function Choice({ checked, choose, label }: { checked: boolean; choose: () => void; label: string }) {
  return (
    <label className="flex cursor-pointer items-center gap-2.5 rounded-lg border px-3 py-2 has-checked:border-accent has-checked:bg-accent-soft/50">
      <input type="radio" name="tree" checked={checked} onChange={choose} className="accent-(--accent)" /> {label}
    </label>
  );
}

/** useStop cancels runs, parents first so that they start nothing new, and says what became of it. */
function useStop() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (runs: Run[]) => {
      const failures: unknown[] = [];
      for (const run of runs) {
        await api.POST("/agent/runs/{runId}/cancel", { params: { path: { runId: run.run_id } } }).catch((why: unknown) => {
          // One that has ended meanwhile is as it was wanted.
          if (!(why instanceof Failure && why.code === "invalid_request")) failures.push(why);
        });
      }
      return { asked: runs.length, failures };
    },
    onSuccess: ({ asked, failures }) => {
      if (failures.length > 0) toast.failed(asked === 1 ? "The run was not cancelled" : `${failures.length} of ${asked} runs were not cancelled`, failures[0]);
      else toast.ok(asked === 1 ? "Run cancelled" : `${asked} runs cancelled`);
      void queries.invalidateQueries({ queryKey: ["run"] });
      void queries.invalidateQueries({ queryKey: ["runs", "some"] });
    },
  });
}

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api, must, type Run } from "@/api/client";
import { toast } from "@/ui/toast";

/** retryable says whether retrying a run would be refused: it failed, and not on the machine that registered it. */
export function retryable(run: Run): boolean {
  return run.is_run_type_cancellable && ["FAILED", "ERROR", "CANCELLED"].includes(run.state);
}

/** useAgain forks or retries a run and opens what came of it: another run, or the same one in a new execution. */
export function useAgain(run: Run) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: (act: "fork" | "retry") => {
      const path = { runId: run.run_id };
      return act === "fork" ? must(api.POST("/agent/runs/{runId}/fork", { params: { path }, body: {} })) : must(api.POST("/agent/runs/{runId}/retry", { params: { path } }));
    },
    onSuccess: ({ run_id }, act) => {
      toast.ok(act === "fork" ? "Forked: say what it is to do" : "Trying again");
      void queries.invalidateQueries({ queryKey: ["runs"] });
      void queries.invalidateQueries({ queryKey: ["run", run_id] });
      void navigate({ to: "/runs/$runId", params: { runId: run_id } });
    },
    onError: (why, act) => toast.failed(act === "fork" ? "The run was not forked" : "The run was not retried", why),
  });
}

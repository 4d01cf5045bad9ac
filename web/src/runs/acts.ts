import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, must, type Schema } from "@/api/client";
import { toast } from "@/ui/toast";

export function useInterrupt() {
  return useMutation({
    mutationFn: (runId: string) => must(api.POST("/agent/runs/{runId}/interrupt", { params: { path: { runId } } })),
    onError: (why) => toast.failed("The agent was not interrupted", why),
  });
}

/** useSend says something to a run. The caller keeps the text until it has arrived. */
export function useSend() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ runId, message, mode }: { runId: string; message: string; mode?: Schema<"RunMode"> }) =>
      must(api.POST("/agent/runs/{runId}/followups", { params: { path: { runId } }, body: { message, ...(mode && { mode }) } })),
    onSuccess: (_, { runId }) => void queries.invalidateQueries({ queryKey: ["run", runId] }),
    onError: (why) => toast.failed("Your message was not sent", why),
  });
}

export function useAnswer() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ runId, requestId, answer }: { runId: string; requestId: string; answer: Schema<"AnswerRequest"> }) =>
      must(api.POST("/agent/runs/{runId}/requests/{requestId}/answer", { params: { path: { runId, requestId } }, body: answer })),
    onSettled: (_, __, { runId }) => {
      void queries.invalidateQueries({ queryKey: ["run", runId] });
      void queries.invalidateQueries({ queryKey: ["runs"] });
    },
    onError: (why) => toast.failed("Your answer was not taken", why),
  });
}

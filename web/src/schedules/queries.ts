import { useMutation, useQueryClient } from "@tanstack/react-query";
import { api, must, type Schema } from "@/api/client";
import { toast } from "@/ui/toast";

export type Schedule = Schema<"ScheduledAgentItem">;

export const schedules = {
  queryKey: ["schedules"],
  queryFn: () => must(api.GET("/agent/schedules")),
  refetchInterval: 30_000,
};

export const ticks = (scheduleId: string) => ({
  queryKey: ["schedules", scheduleId, "history"],
  queryFn: () => must(api.GET("/agent/schedules/{scheduleId}/history", { params: { path: { scheduleId }, query: { limit: 20 } } })),
});

type Act = "pause" | "resume" | "run" | "delete";

const done: Record<Act, string> = { pause: "Paused", resume: "Resumed", run: "Run started", delete: "Schedule deleted" };

/** useAct does one thing to a schedule and says whether it worked. */
export function useAct() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ id, act }: { id: string; act: Act }) => {
      const params = { params: { path: { scheduleId: id } } };
      switch (act) {
        case "pause":
          return void (await api.POST("/agent/schedules/{scheduleId}/pause", params));
        case "resume":
          return void (await api.POST("/agent/schedules/{scheduleId}/resume", params));
        case "run":
          return void (await api.POST("/agent/schedules/{scheduleId}/run", params));
        case "delete":
          return void (await api.DELETE("/agent/schedules/{scheduleId}", params));
      }
    },
    onSuccess: (_, { act }) => {
      toast.ok(done[act]);
      void queries.invalidateQueries({ queryKey: schedules.queryKey });
    },
    onError: (why) => toast.failed("That did not work", why),
  });
}

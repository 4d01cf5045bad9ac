import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { api, must, type Schema } from "@/api/client";

export type Bucket = Schema<"UsageBucket">;
export type By = Schema<"UsageBy">;

/** spans are how far back a summary may look, in days. */
export const spans = [7, 14, 30, 90] as const;
export type Span = (typeof spans)[number];

/** usage is what the runs of the last days came to, the viewer's today being the last of them. */
export const usage = (by: By, days: Span) =>
  queryOptions({
    queryKey: ["usage", by, days],
    queryFn: () => {
      const from = new Date();
      from.setDate(from.getDate() - days + 1);
      const query = { by, from: from.toISOString(), time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone };
      return must(api.GET("/usage/summary", { params: { query } }));
    },
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
  });

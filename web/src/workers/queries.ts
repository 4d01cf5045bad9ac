import { api, must } from "@/api/client";

export const workers = {
  queryKey: ["workers"],
  queryFn: () => must(api.GET("/agent/connected-self-hosted-workers")),
  refetchInterval: 10_000,
};

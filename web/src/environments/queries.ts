import { api, must } from "@/api/client";

export const environments = {
  queryKey: ["environments"],
  queryFn: () => must(api.GET("/agent/environments")),
  staleTime: 30_000,
};

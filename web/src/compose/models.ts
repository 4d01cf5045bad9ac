import { api, must } from "@/api/client";

export const models = {
  queryKey: ["models"],
  queryFn: () => must(api.GET("/agent/models")),
  staleTime: 60_000,
};

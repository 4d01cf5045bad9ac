import { api, must, type Schema } from "@/api/client";

export type Agent = Schema<"AgentResponse">;

export const agents = {
  queryKey: ["agents"],
  queryFn: () => must(api.GET("/agent/identities")),
  staleTime: 30_000,
};

export const skills = (refresh: boolean) => must(api.GET("/agent", { params: { query: { include_malformed_skills: true, ...(refresh && { refresh }) } } }));

export const skillList = {
  queryKey: ["skills"],
  queryFn: () => skills(false),
  staleTime: 60_000,
};

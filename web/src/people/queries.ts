import { api, must, type Schema } from "@/api/client";

export type ApiKey = Schema<"ApiKey">;
export type Role = Schema<"TeamRole">;

export const roles: Role[] = ["admin", "member", "viewer"];

/** meanings say what a role is, in the words of docs/people.md. */
export const meanings: Record<Role, string> = {
  admin: "Everything, also what is the team's and who is in it",
  member: "Start and steer runs, keep things of their own",
  viewer: "See, and nothing else",
};

export const keys = { queryKey: ["keys"], queryFn: () => must(api.GET("/api-keys")) };

export const members = (teamUid: string) => ({
  queryKey: ["members", teamUid],
  queryFn: () => must(api.GET("/teams/{teamUid}/members", { params: { path: { teamUid } } })),
});

export const invitations = (teamUid: string) => ({
  queryKey: ["members", teamUid, "invitations"],
  queryFn: () => must(api.GET("/teams/{teamUid}/invitations", { params: { path: { teamUid } } })),
});

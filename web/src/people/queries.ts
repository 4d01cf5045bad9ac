import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { api, must, type Schema } from "@/api/client";
import { whoami } from "@/shell/me";

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

/** useNames knows the people of the team by their uid, as far as the viewer may see them. */
export function useNames(): Map<string, string> {
  const me = useQuery(whoami).data;
  const team = me?.team_uids?.[0];
  const list = useQuery({ ...members(team ?? ""), enabled: Boolean(team), staleTime: 60_000 }).data;
  return useMemo(() => {
    const names = new Map(list?.members.map((m) => [m.user.uid ?? "", m.user.display_name || m.user.email || "Somebody"]));
    if (me?.uid) names.set(me.uid, me.display_name || me.email || "You");
    return names;
  }, [list, me]);
}

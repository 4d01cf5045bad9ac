import { useQuery } from "@tanstack/react-query";
import { api, must } from "@/api/client";
import { Avatar } from "@/ui/avatar";

export const whoami = {
  queryKey: ["whoami"],
  queryFn: () => must(api.GET("/whoami")),
  staleTime: 60_000,
};

/** may reports whether a role can do what a control offers; without the right the control is not shown. */
export function useMay() {
  const { data } = useQuery(whoami);
  const role = data?.role ?? "viewer";
  return { steer: role !== "viewer", create: role !== "viewer", administer: role === "admin" };
}

/** Me says as whom, and for which team, the page acts. */
export function Me() {
  const { data } = useQuery(whoami);
  if (!data) return null;
  const name = data.display_name || data.email || data.uid;
  return (
    <div className="flex items-center gap-2.5 rounded-lg px-1.5 py-1">
      <Avatar name={name} agent={data.type === "service_account"} />
      <div className="min-w-0 leading-tight">
        <div className="truncate text-[13px]">{name}</div>
        <div className="truncate text-xs text-faint">{data.team_names?.[0]}</div>
      </div>
    </div>
  );
}

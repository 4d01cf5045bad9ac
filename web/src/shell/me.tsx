import { useQuery } from "@tanstack/react-query";
import { LogOut } from "lucide-react";
import { api, base, must } from "@/api/client";
import { Avatar } from "@/ui/avatar";
import { Menu } from "@/ui/menu";

export const whoami = {
  queryKey: ["whoami"],
  queryFn: () => must(api.GET("/whoami")),
  staleTime: 60_000,
};

/** may reports whether a role can do what a control offers; without the right the control is not shown. */
export function useMay() {
  const { data } = useQuery(whoami);
  const role = data?.role ?? "viewer";
  return { uid: data?.uid, steer: role !== "viewer", create: role !== "viewer", administer: role === "admin" };
}

/** Me says as whom, and for which team, the page acts. */
export function Me() {
  const { data } = useQuery(whoami);
  if (!data) return null;
  const name = data.display_name || data.email || data.uid;
  return (
    <Menu align="start" items={[{ label: "Sign out", icon: <LogOut />, act: signOut }]}>
      <button type="button" className="flex w-full items-center gap-2.5 rounded-lg px-1.5 py-1 text-left hover:bg-hover">
        <Avatar name={name} agent={data.type === "service_account"} />
        <span className="min-w-0 leading-tight">
          <span className="block truncate text-[13px]">{name}</span>
          <span className="block truncate text-xs text-faint">{data.team_names?.[0]}</span>
        </span>
      </button>
    </Menu>
  );
}

/** signOut ends the session here, by the server's own form. */
function signOut() {
  const form = document.createElement("form");
  form.method = "post";
  form.action = `${base}sign-out`;
  document.body.append(form);
  form.submit();
}

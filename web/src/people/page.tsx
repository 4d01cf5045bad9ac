import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Ellipsis, UserPlus } from "lucide-react";
import { useState } from "react";
import { api, must, type Schema } from "@/api/client";
import { useMay, whoami } from "@/shell/me";
import { Page } from "@/shell/page";
import { Avatar } from "@/ui/avatar";
import { Button, IconButton } from "@/ui/button";
import { sure } from "@/ui/confirm";
import { Dialog } from "@/ui/dialog";
import { Bars, Failed } from "@/ui/empty";
import { Field, Input, Select } from "@/ui/field";
import { exact } from "@/ui/format";
import { Menu } from "@/ui/menu";
import { Since } from "@/ui/time";
import { toast } from "@/ui/toast";
import { Keys } from "./keys";
import { invitations, meanings, members, type Role, roles } from "./queries";
import { Once } from "./once";

/** PeoplePage is who is in the team, what they may do, and the keys that act for them. */
export function PeoplePage() {
  const me = useQuery(whoami);
  const team = me.data?.team_uids?.[0];
  const may = useMay();
  const [inviting, setInviting] = useState(false);
  return (
    <Page
      title="Members and keys"
      hint={me.data?.team_names?.[0]}
      actions={
        may.administer && (
          <Button look="primary" onClick={() => setInviting(true)}>
            <UserPlus className="size-4" /> Invite
          </Button>
        )
      }
    >
      <div className="space-y-8">
        {team && <Members team={team} />}
        <Keys />
      </div>
      {inviting && team && <Invite team={team} close={() => setInviting(false)} />}
    </Page>
  );
}

function Members({ team }: { team: string }) {
  const list = useQuery(members(team));
  const may = useMay();
  const open = useQuery({ ...invitations(team), enabled: may.administer });
  if (list.isPending) return <Bars lines={3} />;
  if (list.isError) return <Failed what="The members" why={list.error} again={() => void list.refetch()} />;
  return (
    <section aria-label="Members">
      <ul className="overflow-hidden rounded-xl border bg-panel">
        {list.data.members.map((m) => (
          <Row key={m.user.uid} team={team} member={m} />
        ))}
        {open.data?.invitations.map((i) => (
          <Invited key={i.uid} team={team} invitation={i} />
        ))}
      </ul>
    </section>
  );
}

/** useChange does one thing to the team and reads it anew. */
function useChange(team: string, what: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (act: () => Promise<unknown>) => act(),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["members", team] }),
    onError: (why) => toast.failed(what, why),
  });
}

function Row({ team, member: m }: { team: string; member: Schema<"Member"> }) {
  const may = useMay();
  const change = useChange(team, "The team was not changed");
  const name = m.user.display_name || m.user.email || "Somebody";
  const path = { teamUid: team, userUid: m.user.uid ?? "" };
  return (
    <li className="flex items-center gap-3 border-b px-4 py-3 last:border-b-0">
      <Avatar name={name} />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">{name}</p>
        <p className="truncate text-[13px] text-dim">{m.user.email}</p>
      </div>
      {m.disabled && <span className="text-[13px] text-bad">Shut out</span>}
      <span className="text-[13px] text-dim capitalize">{m.role}</span>
      {may.administer && (
        <Menu
          items={[
            ...roles.map((role) => ({
              label: role[0]?.toUpperCase() + role.slice(1),
              checked: role === m.role,
              disabled: Boolean(m.source),
              why: "Decided by the groups of the provider",
              act: () => change.mutate(() => must(api.PUT("/teams/{teamUid}/members/{userUid}", { params: { path }, body: { role } }))),
            })),
            null,
            {
              label: "Remove from the team",
              danger: true,
              act: () =>
                void sure({ title: `Remove ${name}?`, text: "Their keys and sign-ins for this team end at once.", act: "Remove" }).then(
                  (yes) => yes && change.mutate(() => api.DELETE("/teams/{teamUid}/members/{userUid}", { params: { path } })),
                ),
            },
          ]}
        >
          <IconButton label={`Change ${name}`}>
            <Ellipsis />
          </IconButton>
        </Menu>
      )}
    </li>
  );
}

function Invited({ team, invitation: i }: { team: string; invitation: Schema<"Invitation"> }) {
  const change = useChange(team, "The invitation was not withdrawn");
  return (
    <li className="flex items-center gap-3 border-b px-4 py-3 text-dim last:border-b-0">
      <span className="size-6 shrink-0 rounded-full border border-dashed border-strong" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="truncate">{i.email}</p>
        <p className="text-[13px]">
          Invited <Since at={i.created_at} /> ago, until {exact(i.expires_at)}
        </p>
      </div>
      <span className="text-[13px] capitalize">{i.role}</span>
      <Button
        small
        look="quiet"
        busy={change.isPending}
        onClick={() => change.mutate(() => api.DELETE("/teams/{teamUid}/invitations/{invitationUid}", { params: { path: { teamUid: team, invitationUid: i.uid } } }))}
      >
        Withdraw
      </Button>
    </li>
  );
}

function Invite({ team, close }: { team: string; close: () => void }) {
  const queries = useQueryClient();
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<Role>("member");
  const invite = useMutation({
    mutationFn: () => must(api.POST("/teams/{teamUid}/invitations", { params: { path: { teamUid: team } }, body: { email: email.trim(), role } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["members", team] }),
  });
  return (
    <Dialog
      open
      onClose={close}
      title="Invite somebody"
      footer={
        invite.data ? (
          <Button look="primary" onClick={close}>
            Done
          </Button>
        ) : (
          <Button look="primary" busy={invite.isPending} disabled={!email.includes("@")} onClick={() => invite.mutate()}>
            Make a link
          </Button>
        )
      }
    >
      {invite.data ? (
        <Once label="Link" value={invite.data.url} hint={`Hand it to ${email.trim()}. It works once, and is not shown again.`} />
      ) : (
        <div className="space-y-4">
          <Field label="E-mail" error={invite.error?.message}>
            {(id, hint) => <Input id={id} aria-describedby={hint} type="email" autoFocus value={email} onChange={(e) => setEmail(e.target.value)} />}
          </Field>
          <Field label="Role" hint={meanings[role]}>
            {(id, hint) => (
              <Select id={id} aria-describedby={hint} value={role} onChange={(e) => setRole(e.target.value as Role)}>
                {roles.map((r) => (
                  <option key={r} value={r}>
                    {r[0]?.toUpperCase() + r.slice(1)}
                  </option>
                ))}
              </Select>
            )}
          </Field>
        </div>
      )}
    </Dialog>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Ellipsis, FileClock, LockKeyhole, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Button, IconButton } from "@/ui/button";
import { sure } from "@/ui/confirm";
import { Dialog } from "@/ui/dialog";
import { Bars, Empty, Failed } from "@/ui/empty";
import { exact } from "@/ui/format";
import { Menu } from "@/ui/menu";
import { Since } from "@/ui/time";
import { toast } from "@/ui/toast";
import { SecretForm } from "./form";
import { kinds, type Secret, secrets, uses } from "./queries";

/** SecretsPage is what runs may use and nobody can read: values go in, and come out in sandboxes only. */
export function SecretsPage() {
  const list = useQuery(secrets);
  const may = useMay();
  const [editing, setEditing] = useState<Secret | "new">();
  const [shown, setShown] = useState<Secret>();
  const create = may.create && (
    <Button look="primary" onClick={() => setEditing("new")}>
      <Plus className="size-4" /> New secret
    </Button>
  );
  return (
    <Page title="Secrets" hint="Values that runs may use and nobody can read here" actions={list.data?.secrets.length ? create : undefined}>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The secrets" why={list.error} again={() => void list.refetch()} />
      ) : list.data.secrets.length === 0 ? (
        <Empty icon={<LockKeyhole />} title="No secret yet" action={create}>
          A token an agent needs is stored once, sealed, and handed to sandboxes as a variable or a file. It is kept out of everything that is shown or stored. Your own reach only the runs you start.
        </Empty>
      ) : (
        <ul className="overflow-hidden rounded-xl border bg-panel">
          {list.data.secrets.map((s) => (
            <Row key={s.uid} secret={s} edit={() => setEditing(s)} show={() => setShown(s)} />
          ))}
        </ul>
      )}
      {editing && <SecretForm secret={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} />}
      {shown && <Uses secret={shown} close={() => setShown(undefined)} />}
    </Page>
  );
}

function Row({ secret: s, edit, show }: { secret: Secret; edit: () => void; show: () => void }) {
  const may = useMay();
  const queries = useQueryClient();
  const team = s.scope?.type === "Team";
  const remove = useMutation({
    mutationFn: () => api.DELETE("/secrets/{secretUid}", { params: { path: { secretUid: s.uid } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: secrets.queryKey }),
    onError: (why) => toast.failed("The secret was not deleted", why),
  });
  const question = { title: `Delete ${s.name}?`, text: "At once and for good. Sandboxes that have it keep it until they end.", act: "Delete" };
  return (
    <li className="relative flex items-center gap-3 border-b px-4 py-3 last:border-b-0 hover:bg-hover/60">
      <LockKeyhole className="size-4 shrink-0 text-faint" />
      <div className="min-w-0 flex-1">
        <div className="flex items-center gap-2">
          <button type="button" onClick={show} className="truncate font-mono text-[13px] font-medium after:absolute after:inset-0">
            {s.name}
          </button>
          <span className="rounded border px-1.5 text-xs text-faint">{team ? "Team" : "Personal"}</span>
        </div>
        <p className="truncate text-[13px] text-dim">{[kinds[s.type]?.label ?? s.type, s.description].filter(Boolean).join(" • ")}</p>
      </div>
      <span className="hidden text-[13px] text-faint sm:block">
        changed <Since at={s.updated_at} />
      </span>
      {(team ? may.administer : may.create) && (
        <div className="relative z-10">
          <Menu
            items={[
              { label: "Which runs had it", icon: <FileClock />, act: show },
              { label: "Change", icon: <Pencil />, act: edit },
              null,
              { label: "Delete", icon: <Trash2 />, danger: true, act: () => void sure(question).then((yes) => yes && remove.mutate()) },
            ]}
          >
            <IconButton label={`Change ${s.name}`}>
              <Ellipsis />
            </IconButton>
          </Menu>
        </div>
      )}
    </li>
  );
}

const phases = { setup: "its set-up commands", agent: "its agent", model: "the gateway, for it" };

/** Uses is which runs received a secret, as far as the viewer may see them. */
function Uses({ secret, close }: { secret: Secret; close: () => void }) {
  const list = useQuery(uses(secret.uid));
  return (
    <Dialog side open onClose={close} title={secret.name} description={secret.description || kinds[secret.type]?.hint}>
      <h3 className="mb-2 text-xs font-medium text-faint">Which runs had it</h3>
      {list.isPending ? (
        <Bars lines={3} />
      ) : list.isError ? (
        <Failed what="The uses" why={list.error} again={() => void list.refetch()} />
      ) : list.data.uses.length === 0 ? (
        <p className="text-dim">No run has received it yet.</p>
      ) : (
        <ul>
          {list.data.uses.map((u) => (
            <li key={u.run_id + u.execution + u.phase} className="flex items-center gap-3 border-b border-line/60 py-2 text-[13px] last:border-b-0">
              <time className="w-44 shrink-0 text-dim">{exact(u.at)}</time>
              <Link to="/runs/$runId" params={{ runId: u.run_id }} className="min-w-0 truncate font-mono text-xs text-accent-text hover:underline">
                {u.run_id}
              </Link>
              <span className="ml-auto shrink-0 text-faint">{phases[u.phase]}</span>
            </li>
          ))}
        </ul>
      )}
      {list.data?.page_info.has_next_page && <p className="mt-3 text-[13px] text-faint">These are the latest 50; `cadre secret uses` lists all.</p>}
    </Dialog>
  );
}

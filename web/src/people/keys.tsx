import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { KeyRound, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api, must } from "@/api/client";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { sure } from "@/ui/confirm";
import { Bars, Failed } from "@/ui/empty";
import { Field, Input, Select } from "@/ui/field";
import { exact } from "@/ui/format";
import { Since } from "@/ui/time";
import { toast } from "@/ui/toast";
import { Once } from "./once";
import { type ApiKey, keys } from "./queries";

/** Keys are what programs come in with. */
export function Keys() {
  const list = useQuery(keys);
  const [making, setMaking] = useState(false);
  return (
    <section aria-label="API keys">
      <header className="mb-3 flex items-center gap-3">
        <h2 className="flex-1 font-medium">API keys</h2>
        <Button onClick={() => setMaking(true)}>
          <Plus className="size-4" /> New key
        </Button>
      </header>
      {list.isPending ? (
        <Bars lines={2} />
      ) : list.isError ? (
        <Failed what="The keys" why={list.error} again={() => void list.refetch()} />
      ) : list.data.api_keys.length === 0 ? (
        <p className="rounded-xl border bg-panel px-4 py-6 text-center text-dim">A key lets a program do what you may do, or less.</p>
      ) : (
        <ul className="overflow-hidden rounded-xl border bg-panel">
          {list.data.api_keys.map((k) => (
            <Row key={k.uid} of={k} />
          ))}
        </ul>
      )}
      {making && <NewKey close={() => setMaking(false)} />}
    </section>
  );
}

function Row({ of: k }: { of: ApiKey }) {
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: () => api.DELETE("/api-keys/{keyUid}", { params: { path: { keyUid: k.uid } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.queryKey }),
    onError: (why) => toast.failed("The key was not revoked", why),
  });
  return (
    <li className="flex items-center gap-3 border-b px-4 py-3 last:border-b-0">
      <KeyRound className="size-4 shrink-0 text-faint" />
      <div className="min-w-0 flex-1">
        <p className="truncate font-medium">
          {k.name} <code className="ml-1 font-mono text-xs font-normal text-faint">…{k.key_suffix}</code>
        </p>
        <p className="truncate text-[13px] text-dim">
          {k.scopes.join(", ")}
          {k.owner_type !== "user" && `, acts as ${k.agent_info?.name ?? "the team"}`}
          {k.expires_at ? `, until ${exact(k.expires_at)}` : ", never expires"}
        </p>
      </div>
      <span className="hidden text-[13px] text-faint sm:block">{k.last_used_at ? <>used <Since at={k.last_used_at} /> ago</> : "not used yet"}</span>
      <IconButton label={`Revoke ${k.name}`} busy={revoke.isPending} onClick={() => void sure({ title: `Revoke ${k.name}?`, text: "Whatever uses it stops working at once.", act: "Revoke" }).then((yes) => yes && revoke.mutate())}>
        <Trash2 />
      </IconButton>
    </li>
  );
}

const lives = [
  ["1", "A day"],
  ["30", "30 days"],
  ["90", "90 days"],
  ["", "For ever"],
] as const;

const scopes = [
  ["full", "Everything its owner may"],
  ["runs", "Start and steer runs"],
  ["read", "See, and nothing else"],
  ["worker", "Connect as a worker"],
] as const;

function NewKey({ close }: { close: () => void }) {
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [scope, setScope] = useState<(typeof scopes)[number][0]>("full");
  const make = useMutation({
    mutationFn: () =>
      must(
        api.POST("/api-keys", {
          body: { name: name.trim(), scopes: [scope], ...(days && { expires_at: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }) },
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: keys.queryKey }),
  });
  return (
    <Dialog
      open
      onClose={close}
      title="New API key"
      footer={
        make.data ? (
          <Button look="primary" onClick={close}>
            Done
          </Button>
        ) : (
          <Button look="primary" busy={make.isPending} disabled={!name.trim()} onClick={() => make.mutate()}>
            Create key
          </Button>
        )
      }
    >
      {make.data ? (
        <Once label="Key" value={make.data.raw_api_key} hint="Keep it now. It is not shown again." />
      ) : (
        <div className="space-y-4">
          <Field label="Name" hint="What will use it" error={make.error?.message}>
            {(id, hint) => <Input id={id} aria-describedby={hint} autoFocus maxLength={100} value={name} onChange={(e) => setName(e.target.value)} />}
          </Field>
          <div className="grid gap-4 sm:grid-cols-2">
            <Field label="May">
              {(id) => (
                <Select id={id} value={scope} onChange={(e) => setScope(e.target.value as typeof scope)}>
                  {scopes.map(([key, label]) => (
                    <option key={key} value={key}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
            <Field label="For how long">
              {(id) => (
                <Select id={id} value={days} onChange={(e) => setDays(e.target.value)}>
                  {lives.map(([key, label]) => (
                    <option key={key} value={key}>
                      {label}
                    </option>
                  ))}
                </Select>
              )}
            </Field>
          </div>
        </div>
      )}
    </Dialog>
  );
}

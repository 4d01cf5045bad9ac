import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Paperclip, X } from "lucide-react";
import { useRef, useState } from "react";
import { agents, skillList } from "@/agents/queries";
import { api, must, type Schema } from "@/api/client";
import { EnvironmentPicker } from "@/environments/picker";
import { workers } from "@/workers/queries";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Select, TextArea } from "@/ui/field";
import { bytes } from "@/ui/format";
import { Keys } from "@/ui/tip";
import { toast } from "@/ui/toast";
import { models } from "./models";
import { clearDraft, type Draft, keepDraft, newDraft, request } from "./draft";

/** Compose starts a run from anywhere. What was typed is kept until it was sent. */
export function Compose({ open, given, close }: { open: boolean; given?: Partial<Draft>; close: () => void }) {
  const navigate = useNavigate();
  const [draft, setDraft] = useState(() => ({ ...newDraft(), ...given }));
  const [taken, setTaken] = useState(given);
  if (taken !== given) {
    setTaken(given);
    if (given) setDraft((before) => ({ ...before, ...given }));
  }
  const change = (part: Partial<Draft>) =>
    setDraft((before) => {
      const after = { ...before, ...part };
      keepDraft(after);
      return after;
    });
  const start = useMutation({
    mutationFn: async () => must(api.POST("/agent/runs", { body: await request(draft), params: { header: { "Idempotency-Key": draft.key } } })),
    onSuccess: (answer) => {
      clearDraft();
      setDraft({ ...newDraft(), environment: draft.environment, model: draft.model, host: draft.host, agent: draft.agent });
      close();
      if (answer.at_capacity) toast.ok("Accepted. It starts when another run of your team ends.");
      void navigate({ to: "/runs/$runId", params: { runId: answer.run_id } });
    },
    onError: (why) => toast.failed("The run was not started", why),
  });
  const ready = (draft.prompt.trim() !== "" || draft.skill !== "") && !start.isPending;
  return (
    <Dialog
      side
      open={open}
      onClose={close}
      title="New run"
      footer={
        <Button look="primary" busy={start.isPending} disabled={!ready} onClick={() => start.mutate()}>
          Run <Keys keys="mod+enter" />
        </Button>
      }
    >
      <form
        className="space-y-4"
        onSubmit={(e) => e.preventDefault()}
        onKeyDown={(e) => {
          if (e.key === "Enter" && (e.metaKey || e.ctrlKey) && ready) start.mutate();
        }}
      >
        <Prompt draft={draft} change={change} />
        <Pickers draft={draft} change={change} />
      </form>
    </Dialog>
  );
}

type Part = { draft: Draft; change: (part: Partial<Draft>) => void };

function Prompt({ draft, change }: Part) {
  const input = useRef<HTMLInputElement>(null);
  const attach = (files: Iterable<File>) => change({ files: [...draft.files, ...files].slice(0, 5) });
  return (
    <Field label="Prompt" hint="Drop or paste images and files; up to five">
      {(id, hint) => (
        <div
          onDragOver={(e) => e.preventDefault()}
          onDrop={(e) => {
            e.preventDefault();
            attach(e.dataTransfer.files);
          }}
        >
          <TextArea
            id={id}
            aria-describedby={hint}
            autoFocus
            rows={9}
            value={draft.prompt}
            placeholder="What should be done? Say how you will tell that it is done."
            onChange={(e) => change({ prompt: e.target.value })}
            onPaste={(e) => {
              if (e.clipboardData.files.length === 0) return;
              e.preventDefault();
              attach(e.clipboardData.files);
            }}
          />
          <div className="mt-1.5 flex flex-wrap items-center gap-1.5">
            <Button small look="quiet" onClick={() => input.current?.click()}>
              <Paperclip className="size-3.5" /> Attach
            </Button>
            <input ref={input} type="file" multiple hidden onChange={(e) => attach(e.target.files ?? [])} />
            {draft.files.map((file, i) => (
              <span key={`${file.name}-${i}`} className="inline-flex items-center gap-1.5 rounded-md border px-2 py-0.5 text-xs text-dim">
                {file.name} <span className="text-faint">{bytes(file.size)}</span>
                <button type="button" aria-label={`Remove ${file.name}`} onClick={() => change({ files: draft.files.filter((_, n) => n !== i) })}>
                  <X className="size-3" />
                </button>
              </span>
            ))}
          </div>
        </div>
      )}
    </Field>
  );
}

const modes: [Schema<"RunMode">, string][] = [
  ["normal", "Do it"],
  ["plan", "Plan first, then ask"],
  ["orchestrate", "Split it among agents"],
];

function Pickers({ draft, change }: Part) {
  const catalogue = useQuery(models).data;
  const hosts = useQuery(workers).data?.workers ?? [];
  const known = useQuery(agents).data?.agents.filter((a) => a.available && !a.is_default) ?? [];
  const found = useQuery(skillList).data?.agents.flatMap((s) => s.variants.filter((v) => !v.error).map((v) => ({ id: v.id, name: s.name }))) ?? [];
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      {known.length > 0 && (
        <Field label="Agent">
          {(id) => (
            <Select id={id} value={draft.agent} onChange={(e) => change({ agent: e.target.value })}>
              <option value="">Quick run, as yourself</option>
              {known.map((a) => (
                <option key={a.uid} value={a.uid}>
                  {a.name}
                </option>
              ))}
            </Select>
          )}
        </Field>
      )}
      {(found.length > 0 || draft.skill) && (
        <Field label="Skill">
          {(id) => (
            <Select id={id} value={draft.skill} onChange={(e) => change({ skill: e.target.value })}>
              <option value="">None</option>
              {draft.skill && !found.some((s) => s.id === draft.skill) && <option value={draft.skill}>{draft.skill}</option>}
              {found.map((s) => (
                <option key={s.id} value={s.id}>
                  {s.name}
                </option>
              ))}
            </Select>
          )}
        </Field>
      )}
      <EnvironmentPicker value={draft.environment} change={(environment) => change({ environment })} />
      <Field label="Model">
        {(id) => (
          <Select id={id} value={draft.model} onChange={(e) => change({ model: e.target.value })}>
            <option value="">{catalogue ? `Default (${catalogue.default_model_id})` : "Default"}</option>
            {catalogue?.models.map((m) => (
              <option key={m.id} value={m.id} disabled={Boolean(m.disable_reason)}>
                {m.display_name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Mode">
        {(id) => (
          <Select id={id} value={draft.mode} onChange={(e) => change({ mode: e.target.value as Draft["mode"] })}>
            {modes.map(([mode, label]) => (
              <option key={mode} value={mode}>
                {label}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Host">
        {(id) => (
          <Select id={id} value={draft.host} onChange={(e) => change({ host: e.target.value })}>
            <option value="">Default</option>
            {hosts.map((h) => (
              <option key={h.worker_host} value={h.worker_host}>
                {h.worker_host}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <Field label="Title" hint="Made from the prompt when empty">
        {(id, hint) => <Input id={id} aria-describedby={hint} value={draft.title} maxLength={200} onChange={(e) => change({ title: e.target.value })} />}
      </Field>
    </div>
  );
}

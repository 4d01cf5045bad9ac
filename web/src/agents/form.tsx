import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { api, must } from "@/api/client";
import { models } from "@/compose/models";
import { EnvironmentPicker } from "@/environments/picker";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Select, TextArea } from "@/ui/field";
import { type Agent, agents } from "./queries";

/** AgentForm makes or changes an agent. Members it does not show stay as they are. */
export function AgentForm({ agent, close }: { agent?: Agent; close: () => void }) {
  const queries = useQueryClient();
  const known = useQuery(models).data?.models ?? [];
  const [form, setForm] = useState({
    name: agent?.name ?? "",
    description: agent?.description ?? "",
    prompt: agent?.prompt ?? "",
    skills: agent?.skills.join("\n") ?? "",
    base_model: agent?.base_model ?? "",
    environment_id: agent?.environment_id ?? "",
  });
  const set = (part: Partial<typeof form>) => setForm((before) => ({ ...before, ...part }));
  const save = useMutation({
    mutationFn: () => {
      const skills = form.skills.split("\n").map((s) => s.trim()).filter(Boolean);
      const body = { ...form, name: form.name.trim(), skills };
      return agent
        ? must(api.PUT("/agent/identities/{agentUid}", { params: { path: { agentUid: agent.uid } }, body }))
        : must(api.POST("/agent/identities", { body }));
    },
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: agents.queryKey });
      close();
    },
  });
  return (
    <Dialog
      side
      open
      onClose={close}
      title={agent ? `Edit ${agent.name}` : "New agent"}
      footer={
        <>
          <Button look="quiet" onClick={close}>
            Cancel
          </Button>
          <Button look="primary" busy={save.isPending} disabled={!form.name.trim()} onClick={() => save.mutate()}>
            {agent ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Field label="Name">{(id) => <Input id={id} autoFocus maxLength={100} value={form.name} onChange={(e) => set({ name: e.target.value })} />}</Field>
        <Field label="Description" hint="For people: what it is for">
          {(id, hint) => <Input id={id} aria-describedby={hint} maxLength={1000} value={form.description} onChange={(e) => set({ description: e.target.value })} />}
        </Field>
        <Field label="Instructions" hint="Told to every run of it, before its task">
          {(id, hint) => <TextArea id={id} aria-describedby={hint} rows={8} value={form.prompt} onChange={(e) => set({ prompt: e.target.value })} />}
        </Field>
        <Field label="Skills" hint="One per line: owner/repository:name">
          {(id, hint) => <TextArea id={id} aria-describedby={hint} rows={3} className="font-mono text-[13px]" value={form.skills} onChange={(e) => set({ skills: e.target.value })} />}
        </Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Model">
            {(id) => (
              <Select id={id} value={form.base_model} onChange={(e) => set({ base_model: e.target.value })}>
                <option value="">Default</option>
                {known.map((m) => (
                  <option key={m.id} value={m.id} disabled={Boolean(m.disable_reason)}>
                    {m.display_name}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          <EnvironmentPicker value={form.environment_id} change={(environment_id) => set({ environment_id })} />
        </div>
        {save.error && (
          <p role="alert" className="text-bad">
            {save.error.message}
          </p>
        )}
      </div>
    </Dialog>
  );
}

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useDeferredValue, useState } from "react";
import { api, Failure, must } from "@/api/client";
import { EnvironmentPicker } from "@/environments/picker";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Field, Input, Select, TextArea } from "@/ui/field";
import { exact } from "@/ui/format";
import { type Schedule, schedules } from "./queries";

const presets = [
  ["Every hour", "0 * * * *"],
  ["Every night at three", "0 3 * * *"],
  ["Weekdays at nine", "0 9 * * MON-FRI"],
  ["Mondays at nine", "0 9 * * MON"],
] as const;

const zones = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((z) => z !== "UTC")];

/** ScheduleForm makes or changes a schedule, and says in words when it will fire. */
export function ScheduleForm({ schedule, close }: { schedule?: Schedule; close: () => void }) {
  const queries = useQueryClient();
  const [form, setForm] = useState({
    name: schedule?.name ?? "",
    cron: schedule?.cron_schedule ?? "0 9 * * MON-FRI",
    zone: schedule?.time_zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    prompt: schedule?.prompt ?? "",
    environment: schedule?.agent_config?.environment_id ?? "",
    overlap: schedule?.overlap ?? "allow",
    missed: schedule?.missed_runs ?? "once",
  });
  const set = (part: Partial<typeof form>) => setForm((before) => ({ ...before, ...part }));
  const save = useMutation({
    mutationFn: () => {
      const { environment_id: _, ...config } = schedule?.agent_config ?? {};
      const body = {
        name: form.name,
        cron_schedule: form.cron,
        time_zone: form.zone,
        prompt: form.prompt,
        overlap: form.overlap,
        missed_runs: form.missed,
        agent_config: { ...config, ...(form.environment && { environment_id: form.environment }) },
      };
      if (!schedule) return must(api.POST("/agent/schedules", { body }));
      const { metadata, mode, agent_uid } = schedule;
      return must(api.PUT("/agent/schedules/{scheduleId}", { params: { path: { scheduleId: schedule.id } }, body: { ...body, enabled: schedule.enabled, metadata, mode, agent_uid } }));
    },
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: schedules.queryKey });
      close();
    },
  });
  return (
    <Dialog
      side
      open
      onClose={close}
      title={schedule ? "Edit schedule" : "New schedule"}
      footer={
        <>
          <Button look="quiet" onClick={close}>
            Cancel
          </Button>
          <Button look="primary" busy={save.isPending} disabled={!form.name.trim() || (!form.prompt.trim() && !schedule?.agent_config?.skill_spec)} onClick={() => save.mutate()}>
            {schedule ? "Save" : "Create"}
          </Button>
        </>
      }
    >
      <div className="space-y-4">
        <Field label="Name">{(id) => <Input id={id} autoFocus maxLength={200} value={form.name} onChange={(e) => set({ name: e.target.value })} />}</Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="When" hint="Minute, hour, day, month, weekday; or @every 20m">
            {(id, hint) => <Input id={id} aria-describedby={hint} className="font-mono" value={form.cron} onChange={(e) => set({ cron: e.target.value })} />}
          </Field>
          <Field label="Time zone">
            {(id) => (
              <Select id={id} value={form.zone} onChange={(e) => set({ zone: e.target.value })}>
                {zones.map((z) => (
                  <option key={z}>{z}</option>
                ))}
              </Select>
            )}
          </Field>
        </div>
        <div className="flex flex-wrap gap-1.5">
          {presets.map(([label, cron]) => (
            <Button key={cron} small onClick={() => set({ cron })}>
              {label}
            </Button>
          ))}
        </div>
        <Preview cron={form.cron} zone={form.zone} />
        <Field label="Prompt">{(id) => <TextArea id={id} rows={6} value={form.prompt} onChange={(e) => set({ prompt: e.target.value })} />}</Field>
        <div className="grid gap-4 sm:grid-cols-2">
          <EnvironmentPicker value={form.environment} change={(environment) => set({ environment })} />
          <Field label="While an earlier run goes on">
            {(id) => (
              <Select id={id} value={form.overlap} onChange={(e) => set({ overlap: e.target.value as typeof form.overlap })}>
                <option value="allow">Run beside it</option>
                <option value="skip">Leave this one out</option>
                <option value="queue_after">Run after it</option>
                <option value="cancel_previous">Cancel the earlier one</option>
              </Select>
            )}
          </Field>
          <Field label="What was missed while the server was down">
            {(id) => (
              <Select id={id} value={form.missed} onChange={(e) => set({ missed: e.target.value as typeof form.missed })}>
                <option value="once">Make up for it once</option>
                <option value="skip">Leave it out</option>
                <option value="all">Make up for each</option>
              </Select>
            )}
          </Field>
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

/** Preview asks the server, which is what will fire, when the expression means. */
function Preview({ cron, zone }: { cron: string; zone: string }) {
  const asked = useDeferredValue(cron.trim());
  const { data, error } = useQuery({
    queryKey: ["schedules", "preview", asked, zone],
    queryFn: () => must(api.POST("/agent/schedules/preview", { body: { cron_schedule: asked, time_zone: zone, count: 3 } })),
    enabled: asked !== "",
    retry: false,
    placeholderData: (before) => before,
  });
  if (error) return <p className="text-[13px] text-bad">{error instanceof Failure ? error.message : String(error)}</p>;
  if (!data) return null;
  return (
    <div className="rounded-lg border bg-ground px-3 py-2 text-[13px]">
      <p className="font-medium">{data.description}</p>
      <ul className="mt-1 text-dim">
        {data.next_runs.map((at) => (
          <li key={at}>{new Date(at).toLocaleString(undefined, { dateStyle: "full", timeStyle: "short", timeZone: zone })}</li>
        ))}
      </ul>
      {data.next_runs[0] && <p className="mt-1 text-faint">First, where you are: {exact(data.next_runs[0])}</p>}
    </div>
  );
}

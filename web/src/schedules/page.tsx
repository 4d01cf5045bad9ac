import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CalendarClock, Ellipsis, Pause, Pencil, Play, Plus, Trash2, TriangleAlert, Zap } from "lucide-react";
import { useState } from "react";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Button, IconButton } from "@/ui/button";
import { cx } from "@/ui/cx";
import { Dialog } from "@/ui/dialog";
import { sure } from "@/ui/confirm";
import { Bars, Empty, Failed } from "@/ui/empty";
import { exact } from "@/ui/format";
import { Menu } from "@/ui/menu";
import { Since } from "@/ui/time";
import { Tip } from "@/ui/tip";
import { ScheduleForm } from "./form";
import { type Schedule, schedules, ticks, useAct } from "./queries";

/** SchedulesPage is what starts runs by the clock: when, in words, and what came of it. */
export function SchedulesPage() {
  const list = useQuery(schedules);
  const may = useMay();
  const [editing, setEditing] = useState<Schedule | "new">();
  const [shown, setShown] = useState<Schedule>();
  const create = may.create && (
    <Button look="primary" onClick={() => setEditing("new")}>
      <Plus className="size-4" /> New schedule
    </Button>
  );
  return (
    <Page title="Schedules" hint="Runs that start by the clock" actions={list.data?.schedules.length ? create : undefined}>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The schedules" why={list.error} again={() => void list.refetch()} />
      ) : list.data.schedules.length === 0 ? (
        <Empty icon={<CalendarClock />} title="No schedule yet" action={create}>
          A schedule starts the same run again and again: every night, every Monday at nine in Berlin, every twenty minutes.
        </Empty>
      ) : (
        <ul className="overflow-hidden rounded-xl border bg-panel">
          {list.data.schedules.map((s) => (
            <Row key={s.id} schedule={s} edit={() => setEditing(s)} show={() => setShown(s)} />
          ))}
        </ul>
      )}
      {editing && <ScheduleForm schedule={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} />}
      {shown && <History schedule={shown} close={() => setShown(undefined)} />}
    </Page>
  );
}

function Row({ schedule: s, edit, show }: { schedule: Schedule; edit: () => void; show: () => void }) {
  const may = useMay();
  const act = useAct();
  const todo = (name: "pause" | "resume" | "run" | "delete") => () => act.mutate({ id: s.id, act: name });
  return (
    <li className="relative flex items-center gap-3 border-b px-4 py-3 last:border-b-0 hover:bg-hover/60">
      <span role="img" className={cx("size-2 shrink-0 rounded-full", s.last_spawn_error ? "bg-bad" : s.enabled ? "bg-ok" : "bg-strong")} aria-label={s.enabled ? "On" : "Paused"} />
      <div className="min-w-0 flex-1">
        <button type="button" onClick={show} className="block max-w-full truncate text-left font-medium after:absolute after:inset-0">
          {s.name}
        </button>
        <p className="truncate text-[13px] text-dim">
          {s.description || s.cron_schedule}
          {s.time_zone !== "UTC" && `, ${s.time_zone}`}
        </p>
      </div>
      {s.last_spawn_error && (
        <Tip text={s.last_spawn_error}>
          <TriangleAlert aria-label="The last run could not be started" className="relative z-10 size-4 text-bad" />
        </Tip>
      )}
      <div className="hidden text-right text-[13px] sm:block">
        <div>{!s.enabled ? "Paused" : s.history?.next_run ? exact(s.history.next_run) : "No more runs"}</div>
        <div className="text-faint">{s.history?.last_ran ? <>last ran <Since at={s.history.last_ran} /></> : "has not run yet"}</div>
      </div>
      {may.create && (
        <div className="relative z-10">
          <Menu
            items={[
              { label: "Run now", icon: <Zap />, act: todo("run") },
              s.enabled ? { label: "Pause", icon: <Pause />, act: todo("pause") } : { label: "Resume", icon: <Play />, act: todo("resume") },
              { label: "Edit", icon: <Pencil />, act: edit },
              null,
              { label: "Delete", icon: <Trash2 />, danger: true, act: () => void sure({ title: `Delete ${s.name}?`, text: "It starts nothing any more. The runs it started stay.", act: "Delete" }).then((yes) => yes && todo("delete")()) },
            ]}
          >
            <IconButton label="More">
              <Ellipsis />
            </IconButton>
          </Menu>
        </div>
      )}
    </li>
  );
}

function History({ schedule, close }: { schedule: Schedule; close: () => void }) {
  const list = useQuery(ticks(schedule.id));
  return (
    <Dialog side open onClose={close} title={schedule.name} description={schedule.description}>
      <p className="mb-4 rounded-lg border bg-ground px-3 py-2 whitespace-pre-wrap wrap-anywhere">{schedule.prompt || schedule.agent_config?.skill_spec}</p>
      <h3 className="mb-2 text-xs font-medium text-faint">What became of it</h3>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The history" why={list.error} />
      ) : list.data.ticks.length === 0 ? (
        <p className="text-dim">It has not fired yet.</p>
      ) : (
        <ul>
          {list.data.ticks.map((t) => (
            <li key={t.at} className="flex items-start gap-3 border-b py-2 last:border-b-0">
              <time className="w-44 shrink-0 text-[13px] text-dim">{exact(t.at)}</time>
              {t.run_id ? (
                <Link to="/runs/$runId" params={{ runId: t.run_id }} className="text-accent-text hover:underline">
                  Run
                </Link>
              ) : (
                <span className="min-w-0 wrap-anywhere text-dim">{t.reason || t.outcome}</span>
              )}
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  );
}

import { Link } from "@tanstack/react-router";
import { Archive, Camera, ChevronRight, ExternalLink, File, GitPullRequest, ListTodo } from "lucide-react";
import { memo } from "react";
import type { Run } from "@/api/client";
import { Avatar } from "@/ui/avatar";
import { cx } from "@/ui/cx";
import { dollars, duration, lasted } from "@/ui/format";
import { Since, Ticking } from "@/ui/time";
import { Tip } from "@/ui/tip";
import { RunMenu } from "./menu";
import { SourceIcon } from "./source";
import { look, StateIcon } from "./state";
import { aggregate, type Branch } from "./tree";

interface Props {
  branch: Branch;
  selected: boolean;
  toggle: (id: string) => void;
}

/** rowHeight is fixed, so that a hundred thousand rows need no measuring. */
export const rowHeight = 54;

/** RunRow is one run: what it is, how it stands, what it made, took and cost. */
export const RunRow = memo(function RunRow({ branch, selected, toggle }: Props) {
  const { run, depth, children, open } = branch;
  const below = aggregate(children);
  return (
    <div
      role="listitem"
      aria-current={selected || undefined}
      style={{ height: rowHeight }}
      className={cx("group relative flex items-center gap-3 border-b border-line/60 px-3 sm:px-5", selected ? "bg-hover" : "hover:bg-hover/60")}
    >
      {selected && <span aria-hidden className="absolute inset-y-2 left-0 w-0.5 rounded-full bg-accent" />}
      <span style={{ width: depth * 20 }} className="-mr-3" />
      {children.length > 0 ? (
        <button type="button" aria-label={open ? "Hide sub-agents" : "Show sub-agents"} aria-expanded={open} onClick={() => toggle(run.run_id)} className="-mx-1.5 rounded p-0.5 text-faint hover:text-text">
          <ChevronRight className={cx("size-4 transition-transform", open && "rotate-90")} />
        </button>
      ) : null}
      <Tip text={run.waiting?.message ?? run.status_message?.message ?? look(run.state).label}>
        <span>
          <StateIcon state={run.state} />
        </span>
      </Tip>
      <div className="min-w-0 flex-1">
        <div className="flex min-w-0 items-center gap-2">
          <Link to="/runs/$runId" params={{ runId: run.run_id }} className="truncate font-medium outline-offset-4 after:absolute after:inset-0" preload="intent">
            {run.title}
          </Link>
          {run.archived && <Archive role="img" aria-label="Archived" className="size-3.5 shrink-0 text-faint" />}
          {below && (
            <Tip text={`${children.length} sub-agents: ${look(below).label.toLowerCase()}`}>
              <span className={cx("relative z-10 shrink-0 rounded px-1 text-xs", look(below).tone)}>▸{children.length}</span>
            </Tip>
          )}
        </div>
        <MetaLine run={run} />
      </div>
      <Artifacts run={run} />
      <div className="hidden w-20 shrink-0 text-right text-[13px] text-dim tabular-nums md:block">
        {run.state === "INPROGRESS" && run.started_at ? <Ticking from={run.started_at} /> : runTime(run)}
      </div>
      <div className="hidden w-16 shrink-0 text-right text-[13px] text-dim tabular-nums md:block">{cost(run)}</div>
      <Since at={run.updated_at} className="w-10 shrink-0 text-right text-[13px] text-faint tabular-nums" />
      {run.creator?.display_name && <Avatar name={run.creator.display_name} agent={run.creator.type === "service_account"} className="hidden sm:inline-flex" />}
      <div className="relative z-10 -mr-2 opacity-0 group-hover:opacity-100 focus-within:opacity-100 has-data-[state=open]:opacity-100 max-sm:hidden">
        <RunMenu run={run} />
      </div>
    </div>
  );
});

function MetaLine({ run }: { run: Run }) {
  const parts = [run.agent_config?.name, harnessName(run), run.executor && run.executor.uid !== run.creator?.uid ? `Executor: ${run.executor.display_name}` : undefined].filter(Boolean);
  return (
    <div className="flex min-w-0 items-center gap-1.5 text-xs text-faint">
      <SourceIcon source={run.source} className="relative z-10" />
      <span className="truncate">
        <span className="md:hidden">{[runTime(run), cost(run)].filter(Boolean).map((part) => `${part} • `)}</span>
        {run.waiting && run.state !== "BLOCKED" ? <span className="text-wait">{run.waiting.message}</span> : parts.join(" • ") || gist(run.prompt)}
      </span>
    </div>
  );
}

/** gist is a prompt in one line, without the blocks of code in it. */
export function gist(prompt: string): string {
  return prompt.slice(0, 2000).replace(/(`{3,})[\s\S]*?(\1|$)/g, " ").replace(/\s+/g, " ").trim().slice(0, 300);
}

/** harnessName is absent for the built-in agent, which is the rule. */
export function harnessName(run: Run): string | undefined {
  const type = run.agent_config?.harness?.type;
  const names: Partial<Record<typeof type & string, string>> = { claude: "Claude Code", codex: "Codex", gemini: "Gemini CLI", opencode: "OpenCode" };
  return type && type !== "oz" ? (names[type] ?? type) : undefined;
}

/** runTime is absent for runs on somebody's own machine, where waiting cannot be told from work. */
export function runTime(run: Run): string {
  return run.run_time && run.source !== "LOCAL" ? lasted(duration(run.run_time)) : "";
}

export function cost(run: Run): string {
  const usage = run.request_usage;
  if (!usage?.total_tokens) return "";
  return dollars((usage.inference_cost_usd ?? 0) + (usage.compute_cost_usd ?? 0));
}

const made = { PULL_REQUEST: GitPullRequest, PLAN: ListTodo, SCREENSHOT: Camera, FILE: File, EXTERNAL_REFERENCE: ExternalLink };

function Artifacts({ run }: { run: Run }) {
  if (run.artifacts.length === 0) return null;
  const kinds = Map.groupBy(run.artifacts, (a) => a.artifact_type);
  return (
    <div className="hidden shrink-0 items-center gap-1.5 sm:flex">
      {[...kinds].map(([kind, all]) => {
        const Icon = made[kind] ?? File;
        return (
          <Tip key={kind} text={all.map((a) => artifactName(a)).join(", ")}>
            <span className="relative z-10 inline-flex items-center gap-1 rounded-md border px-1.5 py-0.5 text-xs text-dim">
              <Icon className="size-3.5" />
              {all.length > 1 && all.length}
            </span>
          </Tip>
        );
      })}
    </div>
  );
}

export function artifactName(a: Run["artifacts"][number]): string {
  switch (a.artifact_type) {
    case "PULL_REQUEST":
      return `Pull request ${a.data.branch}`;
    case "PLAN":
      return a.data.title ?? "Plan";
    case "SCREENSHOT":
      return a.data.description ?? "Screenshot";
    case "FILE":
      return a.data.title ?? a.data.filename;
    default:
      return a.data.title ?? a.data.url;
  }
}

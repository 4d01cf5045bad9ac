import { Check, ChevronRight, Copy, FilePen, FileSearch, FileText, ListTodo, type LucideIcon, Plug, Terminal, TriangleAlert, X } from "lucide-react";
import { memo, useState } from "react";
import { base } from "@/api/client";
import { IconButton } from "@/ui/button";
import { copy } from "@/ui/copy";
import { cx } from "@/ui/cx";
import { bytes, lasted } from "@/ui/format";
import { Ansi, harmless } from "./ansi";
import { Diff } from "./diff";
import { useFold } from "./fold";
import type { Item } from "./transcript";

type Action = Extract<Item, { kind: "action" }>;

const icons: Record<string, LucideIcon> = { command: Terminal, files: FileText, search: FileSearch, documents: ListTodo, integration: Plug };

/** summary says in one line what a tool call is about. */
export function summary(action: Action): string {
  const { input, name } = action;
  for (const key of ["command", "path", "pattern", "url", "question", "title", "query"]) {
    const value = input?.[key];
    if (typeof value === "string" && value) return harmless(value);
  }
  const items = input?.items;
  return Array.isArray(items) ? `${items.length} tasks` : name;
}

/** preview is how many lines of an output are shown before it is unfolded. */
const preview = 12;

export const ActionCard = memo(function ActionCard({ action, runId }: { action: Action; runId: string }) {
  const { result } = action;
  const command = action.category === "command";
  const bad = result?.state === "failed" || result?.state === "denied" || Boolean(result?.exit_code);
  const text = result ? result.output : action.output;
  const diff = result?.detail?.diff;
  const [shown, turn] = useFold(command || Boolean(diff) || bad || !result);
  const Icon = diff ? FilePen : (icons[action.category] ?? Terminal);
  return (
    <div className="overflow-hidden rounded-xl border bg-panel">
      <div className="flex items-center gap-2.5 px-3 py-2">
        <button type="button" aria-expanded={shown} onClick={turn} className="flex min-w-0 flex-1 items-center gap-2.5 text-left">
          <Icon className="size-4 shrink-0 text-faint" />
          <span className={cx("min-w-0 truncate", command ? "font-mono text-[13px]" : "")}>
            {!command && <span className="mr-2 text-dim">{verb(action)}</span>}
            {summary(action)}
          </span>
          <ChevronRight className={cx("size-4 shrink-0 text-faint transition-transform", shown && "rotate-90")} />
        </button>
        <Outcome action={action} bad={bad} />
      </div>
      {shown && (diff ? <div className="border-t"><Diff diff={diff} /></div> : text ? <Output text={text} live={!result} runId={runId} action={action} /> : null)}
    </div>
  );
});

const verbs: Record<string, string> = { read_file: "Read", write_file: "Write", edit_file: "Edit", glob: "Find", grep: "Search", plan: "Plan", ask: "Ask", report_artifact: "Report", update_plan: "Plan" };

function verb(action: Action): string {
  return verbs[action.name] ?? action.name;
}

function Outcome({ action: { result }, bad }: { action: Action; bad: boolean }) {
  if (!result) return <span className="shrink-0 animate-breathe text-xs text-run">running</span>;
  return (
    <span className={cx("flex shrink-0 items-center gap-1.5 text-xs tabular-nums", bad ? "text-bad" : "text-faint")}>
      {result.state === "denied" ? "denied" : result.exit_code ? `exit ${result.exit_code}` : ""}
      {result.duration_ms !== undefined && result.duration_ms >= 100 && <span className="text-faint">{lasted(result.duration_ms)}</span>}
      {result.state === "denied" ? <X className="size-3.5" /> : bad ? <TriangleAlert className="size-3.5" /> : <Check className="size-3.5 text-ok" />}
    </span>
  );
}

function Output({ text, live, runId, action }: { text: string; live: boolean; runId: string; action: Action }) {
  const lines = text.replace(/\n$/, "").split("\n");
  const [all, setAll] = useState(false);
  const [wide, setWide] = useState(20_000);
  const folded = !all && lines.length > preview + 4;
  const part = folded ? (live ? lines.slice(-preview) : lines.slice(0, preview)) : lines;
  const whole = part.join("\n");
  const { blob, omitted_bytes: omitted } = action.result ?? {};
  return (
    <div className="group/out relative border-t">
      <pre className="max-h-140 overflow-auto px-3 py-2 font-mono text-[12.5px] leading-5 whitespace-pre-wrap wrap-anywhere text-dim" tabIndex={0} aria-label="Output">
        <Ansi text={whole.slice(0, wide)} />
      </pre>
      <div className="absolute top-1 right-1 opacity-0 group-hover/out:opacity-100 focus-within:opacity-100">
        <IconButton label="Copy output" className="bg-panel" onClick={() => copy(harmless(text))}>
          <Copy />
        </IconButton>
      </div>
      {(folded || whole.length > wide || Boolean(omitted)) && (
        <div className="flex gap-4 border-t px-3 py-1.5 text-xs">
          {folded && (
            <button type="button" className="text-accent-text hover:underline" onClick={() => setAll(true)}>
              Show all {lines.length.toLocaleString()} lines
            </button>
          )}
          {!folded && whole.length > wide && (
            <button type="button" className="text-accent-text hover:underline" onClick={() => setWide(wide * 8)}>
              Show more ({bytes(whole.length - wide)} left)
            </button>
          )}
          {Boolean(omitted) && (
            <span className="text-faint">
              {bytes(omitted ?? 0)} left out here
              {blob && (
                <>
                  :{" "}
                  <a className="text-accent-text hover:underline" href={`${base}api/v1/agent/runs/${runId}/blobs/${encodeURIComponent(blob)}`} download>
                    whole output
                  </a>
                </>
              )}
            </span>
          )}
        </div>
      )}
    </div>
  );
}

import { Link } from "@tanstack/react-router";
import { ArrowDownToLine, Brain, ChevronRight, CircleAlert, File, GitPullRequest, Info, Paperclip, RotateCw, Scissors, TriangleAlert } from "lucide-react";
import { memo } from "react";
import type { Run } from "@/api/client";
import { artifactName } from "@/runs/row";
import { look, StateIcon } from "@/runs/state";
import { Avatar } from "@/ui/avatar";
import { cx } from "@/ui/cx";
import { exact, lasted } from "@/ui/format";
import { ActionCard } from "./action";
import { Ansi } from "./ansi";
import { artifactHref } from "./artifacts";
import { useFold } from "./fold";
import { Prose } from "./markdown";
import { RequestCard } from "./request";
import type { Item, Phase } from "./transcript";

/** ItemView draws one item of a transcript. */
export const ItemView = memo(function ItemView({ item, run, over }: { item: Item; run: Run; over: boolean }) {
  switch (item.kind) {
    case "user":
      return <Said item={item} />;
    case "text":
      return (
        <div className={cx("px-1", item.live && "after:ml-0.5 after:inline-block after:h-3.5 after:w-1.5 after:animate-breathe after:bg-accent after:content-['']")}>
          <Prose text={item.text} />
        </div>
      );
    case "reasoning":
      return <Thought text={item.text} live={item.live} />;
    case "action":
      return <ActionCard action={item} runId={run.run_id} />;
    case "setup":
      return <Setup phases={item.phases} />;
    case "request":
      return <RequestCard runId={run.run_id} request={item.request} answer={item.answer} over={over} />;
    case "artifact":
      return <Made run={run} item={item} />;
    case "notice":
      return <Note level={item.level} text={item.text} />;
    case "state":
      return <Moved item={item} />;
    case "execution":
      return item.event === "started" ? <Mark icon={<RotateCw />} text={`Goes on in a new sandbox${item.host ? ` on ${item.host}` : ""}`} at={item.at} /> : <Mark icon={<Info />} text={item.reason || `Sandbox ${item.event}`} at={item.at} />;
    case "compaction":
      return <Mark icon={<Scissors />} text="The agent's own memory was condensed here. This record keeps everything." at={item.at} />;
  }
});

function Said({ item }: { item: Extract<Item, { kind: "user" }> }) {
  const name = item.author?.display_name || "Somebody";
  return (
    <div className="flex gap-3">
      <Avatar name={name} agent={item.author?.type === "service_account"} className="mt-0.5" />
      <div className="min-w-0 flex-1 rounded-xl rounded-tl-sm border border-accent/25 bg-accent-soft/60 px-3.5 py-2.5">
        <div className="mb-0.5 text-xs text-dim">{name}</div>
        <Prose text={item.text} />
        {Boolean(item.attachments?.length) && (
          <ul className="mt-2 flex flex-wrap gap-1.5">
            {item.attachments?.map((name) => (
              <li key={name} className="inline-flex items-center gap-1 rounded-md border px-1.5 py-0.5 text-xs text-dim">
                <Paperclip className="size-3" /> {name}
              </li>
            ))}
          </ul>
        )}
      </div>
    </div>
  );
}

function Thought({ text, live }: { text: string; live: boolean }) {
  const [open, turn] = useFold(false);
  return (
    <div className="px-1 text-[13px] text-faint">
      <button type="button" aria-expanded={open || live} onClick={turn} className="inline-flex items-center gap-1.5 hover:text-dim">
        <Brain className={cx("size-3.5", live && "animate-breathe")} /> {live ? "Thinking" : "Thought"}
        <ChevronRight className={cx("size-3.5 transition-transform", (open || live) && "rotate-90")} />
      </button>
      {(open || live) && (
        <div className="mt-1 border-l-2 pl-3 text-dim">
          <Prose text={text} />
        </div>
      )}
    </div>
  );
}

/** Setup is one group for all start-up steps: closed once they went well, open where one failed. */
function Setup({ phases }: { phases: Phase[] }) {
  const failed = phases.some((p) => p.state === "failed");
  const busy = phases.some((p) => p.state === "running");
  const [shown, turn] = useFold(failed || busy);
  const total = phases.reduce((sum, p) => sum + (p.duration_ms ?? 0), 0);
  return (
    <div className={cx("overflow-hidden rounded-xl border bg-panel text-[13px]", failed && "border-bad/50")}>
      <button type="button" aria-expanded={shown} onClick={turn} className="flex w-full items-center gap-2.5 px-3 py-2 text-left text-dim">
        <ChevronRight className={cx("size-4 text-faint transition-transform", shown && "rotate-90")} />
        <span className="flex-1">{failed ? "Set-up failed" : busy ? "Setting up the sandbox" : `Set up in ${phases.length} steps`}</span>
        <span className="text-xs text-faint tabular-nums">{lasted(total)}</span>
      </button>
      {shown && (
        <ol className="border-t">
          {phases.map((phase, i) => (
            <li key={i} className="border-b px-3 py-2 last:border-b-0">
              <div className="flex items-center gap-2.5">
                <span role="img" aria-label={phase.state} className={cx("size-2 shrink-0 rounded-full", phase.state === "failed" ? "bg-bad" : phase.state === "running" ? "animate-breathe bg-run" : "bg-ok")} />
                <span className="shrink-0">{phase.name}</span>
                <code className="min-w-0 flex-1 truncate font-mono text-xs text-faint">{phase.command}</code>
                <span className="text-xs text-faint tabular-nums">{phase.duration_ms !== undefined ? lasted(phase.duration_ms) : ""}</span>
              </div>
              {phase.state === "failed" && (
                <>
                  {phase.output && (
                    <pre className="mt-2 max-h-80 overflow-auto rounded-lg border bg-ground px-3 py-2 font-mono text-xs whitespace-pre-wrap wrap-anywhere">
                      <Ansi text={phase.output} />
                    </pre>
                  )}
                  {phase.advice && <p className="mt-2 text-wait">{phase.advice}</p>}
                </>
              )}
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

function Made({ run, item }: { run: Run; item: Extract<Item, { kind: "artifact" }> }) {
  const { artifact } = item;
  const href = artifactHref(run.run_id, artifact, item.blob);
  const Icon = artifact.artifact_type === "PULL_REQUEST" ? GitPullRequest : File;
  const body = (
    <>
      <span className="flex size-9 items-center justify-center rounded-lg bg-accent-soft text-accent-text">
        <Icon className="size-4.5" />
      </span>
      <span className="min-w-0 flex-1">
        <span className="block truncate font-medium">{artifactName(artifact)}</span>
        <span className="block truncate text-xs text-faint">{artifact.artifact_type === "PULL_REQUEST" ? artifact.data.url : "Artifact"}</span>
      </span>
      {href && <ArrowDownToLine className="size-4 text-faint" />}
    </>
  );
  const box = "flex items-center gap-3 rounded-xl border bg-panel px-3 py-2.5";
  return href ? (
    <a href={href} target="_blank" rel="noopener noreferrer" className={cx(box, "hover:border-strong")}>
      {body}
    </a>
  ) : (
    <div className={box}>{body}</div>
  );
}

function Note({ level, text }: { level: "info" | "warning" | "error"; text: string }) {
  const Icon = level === "info" ? Info : level === "warning" ? CircleAlert : TriangleAlert;
  return (
    <p className={cx("flex gap-2 px-1 text-[13px]", level === "info" ? "text-faint" : level === "warning" ? "text-wait" : "text-bad")}>
      <Icon className="mt-0.5 size-3.5 shrink-0" />
      <span className="min-w-0 wrap-anywhere whitespace-pre-wrap">{text}</span>
    </p>
  );
}

/** Moved shows the moves a reader cares about: ends, and waits for a person. */
function Moved({ item }: { item: Extract<Item, { kind: "state" }> }) {
  const { label, tone } = look(item.to);
  return (
    <div className="flex items-start gap-2.5 border-t pt-3 text-[13px]">
      <StateIcon state={item.to} className="mt-0.5" />
      <div className="min-w-0 flex-1">
        <span className={cx("font-medium", tone)}>{label}</span>
        {item.code && <code className="ml-2 font-mono text-xs wrap-anywhere text-faint">{item.code}</code>}
        {item.message && <p className="mt-0.5 wrap-anywhere whitespace-pre-wrap text-dim">{item.message}</p>}
        {item.code === "environment_setup_failed" && (
          <Link to="/environments" className="text-accent-text hover:underline">
            Open environments
          </Link>
        )}
      </div>
      {item.at && <time className="shrink-0 text-xs text-faint max-sm:hidden">{exact(item.at)}</time>}
    </div>
  );
}

function Mark({ icon, text, at }: { icon: React.ReactNode; text: string; at?: string }) {
  return (
    <div className="flex items-center gap-3 text-xs text-faint" title={at && exact(at)}>
      <span className="h-px flex-1 bg-line" />
      <span className="inline-flex max-w-[80%] items-center gap-1.5 text-center [&_svg]:size-3.5">
        {icon} {text}
      </span>
      <span className="h-px flex-1 bg-line" />
    </div>
  );
}

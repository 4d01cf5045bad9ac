import { Check, CircleDashed, type LucideIcon, Square, TriangleAlert } from "lucide-react";
import type { Run, RunState } from "@/api/client";
import { cx } from "@/ui/cx";

interface Look {
  label: string;
  tone: string;
  soft: string;
}

/** looks is the one table of how states are called and coloured. */
export const looks: Record<RunState, Look> = {
  QUEUED: { label: "Queued", tone: "text-dim", soft: "bg-hover" },
  PENDING: { label: "Pending", tone: "text-dim", soft: "bg-hover" },
  CLAIMED: { label: "Claimed", tone: "text-run", soft: "bg-run-soft" },
  INPROGRESS: { label: "In progress", tone: "text-run", soft: "bg-run-soft" },
  SUCCEEDED: { label: "Done", tone: "text-ok", soft: "bg-ok-soft" },
  FAILED: { label: "Failed", tone: "text-bad", soft: "bg-bad-soft" },
  ERROR: { label: "Error", tone: "text-bad", soft: "bg-bad-soft" },
  BLOCKED: { label: "Blocked", tone: "text-wait", soft: "bg-wait-soft" },
  CANCELLED: { label: "Cancelled", tone: "text-faint", soft: "bg-hover" },
};

/** A state this page does not know comes from a newer server, and is shown as Failed rather than hidden. */
export function look(state: RunState): Look {
  return looks[state] ?? looks.FAILED;
}

export const working: RunState[] = ["QUEUED", "PENDING", "CLAIMED", "INPROGRESS"];
export const failed: RunState[] = ["FAILED", "ERROR", "BLOCKED"];

export function isWorking(run: Pick<Run, "state">): boolean {
  return working.includes(run.state);
}

/** StateIcon tells states apart by shape as well as by colour: blocked is a yellow square, cancelled a grey
 * one, failed a red triangle, done a green check. */
export function StateIcon({ state, className }: { state: RunState; className?: string }) {
  const { label, tone } = look(state);
  const all = cx("size-4 shrink-0", tone, className);
  let Icon: LucideIcon | undefined;
  switch (state) {
    case "INPROGRESS":
    case "CLAIMED":
      return (
        <svg viewBox="0 0 16 16" role="img" aria-label={label} className={all}>
          <circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" strokeWidth="1.6" opacity="0.3" />
          <circle cx="8" cy="8" r="3" fill="currentColor" className="animate-breathe" />
        </svg>
      );
    case "QUEUED":
    case "PENDING":
      Icon = CircleDashed;
      break;
    case "SUCCEEDED":
      Icon = Check;
      break;
    case "BLOCKED":
      return <Square role="img" aria-label={label} className={cx("size-4 shrink-0 fill-current p-px text-signal", className)} />;
    case "CANCELLED":
      return <Square role="img" aria-label={label} className={cx("size-4 shrink-0 fill-current p-px text-faint", className)} />;
    default:
      return <TriangleAlert role="img" aria-label={label} className={all} />;
  }
  return <Icon role="img" aria-label={label} strokeWidth={state === "SUCCEEDED" ? 2.6 : 1.8} className={all} />;
}

/** StateBadge is a state in words. */
export function StateBadge({ state }: { state: RunState }) {
  const { label, tone, soft } = look(state);
  return (
    <span className={cx("inline-flex h-6 items-center gap-1.5 rounded-full px-2 text-xs font-medium whitespace-nowrap", tone, soft)}>
      <StateIcon state={state} className="size-3.5" />
      {label}
    </span>
  );
}

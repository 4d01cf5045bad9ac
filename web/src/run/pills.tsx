import { Link } from "@tanstack/react-router";
import { Hourglass, Network } from "lucide-react";
import { HoverCard } from "radix-ui";
import type { ReactNode } from "react";
import type { Run } from "@/api/client";
import { artifactName, gist, harnessName } from "@/runs/row";
import { StateBadge, StateIcon } from "@/runs/state";
import { hueOf } from "@/ui/avatar";
import { cx } from "@/ui/cx";
import { dollars } from "@/ui/format";
import { type Kin, kinName, subtree, useFamily, waitsForEvents } from "./family";
import { costOf } from "./spend";

/** Pills is the bar of an orchestration: the parent leftmost, then its children in the order they began.
 * It is there as soon as there is a child. */
export function Pills({ run }: { run: Run }) {
  const { kin, all } = useFamily(run);
  if (kin.length === 0) return null;
  const total = costOf([run, ...all]);
  return (
    <nav aria-label="Agents of this run" className="flex shrink-0 items-center gap-1.5 border-b px-3 py-2 sm:px-5">
      <ul className="flex min-w-0 flex-1 gap-1.5 overflow-x-auto [scrollbar-width:none]">
        <li>
          <Pill run={run} name="Parent" current />
        </li>
        {kin.map((k) => (
          <li key={k.run.run_id}>
            <Pill run={k.run} name={kinName(k.run)} kin={k} />
          </li>
        ))}
      </ul>
      {total > 0 && <span className="shrink-0 text-[13px] text-dim tabular-nums">{dollars(total)} together</span>}
    </nav>
  );
}

/** Badge is the state of an agent in an orchestration; waiting for others is a state of its own there. */
export function Badge({ run, className }: { run: Run; className?: string }) {
  if (waitsForEvents(run)) return <Hourglass role="img" aria-label="Waiting for events" className={cx("size-3.5 shrink-0 text-run", className)} />;
  return <StateIcon state={run.state} className={cx("size-3.5", className)} />;
}

const subtreeTones = { busy: "text-wait", failed: "text-bad", settled: "text-faint" };

function Pill({ run, name, current, kin }: { run: Run; name: string; current?: boolean; kin?: Kin }) {
  const look = cx(
    "inline-flex h-7 shrink-0 items-center gap-1.5 rounded-full border pr-2.5 pl-1 text-[13px]",
    current ? "border-strong bg-hover" : "text-dim hover:border-strong hover:text-text",
  );
  const inside = (
    <>
      {kin ? (
        <span aria-hidden className={cx("inline-flex size-5 shrink-0 items-center justify-center rounded-full text-[10px] font-semibold text-white", hueOf(name))}>
          {([...name][0] ?? "?").toUpperCase()}
        </span>
      ) : (
        <Network aria-hidden className="ml-1 size-3.5 shrink-0 text-accent-text" />
      )}
      <span className="max-w-[110px] truncate">{name}</span>
      <Badge run={run} />
      {Boolean(kin?.below.length) && <span className={cx("text-xs tabular-nums", subtreeTones[subtree(kin?.below ?? [])])}>▸{kin?.below.length}</span>}
    </>
  );
  return (
    <HoverCard.Root openDelay={300} closeDelay={80}>
      <HoverCard.Trigger asChild>
        <Link to="/runs/$runId" params={{ runId: run.run_id }} aria-current={current ? "page" : undefined} className={look}>
          {inside}
        </Link>
      </HoverCard.Trigger>
      <HoverCard.Portal>
        <HoverCard.Content align="start" sideOffset={6} collisionPadding={8} className="z-50 w-80 max-w-[90vw] animate-rise rounded-xl border border-line bg-raised p-3.5 text-[13px] shadow-xl">
          <Card run={run} below={kin?.below.length ?? 0} />
        </HoverCard.Content>
      </HoverCard.Portal>
    </HoverCard.Root>
  );
}

/** Card is an agent in short. What is not known is left out. */
function Card({ run, below }: { run: Run; below: number }) {
  const pulls = run.artifacts.filter((a) => a.artifact_type === "PULL_REQUEST");
  return (
    <>
      <p className="font-medium wrap-anywhere">{kinName(run)}</p>
      <p className="mt-1 line-clamp-3 text-dim">{gist(run.prompt)}</p>
      <div className="mt-2.5 flex flex-wrap items-center gap-1.5">
        <StateBadge state={run.state} />
        {harnessName(run) && <Chip>{harnessName(run)}</Chip>}
        {below > 0 && <Chip>{below} below it</Chip>}
      </div>
      {(run.status_message ?? run.waiting) && <p className="mt-2 text-faint">{run.status_message?.message ?? run.waiting?.message}</p>}
      {pulls.map((p, i) => (
        <p key={i} className="mt-2 truncate font-mono text-xs text-dim">
          {artifactName(p)}
        </p>
      ))}
    </>
  );
}

const Chip = ({ children }: { children: ReactNode }) => <span className="inline-flex h-6 items-center rounded-full border px-2 text-xs text-dim">{children}</span>;

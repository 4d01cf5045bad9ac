import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, GitFork, Link2, RotateCw } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { base, type Run } from "@/api/client";
import { retryable, useAgain } from "@/runs/again";
import { isWorking, look } from "@/runs/state";
import { useMay } from "@/shell/me";
import { Button, IconButton } from "@/ui/button";
import { copy } from "@/ui/copy";
import { cx } from "@/ui/cx";
import { Bars } from "@/ui/empty";
import { shows } from "./find";
import { ItemView } from "./item";
import type { Session } from "./session";
import type { Item } from "./transcript";

/** near is how close to the end, in pixels, counts as watching it. */
const near = 80;

interface Props {
  run: Run;
  session: Session;
  /** around is the number of the entry the page was opened at. */
  around?: number;
  /** sought is the id of an item that is to be brought into view and marked. */
  sought?: string;
}

/** TranscriptView draws what is in view of a transcript of any length. It stays at the end while the end is
 * watched, and stays where it is while something earlier is read. */
export function TranscriptView({ run, session, around, sought }: Props) {
  const { first } = session.transcript;
  const items = session.transcript.items.filter(shows);
  const pane = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(around === undefined);
  const list = useVirtualizer({
    count: items.length,
    getScrollElement: () => pane.current,
    estimateSize: () => 72,
    overscan: 8,
    paddingStart: 20,
    paddingEnd: 28,
    gap: 12,
    getItemKey: (i) => items[i]?.id ?? i,
  });
  const size = list.getTotalSize();

  useLayoutEffect(() => {
    if (atEnd && pane.current) pane.current.scrollTop = pane.current.scrollHeight;
  }, [atEnd, size]);

  const linked = around === undefined ? undefined : items.find((i) => (i.seq ?? 0) >= around)?.id;
  const aim = sought ?? linked;
  const index = aim === undefined ? -1 : items.findIndex((i) => i.id === aim);
  const aimed = useRef<string>(undefined);
  useEffect(() => {
    if (index < 0 || aimed.current === aim) return;
    aimed.current = aim;
    setAtEnd(false);
    list.scrollToIndex(index, { align: sought ? "center" : "start" });
  }, [aim, index, list, sought]);

  const earlier = async () => {
    const before = list.getTotalSize();
    if ((await session.earlier()) === 0) return;
    // What was in view stays in view: everything moved down by what came in front.
    requestAnimationFrame(() => pane.current && (pane.current.scrollTop += list.getTotalSize() - before));
  };

  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={pane}
        className="h-full overflow-y-auto overscroll-contain [overflow-anchor:none]"
        onScroll={(e) => {
          const { scrollTop, scrollHeight, clientHeight } = e.currentTarget;
          setAtEnd(scrollHeight - scrollTop - clientHeight < near);
          if (scrollTop < 400 && first > 1) void earlier();
        }}
      >
        {items.length === 0 && !run.last_seq ? <Bars lines={3} /> : null}
        <div style={{ height: size }} className="relative mx-auto w-full max-w-3xl" role="log" aria-label="Transcript">
          {list.getVirtualItems().map((row) => {
            const item = items[row.index];
            return (
              item && (
                <div key={row.key} ref={list.measureElement} data-index={row.index} className="group/item absolute inset-x-0 top-0 px-3 sm:px-5" style={{ transform: `translateY(${row.start}px)` }}>
                  <div className={cx("rounded-xl", item.id === aim && "outline-2 outline-offset-4 outline-accent")}>
                    <ItemView item={item} run={run} over={item.kind === "request" && !item.answer && run.state !== "BLOCKED"} />
                  </div>
                  <Anchor run={run} item={item} />
                </div>
              )
            );
          })}
        </div>
        <Waiting run={run} />
        {!isWorking(run) && run.state !== "BLOCKED" && <Again run={run} />}
      </div>
      {!atEnd && (
        <Button small className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-lg" onClick={() => setAtEnd(true)}>
          <ArrowDown className="size-3.5" /> {isWorking(run) ? "Follow" : "To the end"}
        </Button>
      )}
    </div>
  );
}

/** Anchor gives away the address of one item, for whoever has room to point at it. */
function Anchor({ run, item }: { run: Run; item: Item }) {
  if (item.seq === undefined) return null;
  return (
    <span className="absolute top-0 left-full -ml-4 opacity-0 group-hover/item:opacity-100 focus-within:opacity-100 max-lg:hidden">
      <IconButton label="Copy link to this entry" className="size-7" onClick={() => copy(new URL(`runs/${run.run_id}?seq=${item.seq}`, base).href, "Link to this entry copied")}>
        <Link2 />
      </IconButton>
    </span>
  );
}

/** Waiting says why a run that is not moving waits. */
function Waiting({ run }: { run: Run }) {
  if (!run.waiting || run.state === "BLOCKED" || run.state === "INPROGRESS") return null;
  return (
    <p className="mx-auto -mt-4 max-w-3xl px-6 pb-6 text-[13px] text-dim" role="status">
      <span className="mr-2 inline-block size-2 animate-breathe rounded-full bg-wait" />
      {look(run.state).label}: {run.waiting.message}
    </p>
  );
}

/** Again is how to go on from a run that has ended, other than by talking to it. */
function Again({ run }: { run: Run }) {
  const may = useMay();
  const again = useAgain(run);
  const retry = may.steer && retryable(run);
  if (!may.create && !retry) return null;
  return (
    <div className="mx-auto -mt-3 flex max-w-3xl gap-2 px-3 pb-6 sm:px-5">
      {retry && (
        <Button small disabled={again.isPending} onClick={() => again.mutate("retry")}>
          <RotateCw className="size-3.5" /> Retry
        </Button>
      )}
      {may.create && (
        <Button small look="quiet" disabled={again.isPending} onClick={() => again.mutate("fork")}>
          <GitFork className="size-3.5" /> Fork
        </Button>
      )}
    </div>
  );
}

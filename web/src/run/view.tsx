import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useState } from "react";
import type { Run } from "@/api/client";
import { isWorking, look } from "@/runs/state";
import { Button } from "@/ui/button";
import { Bars } from "@/ui/empty";
import { ItemView } from "./item";
import type { Session } from "./session";

/** near is how close to the end, in pixels, counts as watching it. */
const near = 80;

/** TranscriptView draws what is in view of a transcript of any length. It stays at the end while the end is
 * watched, and stays where it is while something earlier is read. */
export function TranscriptView({ run, session, around }: { run: Run; session: Session; around?: number }) {
  const { items, first } = session.transcript;
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

  const sought = useRef(around);
  useEffect(() => {
    if (sought.current === undefined) return;
    const index = items.findIndex((i) => (i.seq ?? 0) >= (sought.current ?? 0));
    if (index < 0) return;
    sought.current = undefined;
    list.scrollToIndex(index, { align: "start" });
  }, [items, items.length, list]);

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
                <div key={row.key} ref={list.measureElement} data-index={row.index} className="absolute inset-x-0 top-0 px-3 sm:px-5" style={{ transform: `translateY(${row.start}px)` }}>
                  <ItemView item={item} run={run} over={item.kind === "request" && !item.answer && run.state !== "BLOCKED"} />
                </div>
              )
            );
          })}
        </div>
        <Waiting run={run} />
      </div>
      {!atEnd && (
        <Button small className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full! shadow-lg" onClick={() => setAtEnd(true)}>
          <ArrowDown className="size-3.5" /> {isWorking(run) ? "Follow" : "To the end"}
        </Button>
      )}
    </div>
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

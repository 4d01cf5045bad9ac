import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { Activity, Search } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { whoami } from "@/shell/me";
import { typing } from "@/shell/shortcuts";
import { Bars, Empty, Failed } from "@/ui/empty";
import { Button } from "@/ui/button";
import { Keys } from "@/ui/tip";
import { type Filter, isNarrow, query, remember, remembered } from "./filter";
import { Filters } from "./filters";
import { useRuns } from "./queries";
import { rowHeight, RunRow } from "./row";
import { branches } from "./tree";

/** RunsPage is every run the viewer may see, newest change first, as it happens. */
export function RunsPage() {
  const [filter, setFilter] = useFilter();
  const me = useQuery(whoami);
  const asked = useMemo(() => query(filter, me.data?.uid, Date.now()), [filter, me.data?.uid]);
  const runs = useRuns(asked);
  const [open, setOpen] = useState<ReadonlySet<string>>(new Set());
  const rows = useMemo(() => branches(runs.data?.pages.flatMap((p) => p.runs) ?? [], open), [runs.data, open]);
  const toggle = useCallback((id: string) => setOpen((before) => (before.has(id) ? before.difference(new Set([id])) : before.union(new Set([id])))), []);

  const pane = useRef<HTMLDivElement>(null);
  const shown = useVirtualizer({ count: rows.length, getScrollElement: () => pane.current, estimateSize: () => rowHeight, overscan: 12, getItemKey: (i) => rows[i]?.run.run_id ?? i });
  const items = shown.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = runs;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && last >= rows.length - 30) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, last, rows.length]);

  const search = useRef<HTMLInputElement>(null);
  const selected = useRowKeys({ count: rows.length, id: (i) => rows[i]?.run.run_id, toggle, search, see: (i) => shown.scrollToIndex(i) });

  return (
    <>
      <Filters filter={filter} change={setFilter} search={search} />
      {runs.isPending ? (
        <Bars />
      ) : runs.isError ? (
        <Failed what="The runs" why={runs.error} again={() => void runs.refetch()} />
      ) : rows.length === 0 ? (
        <NoRuns filter={filter} clear={() => setFilter({})} />
      ) : (
        <div ref={pane} role="list" aria-label="Runs" tabIndex={-1} className="min-h-0 flex-1 overflow-y-auto overscroll-contain">
          <div style={{ height: shown.getTotalSize() }} className="relative">
            {items.map((item) => {
              const branch = rows[item.index];
              return (
                branch && (
                  <div key={item.key} className="absolute inset-x-0 top-0" style={{ transform: `translateY(${item.start}px)` }}>
                    <RunRow branch={branch} selected={item.index === selected} toggle={toggle} />
                  </div>
                )
              );
            })}
          </div>
        </div>
      )}
    </>
  );
}

/** useFilter keeps the filter in the address; a visit without one begins where the last one ended. */
function useFilter(): [Filter, (next: Filter) => void] {
  const filter = useSearch({ from: "/runs" });
  const navigate = useNavigate({ from: "/runs" });
  const change = useCallback(
    (next: Filter) => {
      remember(next);
      void navigate({ search: next, replace: true });
    },
    [navigate],
  );
  useEffect(() => {
    const before = remembered();
    if (location.search === "" && isNarrow(before)) void navigate({ search: before, replace: true });
  }, [navigate]);
  return [filter, change];
}

interface RowKeys {
  count: number;
  id: (row: number) => string | undefined;
  toggle: (id: string) => void;
  search: React.RefObject<HTMLInputElement | null>;
  see: (row: number) => void;
}

/** useRowKeys moves through the list: j and k, enter to open, l to unfold, / to search. */
function useRowKeys(list: RowKeys): number {
  const [selected, setSelected] = useState(-1);
  const navigate = useNavigate();
  const latest = useRef({ ...list, selected });
  latest.current = { ...list, selected };
  useEffect(() => {
    const heard = (e: KeyboardEvent) => {
      const { count, id, toggle, search, see, selected: at } = latest.current;
      if (e.metaKey || e.ctrlKey || e.altKey || typing(e.target)) return;
      const go = (to: number) => {
        e.preventDefault();
        const next = Math.max(0, Math.min(count - 1, to));
        setSelected(next);
        see(next);
      };
      const current = id(at);
      if (e.key === "j" || e.key === "ArrowDown") go(at + 1);
      else if (e.key === "k" || e.key === "ArrowUp") go(at - 1);
      else if (e.key === "/") {
        e.preventDefault();
        search.current?.focus();
      } else if (e.key === "l" && current) toggle(current);
      else if (e.key === "Enter" && current && e.target === document.body) void navigate({ to: "/runs/$runId", params: { runId: current } });
    };
    window.addEventListener("keydown", heard);
    return () => window.removeEventListener("keydown", heard);
  }, [navigate]);
  return selected;
}

function NoRuns({ filter, clear }: { filter: Filter; clear: () => void }) {
  if (isNarrow(filter)) {
    return (
      <Empty icon={<Search />} title="No run matches" action={<Button onClick={clear}>Clear filters</Button>}>
        Nothing fits all of the filters together.
      </Empty>
    );
  }
  return (
    <Empty icon={<Activity />} title="No runs yet">
      Press <Keys keys="n" /> to start the first one, or from a terminal:
      <code className="mt-3 block rounded-lg border bg-panel px-3 py-2 text-left font-mono text-xs text-text">cadre agent run-cloud --prompt "Say hello" --follow</code>
    </Empty>
  );
}

import { type InfiniteData, type QueryClient, useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, must, type Run, type Schema } from "@/api/client";
import { follow } from "@/api/stream";
import { reportStream } from "@/shell/connection";
import type { query } from "./filter";

type Asked = ReturnType<typeof query>;
type Page = Schema<"ListRunsResponse">;
type Pages = InfiniteData<Page, string>;

const pageSize = 100;

/** useRuns loads the list page by page. useLiveRuns keeps what is loaded up to date. */
export function useRuns(asked: Asked) {
  return useInfiniteQuery({
    queryKey: ["runs", "list", asked],
    queryFn: ({ pageParam, signal }) =>
      must(api.GET("/agent/runs", { signal, params: { query: { ...asked, limit: pageSize, ...(pageParam && { cursor: pageParam }) } } })),
    initialPageParam: "",
    getNextPageParam: (last) => (last.page_info.has_next_page ? last.page_info.next_cursor : undefined),
    placeholderData: (before) => before,
    staleTime: 5000,
  });
}

/** Watchers hear of every changed run as the stream tells it. */
const watchers = new Set<(run: Run) => void>();

export function watchRuns(tell: (run: Run) => void): () => void {
  watchers.add(tell);
  return () => watchers.delete(tell);
}

/** useLiveRuns follows the changes of all runs for the whole console: lists, open runs and counts. */
export function useLiveRuns() {
  const queries = useQueryClient();
  useEffect(() => {
    const stream = Symbol("runs");
    let loaded = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = () => void queries.invalidateQueries({ queryKey: ["runs"] });
    const stop = follow(
      () => "/agent/runs/stream",
      [
        {
          event: "run",
          heard: (run) => {
            for (const tell of watchers) tell(run as Run);
            merge(queries, run as Run);
            // What counts or picks runs is asked anew, at most once a second.
            timer ??= setTimeout(() => {
              timer = undefined;
              void queries.invalidateQueries({ queryKey: ["runs", "some"] });
            }, 1000);
          },
        },
        { event: "many", heard: again },
      ],
      (state, refused) => {
        reportStream(stream, refused ? undefined : state);
        // What changed while nobody listened is loaded again.
        if (state === "live" && loaded) again();
        loaded ||= state === "live";
      },
    );
    return () => {
      stop();
      clearTimeout(timer);
      reportStream(stream, undefined);
    };
  }, [queries]);
}

/** merge puts a changed run wherever it is shown, and a new one at the top of the lists it belongs to. */
export function merge(queries: QueryClient, run: Run) {
  queries.setQueryData<Run>(["run", run.run_id], (before) => (before ? run : before));
  for (const [key] of queries.getQueriesData<Pages>({ queryKey: ["runs", "list"] })) {
    queries.setQueryData<Pages>(key, (list) => (list ? { ...list, pages: mergePages(list.pages, run, key[2] as Asked) } : list));
  }
}

export function mergePages(pages: Page[], run: Run, asked: Asked): Page[] {
  const fits = matches(run, asked);
  const at = pages.findIndex((page) => page.runs.some((r) => r.run_id === run.run_id));
  if (at >= 0) {
    return pages.map((page, i) =>
      i === at ? { ...page, runs: fits ? page.runs.map((r) => (r.run_id === run.run_id ? run : r)) : page.runs.filter((r) => r.run_id !== run.run_id) } : page,
    );
  }
  const [first, ...rest] = pages;
  if (!fits || !first || asked.sort_by === "title") return pages;
  return [{ ...first, runs: [run, ...first.runs] }, ...rest];
}

/** matches says whether a list that was asked for would hold a run. It mirrors the server's filters; where
 * it is wrong, the next reading of the list puts it right. */
export function matches(run: Run, asked: Asked): boolean {
  const words = asked.q?.toLowerCase().split(/\s+/) ?? [];
  const text = `${run.title}\n${run.prompt}\n${run.agent_config?.skill_spec ?? ""}`.toLowerCase();
  return (
    (asked.archived === "include" || Boolean(run.archived) === (asked.archived === "only")) &&
    (!asked.state || asked.state.includes(run.state)) &&
    (!asked.source || asked.source === run.source) &&
    (!asked.creator || asked.creator === run.creator?.uid) &&
    (!asked.name || asked.name === run.agent_config?.name) &&
    (!asked.model_id || asked.model_id === run.agent_config?.model_id) &&
    (!asked.created_after || run.created_at > asked.created_after) &&
    (!asked.environment_id || (run.agent_config?.environment_id ?? "empty-environment") === asked.environment_id) &&
    (!asked.artifact_type || run.artifacts.some((a) => a.artifact_type === asked.artifact_type)) &&
    words.every((word) => text.includes(word))
  );
}

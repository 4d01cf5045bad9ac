import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { api, must, type Run, type Schema } from "@/api/client";
import { follow, type StreamState } from "@/api/stream";
import { reportStream } from "@/shell/connection";
import { Transcript } from "./transcript";

/** opening is how many entries a page starts with: the end of the session, at once, however long it is. */
const opening = 300;
/** page is how many entries are asked for at once when all of a session is read. */
const page = 1000;

/** Session is a transcript that a stream writes and a page watches. News is told once per frame. */
export class Session {
  readonly transcript = new Transcript();
  state: StreamState = "connecting";
  /** refused is the status with which the server refused the stream; 0 while it has not. */
  refused = 0;
  /** ended says that the run had ended when its last entry was read. */
  ended = false;
  loadingEarlier = false;
  private version = 0;
  private told = false;
  private readonly watchers = new Set<() => void>();
  close: () => void = () => {};

  constructor(
    readonly runId: string,
    private readonly onEntry: (entry: Schema<"Entry">) => void,
  ) {}

  /** open begins to follow at the end of the session, or after the given entry. */
  open(lastSeq: number, after: number | undefined) {
    const start = after ?? Math.max(0, lastSeq - opening);
    this.transcript.first = start + 1;
    this.transcript.last = start;
    this.follow();
  }

  /** follow goes on after the last entry read. A run that had ended and works again is followed again. */
  follow() {
    this.close();
    this.ended = false;
    const stream = Symbol(this.runId);
    const stop = follow(
      (last) => `/agent/runs/${this.runId}/stream?after=${last}`,
      [
        { event: "entry", heard: (data) => this.entry(data as Schema<"Entry">) },
        { event: "delta", heard: (data) => (this.transcript.hear(data as Schema<"Delta">), this.tell()) },
        { event: "end", heard: () => ((this.ended = true), reportStream(stream, undefined), this.tell()) },
      ],
      (state, refused) => {
        this.state = state;
        this.refused = refused ?? 0;
        reportStream(stream, refused ? undefined : state);
        this.tell();
      },
      String(this.transcript.last),
    );
    this.close = () => {
      stop();
      reportStream(stream, undefined);
    };
  }

  private entry(entry: Schema<"Entry">) {
    this.transcript.add([entry]);
    this.onEntry(entry);
    this.tell();
  }

  /** earlier loads what comes before the first entry shown, and says how many items that made. */
  async earlier(): Promise<number> {
    const { first } = this.transcript;
    if (this.loadingEarlier || first <= 1) return 0;
    this.loadingEarlier = true;
    this.tell();
    try {
      const after = Math.max(0, first - 1 - opening);
      const part = await must(
        api.GET("/agent/runs/{runId}/entries", { params: { path: { runId: this.runId }, query: { after, limit: first - 1 - after } } }),
      );
      return this.transcript.before(part.entries);
    } finally {
      this.loadingEarlier = false;
      this.tell();
    }
  }

  /** whole loads all that comes before the first entry shown, for searching. It is read at once at its end:
   * joining each page on its own would read everything again each time. */
  async whole(stop: AbortSignal): Promise<number> {
    if (this.loadingEarlier || this.transcript.first <= 1) return 0;
    this.loadingEarlier = true;
    this.tell();
    try {
      const until = this.transcript.first - 1;
      const entries: Schema<"Entry">[] = [];
      for (let after = 0; after < until; after += page) {
        const part = await must(
          api.GET("/agent/runs/{runId}/entries", { signal: stop, params: { path: { runId: this.runId }, query: { after, limit: Math.min(page, until - after) } } }),
        );
        entries.push(...part.entries);
      }
      return this.transcript.before(entries);
    } finally {
      this.loadingEarlier = false;
      this.tell();
    }
  }

  watch = (tell: () => void): (() => void) => {
    this.watchers.add(tell);
    return () => this.watchers.delete(tell);
  };

  seen = (): number => this.version;

  private tell() {
    if (this.told) return;
    this.told = true;
    const now = () => {
      this.told = false;
      this.version++;
      for (const each of this.watchers) each();
    };
    if (document.hidden) setTimeout(now, 200);
    else requestAnimationFrame(now);
  }
}

export const runQuery = (runId: string) => ({
  queryKey: ["run", runId],
  queryFn: () => must(api.GET("/agent/runs/{runId}", { params: { path: { runId } } })),
});

/** useRun is the run itself, read again whenever its session says that something about it changed. */
export function useRun(runId: string) {
  return useQuery(runQuery(runId));
}

/** These entries change what the run itself shows. */
const telling = new Set<Schema<"EntryType">>(["state", "artifact", "usage", "request", "answer", "execution"]);

/** useSession follows the session of a run from its end, or from around one entry. */
export function useSession(run: Run | undefined, around?: number): Session | undefined {
  const queries = useQueryClient();
  const [session, setSession] = useState<Session>();
  const id = run?.run_id;
  const known = useRef(0);
  if (run && known.current === 0) known.current = run.last_seq ?? 0;
  useEffect(() => {
    if (!id) return;
    const begin = known.current;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const fresh = new Session(id, (entry) => {
      if (!telling.has(entry.type) || entry.seq <= begin) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries({ queryKey: ["run", id] });
      }, 250);
    });
    fresh.open(begin, around === undefined ? undefined : Math.max(0, around - 40));
    setSession(fresh);
    return () => {
      clearTimeout(timer);
      fresh.close();
    };
  }, [id, around, queries]);
  useSyncExternalStore(session?.watch ?? never, session?.seen ?? zero);
  const current = session?.runId === id ? session : undefined;
  const again = Boolean(current?.ended && run && (run.last_seq ?? 0) > current.transcript.last);
  useEffect(() => {
    if (again) current?.follow();
  }, [again, current]);
  return current;
}

const never = () => () => {};
const zero = () => 0;

import { base } from "./client";

export type StreamState = "connecting" | "live" | "reconnecting";

type Listener = { event: string; heard: (data: unknown, id: string) => void };

/** silence is how long a stream may say nothing, heartbeats included, before it counts as dead. */
const silence = 45_000;
/** pauses between attempts; the last one repeats. */
const pauses = [300, 1000, 2000, 5000];

/**
 * follow reads a server-sent stream until it is closed, reconnecting from the last event id. It reads with
 * fetch, not EventSource, to see statuses and heartbeats: a dead connection is noticed, a refusal is final.
 */
export function follow(
  path: (after: string) => string,
  listeners: Listener[],
  tell: (state: StreamState, failure?: number) => void,
  after = "",
): () => void {
  const stop = new AbortController();
  const byEvent = new Map(listeners.map((l) => [l.event, l.heard]));
  let last = after;
  let finished = false;

  const attempt = async (): Promise<boolean> => {
    const once = new AbortController();
    const abort = () => once.abort();
    stop.signal.addEventListener("abort", abort);
    let watchdog = setTimeout(abort, silence);
    try {
      const answer = await fetch(`${base}api/v1${path(last)}`, {
        credentials: "same-origin",
        headers: { Accept: "text/event-stream" },
        signal: once.signal,
      });
      if (!answer.ok || !answer.body) {
        if (answer.status >= 400 && answer.status < 500 && answer.status !== 429) {
          finished = true;
          tell("reconnecting", answer.status);
        }
        return false;
      }
      tell("live");
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const parse = parser((event, data, id) => {
        if (id) last = id;
        if (event === "end") finished = true;
        byEvent.get(event)?.(JSON.parse(data), id);
      });
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return true;
        clearTimeout(watchdog);
        watchdog = setTimeout(abort, silence);
        parse(value);
      }
    } catch {
      return false;
    } finally {
      clearTimeout(watchdog);
      stop.signal.removeEventListener("abort", abort);
    }
  };

  void (async () => {
    tell("connecting");
    for (let failed = 0; !stop.signal.aborted && !finished; ) {
      failed = (await attempt()) ? 0 : failed + 1;
      if (stop.signal.aborted || finished) return;
      tell("reconnecting");
      await sleep(pauses[Math.min(failed, pauses.length - 1)] ?? 5000, stop.signal);
    }
  })();
  return () => stop.abort();
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}

/** parser cuts a stream of text into events (WHATWG HTML, server-sent events). */
export function parser(heard: (event: string, data: string, id: string) => void): (chunk: string) => void {
  let rest = "";
  let event = "";
  let data: string[] = [];
  let id = "";
  return (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        if (data.length) heard(event || "message", data.join("\n"), id);
        event = "";
        data = [];
        id = "";
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "event") event = value;
      else if (field === "data") data.push(value);
      else if (field === "id") id = value;
    }
  };
}

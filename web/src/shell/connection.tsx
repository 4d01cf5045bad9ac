import { CloudOff } from "lucide-react";
import { useSyncExternalStore } from "react";
import type { StreamState } from "@/api/stream";

/** The page's streams report here; the worst of them is shown once it has lasted. */
const states = new Map<symbol, { state: StreamState; since: number }>();
const watchers = new Set<() => void>();
let lost = false;

function decide() {
  const worst = [...states.values()].some((s) => s.state === "reconnecting" && Date.now() - s.since > 1500) || !navigator.onLine;
  if (worst === lost) return;
  lost = worst;
  for (const tell of watchers) tell();
}

export function reportStream(stream: symbol, state: StreamState | undefined) {
  if (!state) states.delete(stream);
  else if (states.get(stream)?.state !== state) states.set(stream, { state, since: Date.now() });
  setTimeout(decide, state === "reconnecting" ? 1600 : 0);
}

function watch(tell: () => void): () => void {
  watchers.add(tell);
  window.addEventListener("online", decide);
  window.addEventListener("offline", decide);
  return () => {
    watchers.delete(tell);
    window.removeEventListener("online", decide);
    window.removeEventListener("offline", decide);
  };
}

/** Connection says honestly that what is on the page may be old. */
export function Connection() {
  const shown = useSyncExternalStore(watch, () => lost);
  if (!shown) return null;
  return (
    <p role="alert" className="flex items-center justify-center gap-2 border-b bg-wait-soft px-4 py-1.5 text-[13px] text-wait">
      <CloudOff className="size-4" /> Connection lost. What you see may be old; reconnecting…
    </p>
  );
}

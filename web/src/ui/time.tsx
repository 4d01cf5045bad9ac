import { useSyncExternalStore } from "react";
import { exact, lasted, since } from "./format";

/** One clock for the page: a thousand rows share a timer, and none runs while nobody looks. */
let now = Date.now();
const watchers = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function watch(tell: () => void): () => void {
  watchers.add(tell);
  timer ??= setInterval(() => {
    if (document.hidden) return;
    now = Date.now();
    for (const each of watchers) each();
  }, 1000);
  return () => {
    watchers.delete(tell);
    if (watchers.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export function useNow(): number {
  return useSyncExternalStore(watch, () => now);
}

/** Since shows how long ago, and the exact moment when asked. Its text changes only when it must. */
export function Since({ at, className }: { at: string; className?: string }) {
  const text = useSyncExternalStore(watch, () => since(at, now));
  return (
    <time dateTime={at} title={exact(at)} className={className}>
      {text}
    </time>
  );
}

/** Ticking shows how long something has been going on. */
export function Ticking({ from, className }: { from: string; className?: string }) {
  const text = useSyncExternalStore(watch, () => lasted(Math.floor(Math.max(0, now - Date.parse(from)) / 1000) * 1000));
  return <span className={className}>{text}</span>;
}

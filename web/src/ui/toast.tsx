import { CircleCheck, TriangleAlert, X } from "lucide-react";
import { useEffect, useSyncExternalStore } from "react";
import { Failure } from "@/api/client";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
}

/** shown is at most two toasts, the newest last; more would be noise. */
let shown: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function publish(toasts: Toast[]) {
  shown = toasts.slice(-2);
  for (const tell of watchers) tell();
}

export const toast = {
  ok: (text: string) => publish([...shown, { id: next++, text, bad: false }]),
  /** failed says what was tried and why it did not work. */
  failed: (what: string, why: unknown) =>
    publish([...shown, { id: next++, bad: true, text: `${what}: ${why instanceof Failure || why instanceof Error ? why.message : String(why)}` }]),
};

const drop = (id: number) => publish(shown.filter((t) => t.id !== id));

export function Toasts() {
  const toasts = useSyncExternalStore(
    (tell) => (watchers.add(tell), () => watchers.delete(tell)),
    () => shown,
  );
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-3 bottom-20 z-50 flex flex-col items-end gap-2 sm:bottom-4">
      {toasts.map((t) => (
        <Shown key={t.id} {...t} />
      ))}
    </div>
  );
}

function Shown({ id, text, bad }: Toast) {
  useEffect(() => {
    const timer = setTimeout(() => drop(id), bad ? 10_000 : 4000);
    return () => clearTimeout(timer);
  }, [id, bad]);
  return (
    <div className="pointer-events-auto flex max-w-md animate-rise items-start gap-2.5 rounded-xl border border-line bg-raised px-3.5 py-2.5 shadow-xl">
      {bad ? <TriangleAlert className="mt-0.5 size-4 shrink-0 text-bad" /> : <CircleCheck className="mt-0.5 size-4 shrink-0 text-ok" />}
      <p className="min-w-0 wrap-anywhere">{text}</p>
      <button type="button" aria-label="Dismiss" className="-mr-1 rounded p-0.5 text-faint hover:text-text" onClick={() => drop(id)}>
        <X className="size-3.5" />
      </button>
    </div>
  );
}

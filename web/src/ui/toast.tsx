import { CircleCheck, CircleHelp, TriangleAlert, X } from "lucide-react";
import { useEffect, useState, useSyncExternalStore } from "react";
import { Failure } from "@/api/client";

interface Toast {
  id: number;
  text: string;
  title?: string;
  look: "ok" | "bad" | "ask";
  /** open goes to what the toast tells of. */
  open?: () => void;
}

/** shown is at most two toasts, the newest last; more would be noise. */
let shown: Toast[] = [];
let next = 1;
const watchers = new Set<() => void>();

function publish(toasts: Toast[]) {
  shown = toasts.slice(-2);
  for (const tell of watchers) tell();
}

const add = (toast: Omit<Toast, "id">) => publish([...shown, { id: next++, ...toast }]);

export const toast = {
  ok: (text: string) => add({ text, look: "ok" }),
  /** failed says what was tried and why it did not work. */
  failed: (what: string, why: unknown) => add({ look: "bad", text: `${what}: ${why instanceof Failure || why instanceof Error ? why.message : String(why)}` }),
  /** news tells of something that happened elsewhere, and leads there. */
  news: (title: string, text: string, kind: "complete" | "request" | "error", open: () => void) =>
    add({ title, text, open, look: ({ complete: "ok", request: "ask", error: "bad" } as const)[kind] }),
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

const icons = { ok: <CircleCheck className="mt-0.5 size-4 shrink-0 text-ok" />, bad: <TriangleAlert className="mt-0.5 size-4 shrink-0 text-bad" />, ask: <CircleHelp className="mt-0.5 size-4 shrink-0 text-wait" /> };

/** Shown goes by itself, unless somebody points at it. */
function Shown({ id, title, text, look, open }: Toast) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(() => drop(id), look === "ok" && !open ? 4000 : 10_000);
    return () => clearTimeout(timer);
  }, [id, look, open, held]);
  const words = (
    <>
      {title && <span className="block truncate font-medium">{title}</span>}
      <span className="line-clamp-4 wrap-anywhere">{text}</span>
    </>
  );
  return (
    <div
      onPointerEnter={() => setHeld(true)}
      onPointerLeave={() => setHeld(false)}
      className="pointer-events-auto flex max-w-md animate-rise items-start gap-2.5 rounded-xl border border-line bg-raised px-3.5 py-2.5 shadow-xl"
    >
      {icons[look]}
      {open ? (
        <button
          type="button"
          className="min-w-0 flex-1 text-left"
          onClick={() => {
            drop(id);
            open();
          }}
        >
          {words}
        </button>
      ) : (
        <p className="min-w-0 flex-1">{words}</p>
      )}
      <button type="button" aria-label="Dismiss" className="-mr-1 rounded p-0.5 text-faint hover:text-text" onClick={() => drop(id)}>
        <X className="size-3.5" />
      </button>
    </div>
  );
}

import type { ReactNode } from "react";

/** Section is one thing that can be set. */
export function Section({ title, hint, children }: { title: string; hint?: string; children: ReactNode }) {
  return (
    <section aria-label={title} className="rounded-xl border bg-panel p-5">
      <h2 className="font-medium">{title}</h2>
      {hint && <p className="mt-0.5 text-[13px] text-dim">{hint}</p>}
      <div className="mt-4">{children}</div>
    </section>
  );
}

import type { ReactNode } from "react";

/** Page is a page that scrolls as a whole: a heading, what can be done here, and the rest. */
export function Page({ title, hint, actions, children }: { title: string; hint?: string; actions?: ReactNode; children: ReactNode }) {
  return (
    <div className="min-h-0 flex-1 overflow-y-auto">
      <header className="flex flex-wrap items-center gap-3 px-4 pt-5 pb-4 sm:px-8">
        <div className="min-w-0 flex-1">
          <h1 className="text-lg font-semibold tracking-tight">{title}</h1>
          {hint && <p className="text-dim">{hint}</p>}
        </div>
        {actions}
      </header>
      <div className="px-4 pb-16 sm:px-8">{children}</div>
    </div>
  );
}

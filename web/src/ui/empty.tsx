import type { ReactNode } from "react";
import { TriangleAlert } from "lucide-react";
import { Failure } from "@/api/client";
import { Button } from "./button";

/** Empty teaches what would be here and how it gets here. */
export function Empty({ icon, title, children, action }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-md flex-col items-center gap-2 px-6 py-16 text-center">
      {icon && <div className="mb-2 text-faint [&_svg]:size-8 [&_svg]:stroke-[1.4]">{icon}</div>}
      <h2 className="text-base font-semibold">{title}</h2>
      {children && <div className="text-dim">{children}</div>}
      {action && <div className="mt-3">{action}</div>}
    </div>
  );
}

/** Failed says what could not be loaded, why, and offers to try again when that can help. */
export function Failed({ what, why, again }: { what: string; why: unknown; again?: () => void }) {
  const failure = why instanceof Failure ? why : undefined;
  return (
    <Empty icon={<TriangleAlert className="text-bad" />} title={`${what} could not be loaded`} action={again && <Button onClick={again}>Try again</Button>}>
      {failure?.message ?? String(why)}
    </Empty>
  );
}

/** Bars stand for lines that are still being loaded. */
export function Bars({ lines = 8 }: { lines?: number }) {
  return (
    <div aria-label="Loading" role="status" className="space-y-3 p-5">
      {Array.from({ length: lines }, (_, i) => (
        <div key={i} className="h-9 animate-breathe rounded-lg bg-raised" style={{ width: `${92 - ((i * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

import { useQuery } from "@tanstack/react-query";
import { cx } from "@/ui/cx";
import { blocked } from "./queries";

/** Attention counts the runs that wait for a person. */
export function Attention({ className }: { className?: string }) {
  const { data } = useQuery(blocked);
  const n = data?.runs.length ?? 0;
  if (n === 0) return null;
  return (
    <span role="img" aria-label={`${n} waiting`} className={cx("inline-flex h-5 min-w-5 items-center justify-center rounded-full bg-signal px-1.5 text-[11px] font-semibold text-black tabular-nums", className)}>
      {n > 99 ? "99+" : n}
    </span>
  );
}

import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { cx } from "@/ui/cx";

interface Props {
  to: "/inbox" | "/runs" | "/usage";
  search?: object;
  icon: ReactNode;
  /** tone marks a number that asks for a look. */
  tone?: string;
  label: string;
  value: string;
  children: ReactNode;
}

/** Tile is one number, and the way to what it counts. */
export function Tile({ to, search, icon, tone, label, value, children }: Props) {
  return (
    <Link to={to} search={search as never} className="group min-w-0 rounded-xl border bg-panel px-4 py-3.5 transition-colors hover:border-strong">
      <span className="flex items-center gap-2 text-[13px] text-dim [&_svg]:size-4">
        <span className={cx("contents", tone ?? "text-faint")}>{icon}</span>
        {label}
      </span>
      <span className={cx("mt-1 block text-[28px] leading-9 font-semibold tracking-tight tabular-nums", tone)}>{value}</span>
      <span className="block truncate text-xs text-faint">{children}</span>
    </Link>
  );
}

import { cx } from "./cx";

/** hues are six, told apart by everybody; a name always has the same one. */
const hues = ["bg-[#6d5ae6]", "bg-[#1f7fb8]", "bg-[#178a67]", "bg-[#a8651b]", "bg-[#b8437a]", "bg-[#5c6b8a]"];

export function hueOf(name: string): string {
  let h = 0;
  for (const c of name) h = (h * 31 + (c.codePointAt(0) ?? 0)) >>> 0;
  return hues[h % hues.length] ?? "";
}

export function Avatar({ name, agent, className }: { name: string; agent?: boolean; className?: string }) {
  return (
    <span
      title={name}
      className={cx("inline-flex size-6 shrink-0 items-center justify-center text-[11px] font-semibold text-white select-none", agent ? "rounded-md" : "rounded-full", hueOf(name), className)}
    >
      {([...name.trim()][0] ?? "?").toUpperCase()}
    </span>
  );
}

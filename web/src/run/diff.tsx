import { memo, useMemo } from "react";
import { cx } from "@/ui/cx";

interface Line {
  text: string;
  kind: "add" | "remove" | "same" | "hunk";
  before?: number;
  after?: number;
}

/** parseDiff reads a unified diff of one file. */
export function parseDiff(diff: string): Line[] {
  const lines: Line[] = [];
  let before = 0;
  let after = 0;
  for (const text of diff.replace(/\n$/, "").split("\n")) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(text);
    if (hunk) {
      before = Number(hunk[1]);
      after = Number(hunk[2]);
      lines.push({ text, kind: "hunk" });
    } else if (/^(---|\+\+\+|diff |index )/.test(text) && before === 0 && after === 0) {
      continue;
    } else if (text.startsWith("+")) lines.push({ text: text.slice(1), kind: "add", after: after++ });
    else if (text.startsWith("-")) lines.push({ text: text.slice(1), kind: "remove", before: before++ });
    else if (!text.startsWith("\\")) lines.push({ text: text.slice(1), kind: "same", before: before++, after: after++ });
  }
  return lines;
}

const tones = { add: "bg-ok-soft", remove: "bg-bad-soft", same: "", hunk: "bg-hover text-faint" };
const signs = { add: "+", remove: "−", same: " ", hunk: "" };

/** Diff shows a change line by line. Added and removed differ by sign as well as by colour. */
export const Diff = memo(function Diff({ diff }: { diff: string }) {
  const lines = useMemo(() => parseDiff(diff), [diff]);
  return (
    <div className="overflow-x-auto font-mono text-[12.5px] leading-5" role="region" aria-label="Change" tabIndex={0}>
      <div className="min-w-max">
        {lines.map((line, i) => (
          <div key={i} className={cx("flex", tones[line.kind])}>
            <span className="w-11 shrink-0 pr-2 text-right text-faint select-none">{line.after ?? line.before ?? ""}</span>
            <span className={cx("w-4 shrink-0 select-none", line.kind === "add" ? "text-ok" : line.kind === "remove" ? "text-bad" : "")}>{signs[line.kind]}</span>
            <span className="pr-4 whitespace-pre">{line.text}</span>
          </div>
        ))}
      </div>
    </div>
  );
});

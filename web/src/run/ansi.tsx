import Anser from "anser";
import { memo, useMemo } from "react";
import { cx } from "@/ui/cx";

/** Colours are the palette's, so that they are legible in both themes whatever a program asks for. */
const colours: Record<string, string> = {
  "ansi-black": "text-faint",
  "ansi-red": "text-bad",
  "ansi-green": "text-ok",
  "ansi-yellow": "text-wait",
  "ansi-blue": "text-run",
  "ansi-magenta": "text-accent-text",
  "ansi-cyan": "text-run",
  "ansi-white": "text-text",
};

/** Ansi draws a program's output: colours and weights, nothing else a terminal would obey. */
export const Ansi = memo(function Ansi({ text }: { text: string }) {
  const parts = useMemo(() => Anser.ansiToJson(overwrite(text), { use_classes: true, remove_empty: true, json: true }), [text]);
  return parts.map((part, i) => (
    <span key={i} className={cx(part.fg && colours[part.fg.replace("-bright", "")], part.decorations.includes("bold") && "font-semibold", part.decorations.includes("dim") && "opacity-60", part.decorations.includes("underline") && "underline")}>
      {part.content}
    </span>
  ));
});

// What is not a colour is removed before Anser sees it: window titles, links, cursor movements, bells.
// eslint-disable-next-line no-control-regex
const others = /\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b[^[\]]|[\x00-\x08\x0b\x0c\x0e-\x1a\x7f]/g;
const bidi = /[\u202a-\u202e\u2066-\u2069\u200e\u200f]/g;

/** harmless leaves of a program's text what can be shown without deceiving: no controls but colours, tabs
 * and line ends, and no marks that reorder what follows. */
export function harmless(text: string): string {
  return text.replace(others, "").replace(bidi, "\uFFFD");
}

/** overwrite shows the last of several states a progress bar wrote over each other in one line. */
function overwrite(text: string): string {
  return harmless(text)
    .split("\n")
    .map((line) => line.replace(/\r+$/, "").split("\r").at(-1))
    .join("\n");
}

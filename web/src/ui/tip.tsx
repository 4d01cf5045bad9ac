import { Tooltip } from "radix-ui";
import type { ReactNode } from "react";

/** Tip says what its child is, on hover and on focus. */
export function Tip({ text, keys, children, side }: { text: ReactNode; keys?: string; children: ReactNode; side?: "top" | "right" | "bottom" | "left" }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content
          side={side}
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-80 animate-rise rounded-md border border-line bg-raised px-2 py-1 text-xs text-text shadow-lg"
        >
          {text}
          {keys && <Keys keys={keys} />}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}

/** Keys draws a shortcut such as "mod+k" as the viewer's keyboard calls it. */
export function Keys({ keys }: { keys: string }) {
  const mac = /mac|iphone|ipad/i.test(navigator.userAgent);
  return (
    <span className="ml-2 inline-flex gap-0.5">
      {keys.split("+").map((key) => (
        <kbd key={key} className="rounded border border-line bg-panel px-1 font-sans text-[11px] leading-4 text-dim">
          {key === "mod" ? (mac ? "⌘" : "Ctrl") : key === "enter" ? "↵" : key.toUpperCase()}
        </kbd>
      ))}
    </span>
  );
}

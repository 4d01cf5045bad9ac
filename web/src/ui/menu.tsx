import { Check } from "lucide-react";
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { Keys } from "./tip";
import { cx } from "./cx";

export interface MenuItem {
  label: string;
  icon?: ReactNode;
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  /** why says what a disabled item waits for. */
  why?: string;
  checked?: boolean;
  act: () => void;
}

/** Menu opens a list of acts under its child. null among the items draws a line. */
export function Menu({ items, children, align = "end" }: { items: (MenuItem | null)[]; children: ReactNode; align?: "start" | "end" }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className="z-50 max-h-(--radix-dropdown-menu-content-available-height) min-w-48 animate-rise overflow-y-auto rounded-xl border border-line bg-raised p-1 shadow-xl"
        >
          {items.map((item, i) =>
            item === null ? (
              <DropdownMenu.Separator key={`line-${i}`} className="my-1 h-px bg-line" />
            ) : (
              <DropdownMenu.Item
                key={item.label}
                disabled={item.disabled}
                onSelect={item.act}
                className={cx(
                  "flex cursor-default items-center gap-2 rounded-lg px-2.5 py-1.5 outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover [&_svg]:size-4",
                  item.danger ? "text-bad" : "text-text",
                )}
              >
                {item.icon}
                <span className="flex-1">
                  {item.label}
                  {item.disabled && item.why && <span className="block text-xs text-faint">{item.why}</span>}
                </span>
                {item.keys && <Keys keys={item.keys} />}
                {item.checked !== undefined && <Check className={cx("text-accent-text", !item.checked && "invisible")} />}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

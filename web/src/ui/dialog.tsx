import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { IconButton } from "./button";
import { cx } from "./cx";

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  description?: string;
  /** side slides in from the right and fills a phone; the other kind stands in the middle. */
  side?: boolean;
  wide?: boolean;
  children: ReactNode;
  footer?: ReactNode;
}

/** Dialog holds the focus until it is closed. */
export function Dialog({ open, onClose, title, description, side, wide, children, footer }: Props) {
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/50 backdrop-blur-[1px]" />
        <Radix.Content
          aria-describedby={description ? undefined : ""}
          className={cx(
            "fixed z-40 flex animate-rise flex-col border-line bg-panel shadow-2xl outline-none",
            side
              ? "inset-y-0 right-0 w-full border-l sm:w-140"
              : cx("inset-x-3 top-[8dvh] mx-auto max-h-[84dvh] rounded-2xl border", wide ? "max-w-3xl" : "max-w-lg"),
          )}
        >
          <header className="flex items-start gap-3 border-b px-5 py-3.5">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-base font-semibold">{title}</Radix.Title>
              {description && <Radix.Description className="mt-0.5 text-dim">{description}</Radix.Description>}
            </div>
            <Radix.Close asChild>
              <IconButton label="Close" keys="esc" className="-mr-2">
                <X />
              </IconButton>
            </Radix.Close>
          </header>
          <div className="min-h-0 flex-1 overflow-y-auto px-5 py-4">{children}</div>
          {footer && <footer className="flex justify-end gap-2 border-t px-5 py-3">{footer}</footer>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

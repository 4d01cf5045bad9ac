import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { Tip } from "./tip";
import { cx } from "./cx";

type Look = "primary" | "plain" | "quiet" | "danger";

const looks: Record<Look, string> = {
  primary: "bg-accent text-white hover:brightness-110 dark:text-[#100d24] font-medium",
  plain: "border border-line bg-raised text-text hover:bg-hover hover:border-strong",
  quiet: "text-dim hover:bg-hover hover:text-text",
  danger: "border border-bad/40 text-bad hover:bg-bad-soft",
};

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  small?: boolean;
  busy?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

/** Button is every button with words on it. While busy it cannot be pressed again. */
export function Button({ look = "plain", small, busy, className, disabled, children, type = "button", ...rest }: ButtonProps) {
  return (
    <button
      type={type}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={cx(
        "inline-flex shrink-0 items-center justify-center gap-1.5 rounded-lg whitespace-nowrap transition-colors select-none",
        "disabled:cursor-not-allowed disabled:opacity-50",
        small ? "h-7 px-2.5 text-[13px]" : "h-8.5 px-3.5",
        looks[look],
        className,
      )}
      {...rest}
    >
      {children}
    </button>
  );
}

/** IconButton is a button with only a picture; its label is its tooltip and its name. */
export function IconButton({ label, keys, children, className, ...rest }: Omit<ButtonProps, "look" | "small"> & { label: string; keys?: string; children: ReactNode }) {
  const { busy, ref, ...attributes } = rest;
  return (
    <Tip text={label} keys={keys}>
      <button
        type="button"
        ref={ref}
        aria-label={label}
        aria-busy={busy || undefined}
        className={cx(
          "inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-dim transition-colors hover:bg-hover hover:text-text disabled:opacity-40 [&_svg]:size-4",
          className,
        )}
        {...attributes}
      >
        {children}
      </button>
    </Tip>
  );
}

import { Check, ListFilter } from "lucide-react";
import { Popover } from "radix-ui";
import { type KeyboardEvent, type ReactNode, useId, useState } from "react";
import { cx } from "./cx";

export interface Option {
  key: string;
  name: string;
  hint?: string;
  icon?: ReactNode;
}

interface Props {
  label: string;
  options: Option[];
  /** value is the key that holds; it need not be among the options. */
  value: string | undefined;
  set: (key: string | undefined) => void;
  none?: string;
  /** opened is told when the choices are asked for: what is dear to know is loaded then. */
  opened?: () => void;
}

/** many is from how many options on a list is searched instead of looked through. */
const many = 9;

/** Pick chooses one of a list, long lists by typing. Shut, it says what holds. */
export function Pick({ label, options, value, set, none = "All", opened }: Props) {
  const [open, setOpen] = useState(false);
  const chosen = value ? (options.find((o) => o.key === value)?.name ?? value) : undefined;
  return (
    <Popover.Root
      open={open}
      onOpenChange={(next) => {
        if (next) opened?.();
        setOpen(next);
      }}
    >
      <Popover.Trigger
        className={cx(
          "inline-flex h-7 shrink-0 items-center gap-1.5 rounded-full border px-3 text-[13px]",
          chosen ? "border-accent/50 bg-accent-soft text-accent-text" : "border-dashed text-dim hover:border-strong hover:text-text",
        )}
      >
        {!chosen && <ListFilter className="size-3.5" />}
        {label}
        {chosen && <span className="max-w-36 truncate font-medium">{chosen}</span>}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content align="start" sideOffset={4} collisionPadding={8} aria-label={label} className="z-50 w-64 animate-rise rounded-xl border border-line bg-raised p-1 shadow-xl outline-none">
          <Choices
            options={[{ key: "", name: none }, ...options]}
            value={value ?? ""}
            label={label}
            take={(key) => {
              set(key || undefined);
              setOpen(false);
            }}
          />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}

function Choices({ options, value, label, take }: { options: Option[]; value: string; label: string; take: (key: string) => void }) {
  const id = useId();
  const [text, setText] = useState("");
  const words = text.trim().toLowerCase();
  const found = words ? options.filter((o) => o.key && `${o.name} ${o.hint ?? ""}`.toLowerCase().includes(words)).slice(0, 200) : options.slice(0, 200);
  const [at, setAt] = useState(Math.max(0, options.findIndex((o) => o.key === value)));
  const last = found.length - 1;
  const current = Math.min(at, last);
  const heard = (e: KeyboardEvent) => {
    const to = { ArrowDown: current + 1, ArrowUp: current - 1, Home: 0, End: last }[e.key];
    if (e.key === "Enter" && found[current]) take(found[current].key);
    if (to === undefined) return;
    e.preventDefault();
    const next = Math.max(0, Math.min(last, to));
    setAt(next);
    document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
  };
  return (
    <div onKeyDown={heard}>
      <input
        autoFocus
        role="combobox"
        aria-expanded
        aria-controls={id}
        aria-activedescendant={found[current] && `${id}-${current}`}
        aria-label={`Search ${label.toLowerCase()}`}
        value={text}
        onChange={(e) => {
          setText(e.target.value);
          setAt(0);
        }}
        placeholder="Search"
        className={cx("mb-1 w-full rounded-lg bg-ground px-2.5 py-1.5 placeholder:text-faint focus-visible:outline-none", options.length < many && "sr-only")}
      />
      <ul id={id} role="listbox" aria-label={label} className="max-h-72 overflow-y-auto">
        {found.map((o, i) => (
          <li
            key={o.key}
            id={`${id}-${i}`}
            role="option"
            aria-selected={o.key === value}
            onPointerMove={() => setAt(i)}
            onClick={() => take(o.key)}
            className={cx("flex cursor-default items-center gap-2 rounded-lg px-2.5 py-1.5", i === current && "bg-hover")}
          >
            {o.icon}
            <span className="min-w-0 flex-1 truncate">{o.name}</span>
            {o.hint && <span className="shrink-0 text-xs text-faint tabular-nums">{o.hint}</span>}
            <Check className={cx("size-4 shrink-0 text-accent-text", o.key !== value && "invisible")} />
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="px-2.5 py-2 text-dim">Nothing matches</p>}
    </div>
  );
}

import { cx } from "./cx";

interface Props<Value extends string | number> {
  label: string;
  value: Value;
  options: (readonly [Value, string])[];
  change: (value: Value) => void;
}

/** Choose shows a few choices side by side, one of which holds. */
export function Choose<Value extends string | number>({ label, value, options, change }: Props<Value>) {
  return (
    <div role="group" aria-label={label} className="inline-flex shrink-0 rounded-lg border bg-panel p-0.5">
      {options.map(([key, name]) => (
        <button
          key={key}
          type="button"
          aria-pressed={key === value}
          onClick={() => change(key)}
          className={cx("h-7 rounded-md px-2.5 text-[13px] whitespace-nowrap", key === value ? "bg-hover font-medium text-text" : "text-dim hover:text-text")}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

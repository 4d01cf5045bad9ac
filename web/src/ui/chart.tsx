import { type KeyboardEvent, type PointerEvent, type ReactNode, useState } from "react";
import { cx } from "./cx";

export interface Series {
  label: string;
  /** colour is a CSS colour of the palette. */
  colour: string;
  /** values has one for each day; undefined where nothing is known, which is not zero. */
  values: (number | undefined)[];
}

interface Props {
  title: string;
  /** days are dates such as 2026-01-31. */
  days: string[];
  series: Series[];
  kind: "bars" | "line";
  format: (n: number) => string;
  /** total is shown while no day is pointed at. */
  total: ReactNode;
  className?: string;
}

/** top is the next round number at or above n, so that the grid's lines have short labels. */
export function top(n: number): number {
  if (!(n > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(n));
  return ([1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= n * 0.999) ?? 10) * unit;
}

const sum = (values: (number | undefined)[]) => values.reduce<number>((all, v) => all + (v ?? 0), 0);

/**
 * Chart draws days: bars on each other, or one line. Pointing at a day, or walking the days by arrow keys, says
 * its numbers in the legend. It stretches by itself, so nothing is measured; readers of the screen get a table.
 */
export function Chart({ title, days, series, kind, format, total, className }: Props) {
  const [at, setAt] = useState<number>();
  const heights = days.map((_, i) => sum(series.map((s) => s.values[i])));
  const max = top(Math.max(0, ...heights));
  const point = (e: PointerEvent<HTMLDivElement>) => {
    const box = e.currentTarget.getBoundingClientRect();
    setAt(Math.max(0, Math.min(days.length - 1, Math.floor(((e.clientX - box.left) / box.width) * days.length))));
  };
  const walk = (e: KeyboardEvent) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (e.key === "Escape") setAt(undefined);
    if (!step) return;
    e.preventDefault();
    setAt(Math.max(0, Math.min(days.length - 1, (at ?? days.length - (step < 0 ? 0 : 1)) + step)));
  };
  return (
    <figure className={cx("flex min-w-0 flex-col rounded-xl border bg-panel p-4", className)}>
      <figcaption className="flex items-baseline justify-between gap-3">
        <span className="font-medium">{title}</span>
        <span className="text-xs whitespace-nowrap text-faint tabular-nums">{at === undefined ? `${days.length} days` : dayName(days[at])}</span>
      </figcaption>
      <div className="mt-1 flex min-h-12 flex-wrap items-end gap-x-4 gap-y-0.5" aria-live="polite">
        {at === undefined ? <span className="text-2xl font-semibold tracking-tight tabular-nums">{total}</span> : null}
        <Legend series={series} at={at} format={format} />
      </div>
      <div
        role="application"
        aria-label={`${title}: arrow keys walk the days`}
        tabIndex={0}
        className="relative mt-3 mr-11 h-36 touch-pan-y"
        onPointerMove={point}
        onPointerDown={point}
        onPointerLeave={() => setAt(undefined)}
        onBlur={() => setAt(undefined)}
        onKeyDown={walk}
      >
        <Grid max={max} format={format} />
        <svg viewBox={`0 0 ${days.length} 100`} preserveAspectRatio="none" className="absolute inset-0 size-full overflow-visible" aria-hidden>
          {at !== undefined && <rect x={at} y="0" width="1" height="100" fill="var(--hover)" />}
          {kind === "bars" ? <Bars days={days} series={series} max={max} at={at} /> : series.map((s) => <Line key={s.label} series={s} max={max} at={at} />)}
        </svg>
      </div>
      <div className="mt-1.5 mr-11 flex justify-between text-[11px] text-faint tabular-nums" aria-hidden>
        <span>{shortDay(days[0])}</span>
        <span>{shortDay(days[Math.floor((days.length - 1) / 2)])}</span>
        <span>Today</span>
      </div>
      <Table title={title} days={days} series={series} format={format} />
    </figure>
  );
}

function Legend({ series, at, format }: { series: Series[]; at: number | undefined; format: (n: number) => string }) {
  if (at === undefined && series.length === 1) return null;
  return (
    <ul className="flex flex-wrap gap-x-3 gap-y-0.5 pb-1 text-xs text-dim">
      {series.map((s) => {
        const value = at === undefined ? undefined : s.values[at];
        return (
          <li key={s.label} className="inline-flex items-center gap-1.5">
            <span aria-hidden className="size-2 rounded-[3px]" style={{ background: s.colour }} />
            {s.label}
            {at !== undefined && <b className="font-semibold text-text tabular-nums">{value === undefined ? "—" : format(value)}</b>}
          </li>
        );
      })}
    </ul>
  );
}

function Grid({ max, format }: { max: number; format: (n: number) => string }) {
  return [1, 0.5, 0].map((part) => (
    <div key={part} aria-hidden className="pointer-events-none absolute inset-x-0 border-t border-line/70" style={{ top: `${(1 - part) * 100}%` }}>
      {part > 0 && <span className="absolute left-full -translate-y-1/2 pl-1.5 text-[10px] whitespace-nowrap text-faint tabular-nums">{format(max * part)}</span>}
    </div>
  ));
}

function Bars({ days, series, max, at }: { days: string[]; series: Series[]; max: number; at: number | undefined }) {
  return days.map((day, i) => {
    let y = 100;
    return (
      <g key={day} opacity={at === undefined || at === i ? 1 : 0.45}>
        {series.map((s) => {
          const height = ((s.values[i] ?? 0) / max) * 100;
          if (height === 0) return null;
          y -= height;
          return <rect key={s.label} x={i + 0.16} y={y} width="0.68" height={height} fill={s.colour} />;
        })}
      </g>
    );
  });
}

/** Line leaves a gap where nothing is known; a day between two gaps is a dot. */
function Line({ series: { values, colour }, max, at }: { series: Series; max: number; at: number | undefined }) {
  const y = (v: number) => 100 - (v / max) * 100;
  const path = values
    .map((v, i) => (v === undefined ? "" : `${values[i - 1] === undefined ? "M" : "L"}${i + 0.5} ${y(v)}${values[i - 1] === undefined && values[i + 1] === undefined ? "h0" : ""}`))
    .join("");
  const pointed = at === undefined ? undefined : values[at];
  const pen = { fill: "none", stroke: colour, strokeLinecap: "round", strokeLinejoin: "round", vectorEffect: "non-scaling-stroke" } as const;
  return (
    <>
      <path d={path} {...pen} strokeWidth="2.5" />
      {pointed !== undefined && <path d={`M${(at ?? 0) + 0.5} ${y(pointed)}h0`} {...pen} strokeWidth="8" />}
    </>
  );
}

function Table({ title, days, series, format }: Pick<Props, "title" | "days" | "series" | "format">) {
  return (
    <div className="sr-only">
      <table>
        <caption>{title}</caption>
        <thead>
          <tr>
            <th scope="col">Day</th>
            {series.map((s) => (
              <th key={s.label} scope="col">
                {s.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {days.map((day, i) => (
            <tr key={day}>
              <th scope="row">{day}</th>
              {series.map((s) => (
                <td key={s.label}>{s.values[i] === undefined ? "unknown" : format(s.values[i])}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A day has no zone: it is read as noon of the viewer's, which is on the same day. */
const dateOf = (day: string | undefined) => new Date(`${day}T12:00:00`);
const shortDay = (day: string | undefined) => dateOf(day).toLocaleDateString(undefined, { day: "numeric", month: "short" });
const dayName = (day: string | undefined) => dateOf(day).toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" });

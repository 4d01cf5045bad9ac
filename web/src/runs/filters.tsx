import { useQuery } from "@tanstack/react-query";
import { Search, X } from "lucide-react";
import { type RefObject, useEffect, useState } from "react";
import type { Run, RunState } from "@/api/client";
import { environments } from "@/environments/queries";
import { useNames } from "@/people/queries";
import { Button } from "@/ui/button";
import { cx } from "@/ui/cx";
import { count } from "@/ui/format";
import { type Option, Pick } from "@/ui/pick";
import { type Bucket, type By, usage } from "@/usage/queries";
import { type Filter, isNarrow, quick, type Quick } from "./filter";
import { SourceIcon, sourceNames } from "./source";
import { looks, StateIcon } from "./state";

const quickNames: Record<Quick, string> = { mine: "Mine", active: "Active", failed: "Failed", recurring: "Recurring", "needs-me": "Needs me" };
const createdNames = { "24h": "Last 24 hours", "3d": "Past 3 days", "7d": "Last week" };
const artifactNames = { PULL_REQUEST: "Pull request", PLAN: "Plan", SCREENSHOT: "Screenshot", FILE: "File" };
const archivedNames = { include: "Also archived", only: "Only archived" };
const sortNames = { created_at: "Created", title: "Title" };

/** Filters narrow the list. Every choice is a link's worth of state and can be taken back on its own. */
export function Filters({ filter, change, search }: { filter: Filter; change: (f: Filter) => void; search: RefObject<HTMLInputElement | null> }) {
  return (
    <header className="shrink-0 border-b">
      <div className="flex items-center gap-3 px-3 pt-3.5 sm:px-5">
        <h1 className="text-lg font-semibold tracking-tight max-sm:sr-only">Runs</h1>
        <SearchBox filter={filter} change={change} input={search} />
      </div>
      <div className="flex items-center gap-1.5 overflow-x-auto px-3 py-2.5 [scrollbar-width:none] sm:px-5">
        <Chip on={!filter.show} act={() => change({ ...filter, show: undefined })}>
          All
        </Chip>
        {quick.map((show) => (
          <Chip key={show} on={filter.show === show} act={() => change({ ...filter, show: filter.show === show ? undefined : show })}>
            {quickNames[show]}
          </Chip>
        ))}
        <span className="mx-1 h-5 w-px shrink-0 bg-line" />
        <Choices filter={filter} change={change} />
        {isNarrow(filter) && (
          <Button small look="quiet" onClick={() => change({ sort: filter.sort })}>
            <X className="size-3.5" /> Clear all
          </Button>
        )}
      </div>
    </header>
  );
}

function Chip({ on, act, children }: { on: boolean; act: () => void; children: string }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={act}
      className={cx("h-7 shrink-0 rounded-full border px-3 text-[13px]", on ? "border-accent/50 bg-accent-soft text-accent-text" : "text-dim hover:border-strong hover:text-text")}
    >
      {children}
    </button>
  );
}

/** SearchBox waits for a pause in typing before it asks the server. */
function SearchBox({ filter, change, input }: { filter: Filter; change: (f: Filter) => void; input: RefObject<HTMLInputElement | null> }) {
  const [text, setText] = useState(filter.q ?? "");
  const [seen, setSeen] = useState(filter.q);
  if (seen !== filter.q) {
    setSeen(filter.q);
    if ((filter.q ?? "") !== text.trim()) setText(filter.q ?? "");
  }
  useEffect(() => {
    const words = text.trim() || undefined;
    if (words === filter.q) return;
    const timer = setTimeout(() => change({ ...filter, q: words }), 200);
    return () => clearTimeout(timer);
  }, [text, filter, change]);
  return (
    <label className="relative flex-1 sm:max-w-md">
      <span className="sr-only">Search runs</span>
      <Search className="pointer-events-none absolute top-2.5 left-3 size-4 text-faint" />
      <input
        ref={input}
        type="search"
        value={text}
        onChange={(e) => setText(e.target.value)}
        onKeyDown={(e) => e.key === "Escape" && (setText(""), e.currentTarget.blur())}
        placeholder="Search titles, prompts and skills"
        className="h-9 w-full rounded-lg border border-line bg-panel pr-3 pl-9 placeholder:text-faint hover:border-strong focus-visible:border-accent focus-visible:ring-2 focus-visible:ring-accent/30 focus-visible:outline-none"
      />
    </label>
  );
}

/** Choices are the filters of the list. Who and what can be chosen is who and what was there in the last 90 days. */
function Choices({ filter, change }: { filter: Filter; change: (f: Filter) => void }) {
  const places = useQuery(environments).data?.environments ?? [];
  const names = useNames();
  const set = <K extends keyof Filter>(name: K) => (value: string | undefined) => change({ ...filter, [name]: value });
  return (
    <>
      <Pick label="Status" options={states} value={filter.state} set={set("state")} />
      <Pick label="Source" options={sources} value={filter.source} set={set("source")} />
      <UsedPick label="Creator" by="creator" names={names} value={filter.creator} set={set("creator")} />
      <UsedPick label="Agent" by="name" value={filter.name} set={set("name")} />
      <Pick label="Created" options={listed(createdNames)} value={filter.created} set={set("created")} />
      <Pick label="Environment" options={[{ key: "empty-environment", name: "None" }, ...places.map((e) => ({ key: e.uid, name: e.config.name ?? e.uid }))]} value={filter.environment} set={set("environment")} />
      <Pick label="Artifact" options={listed(artifactNames)} value={filter.artifact} set={set("artifact")} />
      <UsedPick label="Model" by="model" value={filter.model} set={set("model")} />
      <Pick label="Archived" options={listed(archivedNames)} value={filter.archived} set={set("archived")} none="Left out" />
      <Pick label="Sort" options={listed(sortNames)} value={filter.sort} set={set("sort")} none="Updated" />
    </>
  );
}

interface UsedProps {
  label: string;
  by: By;
  names?: Map<string, string>;
  value: string | undefined;
  set: (key: string | undefined) => void;
}

/** UsedPick chooses among who or what runs had lately, which is counted once somebody looks. */
function UsedPick({ label, by, names, value, set }: UsedProps) {
  const [looked, setLooked] = useState(false);
  const { data } = useQuery({ ...usage(by, 90), enabled: looked, refetchInterval: false });
  const known = used(data?.buckets, names);
  // What holds has its name even before anything was counted.
  const options = value && !known.some((o) => o.key === value) ? [...known, { key: value, name: names?.get(value) ?? value }] : known;
  return <Pick label={label} options={options} value={value} set={set} opened={() => setLooked(true)} />;
}

const listed = (names: Record<string, string>): Option[] => Object.entries(names).map(([key, name]) => ({ key, name }));
const states: Option[] = Object.entries(looks).map(([state, { label }]) => ({ key: state, name: label, icon: <StateIcon state={state as RunState} /> }));
const sources: Option[] = listed(sourceNames).map((o) => ({ ...o, icon: <SourceIcon source={o.key as Run["source"]} className="text-dim" /> }));

/** used are what runs were grouped by, most used first. */
function used(buckets: Bucket[] | undefined, names?: Map<string, string>): Option[] {
  const known = (buckets ?? []).filter((b) => b.key).sort((a, b) => b.runs - a.runs);
  return known.map((b) => ({ key: b.key, name: b.label || names?.get(b.key) || b.key, hint: count(b.runs) }));
}

import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Run } from "@/api/client";
import { cost, runTime } from "@/runs/row";
import { look } from "@/runs/state";
import { dollars } from "@/ui/format";
import { type Kin, kinName, subtree, useFamily } from "./family";
import { Part } from "./part";
import { Badge } from "./pills";
import { costOf } from "./spend";

/** few is how many agents the costs list before it is unfolded. */
const few = 5;

/** SubAgents is who a run has started, how they stand, and what each of the family cost. */
export function SubAgents({ run }: { run: Run }) {
  const { kin, all } = useFamily(run);
  return (
    <div className="space-y-6">
      <ul className="space-y-0.5">
        {kin.map((k) => (
          <Line key={k.run.run_id} kin={k} />
        ))}
      </ul>
      <Costs family={[run, ...all]} />
    </div>
  );
}

function Line({ kin: { run, below } }: { kin: Kin }) {
  return (
    <li>
      <Link to="/runs/$runId" params={{ runId: run.run_id }} className="-mx-2 flex items-start gap-2.5 rounded-lg px-2 py-1.5 hover:bg-hover">
        <Badge run={run} className="mt-1" />
        <span className="min-w-0 flex-1">
          <span className="block truncate">{run.title}</span>
          <span className="block truncate text-xs text-faint">
            {[look(run.state).label, runTime(run), cost(run), below.length ? `${below.length} below it ${{ busy: "at work", failed: "failed", settled: "settled" }[subtree(below)]}` : ""].filter(Boolean).join(" • ")}
          </span>
        </span>
      </Link>
    </li>
  );
}

function Costs({ family }: { family: Run[] }) {
  const [whole, setWhole] = useState(false);
  const costly = family.filter((r) => costOf([r]) > 0).sort((a, b) => costOf([b]) - costOf([a]));
  if (costly.length === 0) return null;
  const left = costly.length - few;
  return (
    <Part title={`Together ${dollars(costOf(family))}`}>
      <ul className="space-y-1.5">
        {costly.slice(0, whole ? undefined : few).map((r) => (
          <li key={r.run_id} className="flex justify-between gap-3">
            <span className="truncate">{kinName(r)}</span>
            <span className="shrink-0 text-dim tabular-nums">{dollars(costOf([r]))}</span>
          </li>
        ))}
      </ul>
      {left > 0 && !whole && (
        <button type="button" className="mt-2 text-accent-text hover:underline" onClick={() => setWhole(true)}>
          Show {left} more
        </button>
      )}
    </Part>
  );
}

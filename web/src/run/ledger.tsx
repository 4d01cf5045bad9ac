import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { api, must, type Run, type Schema } from "@/api/client";
import { count, dollars, exact, lasted } from "@/ui/format";
import { spent } from "@/usage/words";
import { Part } from "./part";

type Call = Schema<"UsageCall">;

/** Ledger is what a run cost: the sum, each model's part, and every single call. */
export function Ledger({ run, context }: { run: Run; context: number }) {
  const used = run.request_usage;
  const calls = useQuery({
    queryKey: ["run", run.run_id, "usage", used?.total_tokens],
    queryFn: () => must(api.GET("/agent/runs/{runId}/usage", { params: { path: { runId: run.run_id } } })),
    enabled: Boolean(used?.total_tokens),
    placeholderData: (before) => before,
  });
  const [all, setAll] = useState(false);
  if (!used?.total_tokens) return null;
  const list = calls.data?.calls ?? [];
  const unpriced = list.filter((c) => !c.priced).length;
  return (
    <Part title="Cost">
      <div className="mb-2 flex items-baseline gap-3">
        <span className="text-lg font-semibold tabular-nums">{spent({ cost_usd: used.inference_cost_usd ?? 0, unpriced_calls: unpriced, tokens: used.total_tokens })}</span>
        <span className="text-faint">{count(used.total_tokens)} tokens</span>
      </div>
      {unpriced > 0 && <p className="mb-2 text-wait">No price is known for {unpriced === 1 ? "one call" : `${unpriced} calls`}; they are not in the sum.</p>}
      <ul className="space-y-1.5">
        {[...Map.groupBy(list, (c) => c.model_id)].map(([model, of]) => (
          <li key={model} className="flex justify-between gap-3">
            <span className="truncate">{model}</span>
            <span className="shrink-0 text-faint tabular-nums">
              {of.length === 1 ? "1 call" : `${of.length} calls`}, {count(of.reduce((n, c) => n + read(c), 0))} in, {count(of.reduce((n, c) => n + c.output_tokens, 0))} out
            </span>
          </li>
        ))}
      </ul>
      {context > 0 && <p className="mt-2 text-faint">{count(context)} tokens in the model's context at its last call</p>}
      {list.length > 0 && (
        <button type="button" aria-expanded={all} className="mt-2 text-accent-text hover:underline" onClick={() => setAll(!all)}>
          {all ? "Hide the calls" : "Every call"}
        </button>
      )}
      {all && <Calls calls={list} />}
    </Part>
  );
}

const read = (c: Call) => c.input_tokens + c.cache_read_tokens + c.cache_write_tokens;

function Calls({ calls }: { calls: Call[] }) {
  return (
    <div className="mt-2 max-h-80 overflow-auto rounded-lg border" role="region" aria-label="Calls" tabIndex={0}>
      <table className="w-full text-xs tabular-nums">
        <thead className="sticky top-0 bg-panel text-left text-faint">
          <tr className="[&_th]:px-2 [&_th]:py-1.5 [&_th]:font-medium">
            <th scope="col">At</th>
            <th scope="col">In</th>
            <th scope="col">Out</th>
            <th scope="col">Took</th>
            <th scope="col">Cost</th>
          </tr>
        </thead>
        <tbody>
          {calls.map((c) => (
            <tr key={c.id} className="border-t border-line/60 [&_td]:px-2 [&_td]:py-1.5" title={`${c.model_id}, ${exact(c.at)}`}>
              <td>{new Date(c.at).toLocaleTimeString(undefined, { timeStyle: "medium" })}</td>
              <td title={`${count(c.cache_read_tokens)} of them from the cache`}>{count(read(c))}</td>
              <td>{count(c.output_tokens)}</td>
              <td>{c.duration_ms === undefined ? "—" : lasted(c.duration_ms)}</td>
              <td className={c.status >= 400 || c.status === 0 ? "text-bad" : undefined}>{c.status >= 400 || c.status === 0 ? `failed ${c.status || ""}` : c.priced ? dollars(c.cost_usd) : "—"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Copy } from "lucide-react";
import type { ReactNode } from "react";
import { api, must, type Run } from "@/api/client";
import { environments } from "@/environments/queries";
import { artifactName, harnessName } from "@/runs/row";
import { sourceNames } from "@/runs/source";
import { StateIcon } from "@/runs/state";
import { IconButton } from "@/ui/button";
import { copy } from "@/ui/copy";
import { cx } from "@/ui/cx";
import { count, dollars, duration, exact, lasted } from "@/ui/format";
import type { PlanItem } from "./transcript";

/** Details is everything about a run that is not its conversation. */
export function Details({ run, plan, context }: { run: Run; plan: PlanItem[]; context: number }) {
  const { data: known } = useQuery(environments);
  const config = run.agent_config;
  const environment = known?.environments.find((e) => e.uid === config?.environment_id);
  const seconds = duration(run.run_time);
  return (
    <div className="space-y-6 px-5 py-4 text-[13px]">
      {plan.length > 0 && <Tasks plan={plan} />}
      {run.artifacts.length > 0 && (
        <Part title="Artifacts">
          <ul className="space-y-1">
            {run.artifacts.map((a, i) => (
              <li key={i} className="truncate">
                {artifactName(a)}
              </li>
            ))}
          </ul>
        </Part>
      )}
      <Part title="Run">
        <dl className="grid grid-cols-[7rem_1fr] gap-x-3 gap-y-1.5">
          <Row name="Source">{run.source && (sourceNames[run.source] ?? run.source)}</Row>
          <Row name="Started by">{run.creator?.display_name}</Row>
          {run.executor && run.executor.uid !== run.creator?.uid && <Row name="Runs as">{run.executor.display_name}</Row>}
          <Row name="Created">{exact(run.created_at)}</Row>
          <Row name="Run time">{seconds ? lasted(seconds) : undefined}</Row>
          <Row name="Environment">{config?.environment_id ? (environment?.config.name ?? config.environment_id) : "None"}</Row>
          <Row name="Agent">{harnessName(run) ?? "Built in"}</Row>
          <Row name="Model">{config?.model_id}</Row>
          <Row name="Host">{config?.worker_host}</Row>
          <Row name="Skill">{run.agent_skill?.name ?? config?.skill_spec}</Row>
          {run.schedule && <Row name="Schedule">{run.schedule.schedule_name}</Row>}
          <Row name="Attempts">{(run.execution ?? 0) > 1 ? String(run.execution) : undefined}</Row>
          <Row name="Run id">
            <span className="flex items-center gap-1">
              <code className="truncate font-mono text-xs">{run.run_id}</code>
              <IconButton label="Copy run id" className="size-6" onClick={() => copy(run.run_id)}>
                <Copy />
              </IconButton>
            </span>
          </Row>
        </dl>
      </Part>
      {run.parent_run_id && (
        <Part title="Started by">
          <Link to="/runs/$runId" params={{ runId: run.parent_run_id }} className="text-accent-text hover:underline">
            Parent run
          </Link>
        </Part>
      )}
      {Boolean(run.children?.length) && <SubAgents run={run} />}
      <Cost run={run} context={context} />
      {run.metadata && Object.keys(run.metadata).length > 0 && (
        <Part title="Metadata">
          <dl className="grid grid-cols-[7rem_1fr] gap-x-3 gap-y-1.5">
            {Object.entries(run.metadata).map(([key, value]) => (
              <Row key={key} name={key}>
                {value}
              </Row>
            ))}
          </dl>
        </Part>
      )}
    </div>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h3 className="mb-2 text-xs font-medium text-faint">{title}</h3>
      {children}
    </section>
  );
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  if (!children) return null;
  return (
    <>
      <dt className="truncate text-dim">{name}</dt>
      <dd className="min-w-0 wrap-anywhere">{children}</dd>
    </>
  );
}

function Tasks({ plan }: { plan: PlanItem[] }) {
  const done = plan.filter((i) => i.status === "completed").length;
  return (
    <Part title={`Tasks, ${done} of ${plan.length} done`}>
      <ol className="space-y-1.5">
        {plan.map((item, i) => (
          <li key={i} className="flex items-start gap-2">
            {item.status === "pending" ? (
              <span role="img" aria-label="to do" className="mt-1 size-3 shrink-0 rounded-full border border-strong" />
            ) : (
              <StateIcon state={item.status === "completed" ? "SUCCEEDED" : "INPROGRESS"} className="mt-0.5 size-3.5" />
            )}
            <span className={cx("min-w-0", item.status === "completed" && "text-faint")}>{item.title}</span>
          </li>
        ))}
      </ol>
    </Part>
  );
}

function SubAgents({ run }: { run: Run }) {
  const { data } = useQuery({
    queryKey: ["runs", "some", "below", run.run_id, run.children?.length],
    queryFn: () => must(api.GET("/agent/runs", { params: { query: { ancestor_run_id: run.run_id, limit: 100, sort_by: "created_at", sort_order: "asc" } } })),
  });
  return (
    <Part title="Sub-agents">
      <ul className="space-y-0.5">
        {data?.runs.map((child) => (
          <li key={child.run_id}>
            <Link to="/runs/$runId" params={{ runId: child.run_id }} className="-mx-2 flex items-center gap-2 rounded-lg px-2 py-1.5 hover:bg-hover">
              <StateIcon state={child.state} className="size-3.5" />
              <span className="min-w-0 flex-1 truncate">{child.title}</span>
            </Link>
          </li>
        ))}
      </ul>
    </Part>
  );
}

function Cost({ run, context }: { run: Run; context: number }) {
  const usage = run.request_usage;
  const calls = useQuery({
    queryKey: ["run", run.run_id, "usage", usage?.total_tokens],
    queryFn: () => must(api.GET("/agent/runs/{runId}/usage", { params: { path: { runId: run.run_id } } })),
    enabled: Boolean(usage?.total_tokens),
    placeholderData: (before) => before,
  });
  if (!usage?.total_tokens) return null;
  const models = Map.groupBy(calls.data?.calls ?? [], (c) => c.model_id);
  const unpriced = calls.data?.calls.some((c) => !c.priced);
  return (
    <Part title="Cost">
      <div className="mb-2 flex items-baseline gap-3">
        <span className="text-lg font-semibold tabular-nums">{dollars(usage.inference_cost_usd ?? 0)}</span>
        <span className="text-faint">{count(usage.total_tokens)} tokens</span>
      </div>
      {unpriced && <p className="mb-2 text-wait">No price is known for some of these calls; their cost is not in the sum.</p>}
      <ul className="space-y-1.5">
        {[...models].map(([model, used]) => (
          <li key={model} className="flex justify-between gap-3">
            <span className="truncate">{model}</span>
            <span className="shrink-0 text-faint tabular-nums">
              {used.length} calls, {count(used.reduce((n, c) => n + c.input_tokens + c.cache_read_tokens + c.cache_write_tokens, 0))} in, {count(used.reduce((n, c) => n + c.output_tokens, 0))} out
            </span>
          </li>
        ))}
      </ul>
      {context > 0 && <p className="mt-2 text-faint">{count(context)} tokens in the model's context at its last call</p>}
    </Part>
  );
}

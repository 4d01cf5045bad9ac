import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Copy, ExternalLink } from "lucide-react";
import { Tabs } from "radix-ui";
import type { Environment, Run } from "@/api/client";
import { environments, repositories } from "@/environments/queries";
import { artifactName, harnessName, runTime } from "@/runs/row";
import { sourceNames } from "@/runs/source";
import { StateIcon } from "@/runs/state";
import { IconButton } from "@/ui/button";
import { copy } from "@/ui/copy";
import { cx } from "@/ui/cx";
import { exact } from "@/ui/format";
import { Since } from "@/ui/time";
import { artifactHref } from "./artifacts";
import { Ledger } from "./ledger";
import { Part, Row, Rows } from "./part";
import { SubAgents } from "./subagents";
import { Timings } from "./timings";
import type { PlanItem } from "./transcript";

interface Props {
  run: Run;
  plan: PlanItem[];
  context: number;
}

const tab = "-mb-px border-b-2 border-transparent px-1 py-2.5 text-[13px] text-dim hover:text-text data-[state=active]:border-accent data-[state=active]:font-medium data-[state=active]:text-text";

/** Details is everything about a run that is not its conversation. */
export function Details({ run, plan, context }: Props) {
  const children = run.children?.length ?? 0;
  if (children === 0) return <About run={run} plan={plan} context={context} />;
  return (
    <Tabs.Root defaultValue="details">
      <Tabs.List aria-label="About the run" className="sticky top-0 z-10 flex gap-4 border-b bg-panel px-5">
        <Tabs.Trigger value="details" className={tab}>
          Details
        </Tabs.Trigger>
        <Tabs.Trigger value="agents" className={tab}>
          Sub-agents <span className="ml-0.5 text-faint tabular-nums">{children}</span>
        </Tabs.Trigger>
      </Tabs.List>
      <Tabs.Content value="details">
        <About run={run} plan={plan} context={context} />
      </Tabs.Content>
      <Tabs.Content value="agents" className="px-5 py-4 text-[13px]">
        <SubAgents run={run} />
      </Tabs.Content>
    </Tabs.Root>
  );
}

function About({ run, plan, context }: Props) {
  const known = useQuery(environments).data?.environments;
  const config = run.agent_config;
  const environment = known?.find((e) => e.uid === config?.environment_id);
  return (
    <div className="space-y-6 px-5 py-4 text-[13px]">
      {run.waiting && (
        <p role="status" className="rounded-lg border border-wait/40 bg-wait-soft px-3 py-2 text-wait">
          {run.waiting.message} <span className="whitespace-nowrap">Since <Since at={run.waiting.since} />.</span>
        </p>
      )}
      {plan.length > 0 && <Tasks plan={plan} />}
      {run.artifacts.length > 0 && <Artifacts run={run} />}
      <Part title="Run">
        <Rows>
          <Row name="Source">{run.source && (sourceNames[run.source] ?? run.source)}</Row>
          <Row name="Trigger">{run.trigger_url && <Outside href={run.trigger_url}>What started it</Outside>}</Row>
          <Row name="Schedule">
            {run.schedule && (
              <Link to="/schedules" className="text-accent-text hover:underline">
                {run.schedule.schedule_name}
              </Link>
            )}
          </Row>
          <Row name="Started by">{run.creator?.display_name}</Row>
          <Row name="Runs as">{run.executor && run.executor.uid !== run.creator?.uid && run.executor.display_name}</Row>
          <Row name="Forked from">{run.forked_from && <Other runId={run.forked_from.run_id} />}</Row>
          <Row name="Retry of">{run.retry_of && <Other runId={run.retry_of} />}</Row>
          <Row name="Seen by">{run.scope?.type === "Team" ? "The team" : run.scope ? "Its owner" : undefined}</Row>
          <Row name="Created">{exact(run.created_at)}</Row>
          <Row name="Run time">{runTime(run)}</Row>
          <Row name="Attempts">{(run.execution ?? 0) > 1 && String(run.execution)}</Row>
          <Row name="Run id">
            <span className="flex items-center gap-1">
              <code className="truncate font-mono text-xs">{run.run_id}</code>
              <IconButton label="Copy run id" className="size-6" onClick={() => copy(run.run_id)}>
                <Copy />
              </IconButton>
            </span>
          </Row>
        </Rows>
      </Part>
      <Setting run={run} environment={environment} />
      <Ledger run={run} context={context} />
      <Timings run={run} />
      {run.metadata && Object.keys(run.metadata).length > 0 && (
        <Part title="Metadata">
          <Rows>
            {Object.entries(run.metadata).map(([key, value]) => (
              <Row key={key} name={key}>
                {value}
              </Row>
            ))}
          </Rows>
        </Part>
      )}
    </div>
  );
}

/** Other leads to the run that this one came from, which may be gone by now. */
function Other({ runId }: { runId: string }) {
  return (
    <Link to="/runs/$runId" params={{ runId }} className="font-mono text-xs text-accent-text hover:underline">
      {runId.slice(0, 8)}
    </Link>
  );
}

/** Setting is how the run is carried out, as it was resolved. */
function Setting({ run, environment }: { run: Run; environment?: Environment }) {
  const config = run.agent_config;
  const skills = config?.skills ?? (config?.skill_spec ? [config.skill_spec] : []);
  const rules = config?.permissions;
  return (
    <Part title="Configuration">
      <Rows>
        <Row name="Agent">{config?.name}</Row>
        <Row name="Harness">{harnessName(run) ?? "Built in"}</Row>
        <Row name="Model">{config?.harness?.model_id || config?.model_id}</Row>
        <Row name="Mode">{run.mode && run.mode !== "normal" ? { plan: "Plans first", orchestrate: "Splits the work" }[run.mode] : undefined}</Row>
        <Row name="Skill">{run.agent_skill?.name ?? skills.join(", ")}</Row>
        <Row name="Environment">{config?.environment_id ? (environment?.config.name ?? config.environment_id) : "None, an empty workspace"}</Row>
        <Row name="Repositories">{environment && repositories(environment).join(", ")}</Row>
        <Row name="Image">{environment?.config.docker_image}</Row>
        <Row name="Host">{config?.worker_host}</Row>
        <Row name="MCP servers">{Object.keys(config?.mcp_servers ?? {}).join(", ")}</Row>
        <Row name="Permissions">
          {rules && (
            <>
              {{ allow: "Everything unasked", ask: "Asks first", deny: "Nothing" }[rules.default ?? "allow"]}
              {Boolean(rules.ask?.length) && <span className="block text-faint">asks: {rules.ask?.join(", ")}</span>}
              {Boolean(rules.deny?.length) && <span className="block text-faint">never: {rules.deny?.join(", ")}</span>}
            </>
          )}
        </Row>
        <Row name="Stays up">{config?.idle_timeout_minutes !== undefined && `${config.idle_timeout_minutes} minutes for follow-ups`}</Row>
      </Rows>
    </Part>
  );
}

/** Outside is a link away, if a browser may follow it at all. */
function Outside({ href, children }: { href: string; children: string }) {
  if (!/^https?:\/\//i.test(href)) return href;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer" className="inline-flex items-center gap-1 text-accent-text hover:underline">
      {children} <ExternalLink className="size-3" />
    </a>
  );
}

function Artifacts({ run }: { run: Run }) {
  return (
    <Part title="Artifacts">
      <ul className="space-y-1">
        {run.artifacts.map((a, i) => {
          const href = artifactHref(run.run_id, a);
          return (
            <li key={i} className="truncate">
              {href ? <Outside href={href}>{artifactName(a)}</Outside> : artifactName(a)}
            </li>
          );
        })}
      </ul>
    </Part>
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

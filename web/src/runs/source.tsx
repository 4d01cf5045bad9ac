import { Bot, Braces, CalendarClock, Cloud, GitBranch, GitPullRequest, Globe, Laptop, type LucideIcon, MessageSquare, Scale, Terminal, Ticket, Wand } from "lucide-react";
import type { Run } from "@/api/client";
import { Tip } from "@/ui/tip";

type Source = NonNullable<Run["source"]>;

const sources: Record<Source, [string, LucideIcon]> = {
  API: ["API", Braces],
  CLI: ["Command line", Terminal],
  LOCAL: ["Interactive", Laptop],
  WEB_APP: ["Web", Globe],
  CLOUD_MODE: ["App", Cloud],
  SCHEDULED_AGENT: ["Scheduled", CalendarClock],
  GITHUB_ACTION: ["GitHub Action", GitBranch],
  GITHUB_WEBHOOK: ["GitHub", GitPullRequest],
  GITLAB_WEBHOOK: ["GitLab", GitPullRequest],
  SLACK: ["Slack", MessageSquare],
  LINEAR: ["Linear", Ticket],
  JIRA: ["Jira", Ticket],
  ORCHESTRATION: ["Started by another run", Bot],
  SELF_IMPROVEMENT: ["Self-improvement", Wand],
  AUTOFIX: ["Autofix", Wand],
  RUN_SCORER: ["Scorer", Scale],
  BENCHMARK_TRIAL: ["Benchmark", Scale],
};

export const sourceNames = Object.fromEntries(Object.entries(sources).map(([source, [name]]) => [source, name])) as Record<Source, string>;

/** SourceIcon shows what started a run. */
export function SourceIcon({ source, className }: { source: Run["source"]; className?: string }) {
  const [name, Icon] = (source && sources[source]) ?? [source ?? "Unknown source", Globe];
  return (
    <Tip text={name}>
      <span role="img" aria-label={name} className={className}>
        <Icon className="size-3.5" />
      </span>
    </Tip>
  );
}

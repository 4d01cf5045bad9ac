import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { api, must, type Run } from "@/api/client";
import { StateIcon } from "@/runs/state";
import { hueOf } from "@/ui/avatar";
import { cx } from "@/ui/cx";
import { Tip } from "@/ui/tip";

/** Pills is the bar of an orchestration: the parent leftmost, then its children in the order they began.
 * It is there as soon as there is a child. */
export function Pills({ run }: { run: Run }) {
  const parent = Boolean(run.children?.length);
  const { data } = useQuery({
    queryKey: ["runs", "some", "below", run.run_id, run.children?.length],
    queryFn: () => must(api.GET("/agent/runs", { params: { query: { ancestor_run_id: run.run_id, limit: 100, sort_by: "created_at", sort_order: "asc" } } })),
    enabled: parent,
  });
  if (!parent) return null;
  return (
    <nav aria-label="Agents of this run" className="flex shrink-0 gap-1.5 overflow-x-auto border-b px-3 py-2 [scrollbar-width:none] sm:px-5">
      <Pill run={run} current name="Parent" />
      {data?.runs.filter((r) => r.parent_run_id === run.run_id).map((child) => <Pill key={child.run_id} run={child} name={child.agent_config?.name ?? child.title} />)}
    </nav>
  );
}

function Pill({ run, name, current }: { run: Run; name: string; current?: boolean }) {
  return (
    <Tip text={<><b>{run.title}</b><br />{run.status_message?.message ?? run.waiting?.message ?? run.prompt.slice(0, 140)}</>}>
      <Link
        to="/runs/$runId"
        params={{ runId: run.run_id }}
        aria-current={current ? "page" : undefined}
        className={cx("inline-flex h-7 max-w-36 shrink-0 items-center gap-1.5 rounded-full border pr-2.5 pl-1 text-[13px]", current ? "border-strong bg-hover" : "text-dim hover:border-strong hover:text-text")}
      >
        <span className={cx("inline-flex size-5 shrink-0 items-center justify-center rounded-full text-[10px] font-semibold text-white", hueOf(name))}>{([...name][0] ?? "?").toUpperCase()}</span>
        <span className="truncate">{name}</span>
        <StateIcon state={run.state} className="size-3.5" />
      </Link>
    </Tip>
  );
}

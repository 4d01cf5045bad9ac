import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { BookOpen, Play, RefreshCw, TriangleAlert } from "lucide-react";
import { useState } from "react";
import type { Schema } from "@/api/client";
import { skillList, skills } from "@/agents/queries";
import { useCompose } from "@/compose/open";
import { Prose } from "@/run/markdown";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Bars, Empty, Failed } from "@/ui/empty";
import { Since } from "@/ui/time";
import { toast } from "@/ui/toast";

type Variant = Schema<"AgentListVariant">;
type Skill = Variant & { name: string };

/** SkillsPage is what the repositories of the environments teach agents to do. */
export function SkillsPage() {
  const list = useQuery(skillList);
  const queries = useQueryClient();
  const [shown, setShown] = useState<Skill>();
  const again = useMutation({
    mutationFn: () => skills(true),
    onSuccess: (fresh) => queries.setQueryData(skillList.queryKey, fresh),
    onError: (why) => toast.failed("The repositories were not read", why),
  });
  const all = list.data?.agents.flatMap((s) => s.variants.map((v): Skill => ({ ...v, name: s.name }))) ?? [];
  const troubled = list.data?.repositories?.filter((r) => r.state !== "ready") ?? [];
  const refresh = (
    <Button busy={again.isPending} onClick={() => again.mutate()}>
      <RefreshCw className="size-4" /> {again.isPending ? "Reading…" : "Read again"}
    </Button>
  );
  return (
    <Page title="Skills" hint="Instructions that live in your repositories, as SKILL.md" actions={list.data ? refresh : undefined}>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The skills" why={list.error} again={() => void list.refetch()} />
      ) : (
        <>
          {troubled.map((r) => (
            <p key={`${r.owner}/${r.name}`} className="mb-3 flex items-start gap-2 rounded-lg border border-wait/40 bg-wait-soft px-3 py-2 text-[13px] text-wait">
              <TriangleAlert className="mt-0.5 size-4 shrink-0" />
              <span className="min-w-0 wrap-anywhere">
                {[r.owner, r.name].filter(Boolean).join("/")}: {r.state === "reading" ? "being read for the first time" : (r.error ?? "could not be read")}
              </span>
            </p>
          ))}
          {all.length === 0 ? (
            <Empty icon={<BookOpen />} title="No skill found" action={<Link to="/environments" className="text-accent-text hover:underline">Environments</Link>}>
              A skill is a folder with a SKILL.md below .agents/skills in a repository: a name, what it is for, and how it is done. Those in the repositories of your environments appear here.
            </Empty>
          ) : (
            <ul className="overflow-hidden rounded-xl border bg-panel">
              {all.map((s) => (
                <Line key={s.id + s.source.skill_path} skill={s} show={() => setShown(s)} />
              ))}
            </ul>
          )}
        </>
      )}
      {shown && <Read skill={shown} close={() => setShown(undefined)} />}
    </Page>
  );
}

function Line({ skill: s, show }: { skill: Skill; show: () => void }) {
  return (
    <li className="relative flex items-center gap-3 border-b px-4 py-3 last:border-b-0 hover:bg-hover/60">
      {s.error ? <TriangleAlert className="size-4 shrink-0 text-bad" /> : <BookOpen className="size-4 shrink-0 text-faint" />}
      <div className="min-w-0 flex-1">
        <button type="button" onClick={show} className="block max-w-full truncate text-left font-medium after:absolute after:inset-0">
          {s.name}
        </button>
        <p className="truncate text-[13px] text-dim">{s.error ?? s.description}</p>
      </div>
      <span className="hidden max-w-60 truncate text-[13px] text-faint sm:block">
        {s.source.owner}/{s.source.name}
      </span>
      {s.last_run_timestamp && <Since at={s.last_run_timestamp} className="w-12 text-right text-[13px] text-faint" />}
    </li>
  );
}

function Read({ skill: s, close }: { skill: Skill; close: () => void }) {
  const may = useMay();
  const compose = useCompose();
  return (
    <Dialog
      side
      open
      onClose={close}
      title={s.name}
      description={s.error ?? s.description}
      footer={
        may.create &&
        !s.error && (
          <Button
            look="primary"
            onClick={() => {
              close();
              compose({ skill: s.id, ...(s.environments[0] && { environment: s.environments[0].uid }) });
            }}
          >
            <Play className="size-4" /> Run it
          </Button>
        )
      }
    >
      <p className="mb-4 font-mono text-xs wrap-anywhere text-faint">
        {s.source.owner}/{s.source.name}: {s.source.skill_path}
      </p>
      <Prose text={s.base_prompt} />
    </Dialog>
  );
}

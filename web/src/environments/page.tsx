import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Boxes, Pencil, Plus, Trash2, TriangleAlert } from "lucide-react";
import { useState } from "react";
import { api, type Environment, must } from "@/api/client";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Button, IconButton } from "@/ui/button";
import { sure } from "@/ui/confirm";
import { Bars, Empty, Failed } from "@/ui/empty";
import { Since } from "@/ui/time";
import { Tip } from "@/ui/tip";
import { toast } from "@/ui/toast";
import { EnvironmentForm } from "./form";
import { environments, repositories } from "./queries";

/** EnvironmentsPage is what runs can work in: repositories, set-up commands, an image. */
export function EnvironmentsPage() {
  const list = useQuery(environments);
  const may = useMay();
  const [editing, setEditing] = useState<Environment | "new">();
  const create = may.create && (
    <Button look="primary" onClick={() => setEditing("new")}>
      <Plus className="size-4" /> New environment
    </Button>
  );
  return (
    <Page title="Environments" hint="What runs find when they start: repositories, set-up commands, an image" actions={list.data?.environments.length ? create : undefined}>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The environments" why={list.error} again={() => void list.refetch()} />
      ) : list.data.environments.length === 0 ? (
        <Empty icon={<Boxes />} title="No environment yet" action={create}>
          An environment names the repositories to clone and the commands to run before an agent begins. Runs without one start in an empty workspace.
        </Empty>
      ) : (
        <ul className="overflow-hidden rounded-xl border bg-panel">
          {list.data.environments.map((e) => (
            <Row key={e.uid} environment={e} edit={() => setEditing(e)} />
          ))}
        </ul>
      )}
      {editing && <EnvironmentForm environment={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} />}
    </Page>
  );
}

function Row({ environment: e, edit }: { environment: Environment; edit: () => void }) {
  const may = useMay();
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => must(api.DELETE("/agent/environments/{environmentId}", { params: { path: { environmentId: e.uid } } })),
    onSuccess: () => queries.invalidateQueries({ queryKey: environments.queryKey }),
    onError: (why) => toast.failed("The environment was not deleted", why),
  });
  const allowed = e.scope?.type === "Team" ? may.administer : may.create;
  const repos = repositories(e);
  return (
    <li className="flex items-center gap-3 border-b px-4 py-3 last:border-b-0">
      <div className="min-w-0 flex-1">
        <div className="flex items-center gap-2">
          <span className="truncate font-medium">{e.config.name ?? e.uid}</span>
          <span className="rounded border px-1.5 text-xs text-faint">{e.scope?.type === "Team" ? "Team" : "Personal"}</span>
          {e.setup_failed && (
            <Tip text="The latest run failed before its agent began. Open it to see which step.">
              <TriangleAlert aria-label="Set-up failed last time" className="size-4 text-bad" />
            </Tip>
          )}
        </div>
        <p className="truncate text-[13px] text-dim">{e.config.description || [...repos, e.config.docker_image].filter(Boolean).join(" • ") || "Empty workspace"}</p>
      </div>
      <Since at={e.last_updated} className="text-[13px] text-faint" />
      {allowed && (
        <>
          <IconButton label="Edit" onClick={edit}>
            <Pencil />
          </IconButton>
          <IconButton label="Delete" busy={remove.isPending} onClick={() => void sure({ title: `Delete ${e.config.name ?? e.uid}?`, text: "Runs that use it keep what they have.", act: "Delete" }).then((yes) => yes && remove.mutate())}>
            <Trash2 />
          </IconButton>
        </>
      )}
    </li>
  );
}

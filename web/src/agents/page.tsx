import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Activity, Bot, Ellipsis, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api } from "@/api/client";
import { environments } from "@/environments/queries";
import { useMay } from "@/shell/me";
import { Page } from "@/shell/page";
import { Avatar } from "@/ui/avatar";
import { Button, IconButton } from "@/ui/button";
import { sure } from "@/ui/confirm";
import { Bars, Empty, Failed } from "@/ui/empty";
import { count } from "@/ui/format";
import { Menu } from "@/ui/menu";
import { toast } from "@/ui/toast";
import { usage } from "@/usage/queries";
import { rate } from "@/usage/words";
import { AgentForm } from "./form";
import { type Agent, agents } from "./queries";

/** AgentsPage is the identities of the team that runs act as. */
export function AgentsPage() {
  const list = useQuery(agents);
  const may = useMay();
  const [editing, setEditing] = useState<Agent | "new">();
  const create = may.create && (
    <Button look="primary" onClick={() => setEditing("new")}>
      <Plus className="size-4" /> New agent
    </Button>
  );
  return (
    <Page title="Agents" hint="Who runs act as: with instructions, skills, keys and secrets of their own" actions={list.data?.agents.length ? create : undefined}>
      {list.isPending ? (
        <Bars lines={4} />
      ) : list.isError ? (
        <Failed what="The agents" why={list.error} again={() => void list.refetch()} />
      ) : list.data.agents.length === 0 ? (
        <Empty icon={<Bot />} title="No agent yet" action={create}>
          An agent is a name with standing instructions, skills, a model and an environment. Runs, schedules and keys can act as it, so that what it may do does not depend on who asked.
        </Empty>
      ) : (
        <ul className="grid gap-3 md:grid-cols-2 xl:grid-cols-3">
          {list.data.agents.map((a) => (
            <Card key={a.uid} agent={a} edit={() => setEditing(a)} />
          ))}
        </ul>
      )}
      {editing && <AgentForm agent={editing === "new" ? undefined : editing} close={() => setEditing(undefined)} />}
    </Page>
  );
}

function Card({ agent: a, edit }: { agent: Agent; edit: () => void }) {
  const may = useMay();
  const place = useQuery(environments).data?.environments.find((e) => e.uid === a.environment_id);
  const lately = useQuery(usage("executor", 30)).data?.buckets.find((b) => b.key === a.uid);
  const remove = useRemove(a);
  const facts = [a.harness?.type && a.harness.type !== "oz" ? a.harness.type : undefined, a.base_model, place?.config.name, a.worker_host, a.skills.length ? `${a.skills.length} ${a.skills.length === 1 ? "skill" : "skills"}` : undefined];
  return (
    <li className="flex flex-col rounded-xl border bg-panel p-4">
      <div className="flex items-start gap-3">
        <Avatar name={a.name} agent className="size-8 text-sm" />
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-medium">
            {a.name} {a.is_default && <span className="ml-1 rounded border px-1.5 text-xs font-normal text-faint">Default</span>}
          </h2>
          <p className="truncate text-[13px] text-faint">{facts.filter(Boolean).join(" • ") || "As the server decides"}</p>
        </div>
        {may.create && (
          <Menu
            items={[
              { label: "Edit", icon: <Pencil />, act: edit },
              ...(a.is_default ? [] : [null, { label: "Delete", icon: <Trash2 />, danger: true, act: remove }]),
            ]}
          >
            <IconButton label={`Change ${a.name}`} className="-mt-1 -mr-2">
              <Ellipsis />
            </IconButton>
          </Menu>
        )}
      </div>
      <p className="mt-3 line-clamp-3 flex-1 text-[13px] text-dim">{a.description || a.prompt || "No standing instructions."}</p>
      {!a.available && <p className="mt-2 text-[13px] text-wait">It cannot be used: the team has more agents than the server allows.</p>}
      <p className="mt-3 flex items-center gap-1.5 border-t border-line/60 pt-3 text-[13px] text-dim">
        <Activity className="size-3.5 text-faint" />
        {lately ? `${count(lately.runs)} ${lately.runs === 1 ? "run" : "runs"} in 30 days, ${rate(lately.success_rate)} succeeded` : "No run in 30 days"}
        <Link to="/usage" search={{ by: "executor" }} className="ml-auto text-accent-text hover:underline">
          Usage
        </Link>
      </p>
    </li>
  );
}

function useRemove(a: Agent): () => void {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => api.DELETE("/agent/identities/{agentUid}", { params: { path: { agentUid: a.uid } } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: agents.queryKey }),
    onError: (why) => toast.failed("The agent was not deleted", why),
  });
  return () =>
    void sure({ title: `Delete ${a.name}?`, text: "Its keys end at once, and schedules that run as it fail. Its runs stay, and those under way go on.", act: "Delete" }).then((yes) => yes && remove.mutate());
}

import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Command } from "cmdk";
import { Plus } from "lucide-react";
import { useDeferredValue, useState } from "react";
import { api, must } from "@/api/client";
import { StateIcon } from "@/runs/state";
import { Since } from "@/ui/time";
import { places } from "./places";

const row = "flex cursor-default items-center gap-2.5 rounded-lg px-3 py-2 data-[selected=true]:bg-hover [&_svg]:size-4 [&_svg]:shrink-0";

/** Palette goes anywhere by typing: pages, acts, and runs found on the server. */
export function Palette({ open, close, compose }: { open: boolean; close: () => void; compose: () => void }) {
  const navigate = useNavigate();
  const [text, setText] = useState("");
  const words = useDeferredValue(text.trim());
  const found = useQuery({
    queryKey: ["runs", "some", "palette", words],
    queryFn: ({ signal }) => must(api.GET("/agent/runs", { signal, params: { query: { limit: 8, ...(words && { q: words }) } } })),
    enabled: open,
    placeholderData: (before) => before,
  });
  const then = (act: () => void) => () => {
    close();
    setText("");
    act();
  };
  const said = (label: string) => label.toLowerCase().includes(text.trim().toLowerCase());
  return (
    <Command.Dialog
      open={open}
      onOpenChange={(next) => !next && close()}
      label="Search or jump to"
      shouldFilter={false}
      overlayClassName="fixed inset-0 z-40 bg-black/50"
      contentClassName="fixed inset-x-3 top-[12dvh] z-50 mx-auto max-w-xl animate-rise overflow-hidden rounded-2xl border border-line bg-panel shadow-2xl"
    >
      <Command.Input
        value={text}
        onValueChange={setText}
        placeholder="Search runs, or jump to a page"
        className="h-13 w-full border-b bg-transparent px-4 text-[15px] outline-none placeholder:text-faint"
      />
      <Command.List className="max-h-[56dvh] overflow-y-auto p-2 text-text [&_[cmdk-group-heading]]:px-3 [&_[cmdk-group-heading]]:py-1.5 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-faint">
        <Command.Empty className="px-3 py-8 text-center text-dim">{found.isFetching ? "Looking…" : "Nothing matches"}</Command.Empty>
        {said("New run") && (
          <Command.Item value="act:new" className={row} onSelect={then(compose)}>
            <Plus /> New run
          </Command.Item>
        )}
        <Command.Group heading="Pages">
          {places
            .flat()
            .filter((p) => said(p.label))
            .map(({ to, label, icon: Icon }) => (
              <Command.Item key={to} value={`page:${to}`} className={row} onSelect={then(() => void navigate({ to }))}>
                <Icon /> {label}
              </Command.Item>
            ))}
        </Command.Group>
        <Command.Group heading="Runs">
          {found.data?.runs.map((run) => (
            <Command.Item
              key={run.run_id}
              value={`run:${run.run_id}`}
              className={row}
              onSelect={then(() => void navigate({ to: "/runs/$runId", params: { runId: run.run_id } }))}
            >
              <StateIcon state={run.state} />
              <span className="min-w-0 flex-1 truncate">{run.title}</span>
              <Since at={run.updated_at} className="text-xs text-faint" />
            </Command.Item>
          ))}
        </Command.Group>
      </Command.List>
    </Command.Dialog>
  );
}

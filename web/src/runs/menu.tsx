import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Archive, ArchiveRestore, CircleStop, Copy, Ellipsis, ExternalLink, GitFork, Link2, RotateCw, Trash2 } from "lucide-react";
import { useState } from "react";
import { api, base, must, type Run } from "@/api/client";
import { useMay } from "@/shell/me";
import { IconButton } from "@/ui/button";
import { sure } from "@/ui/confirm";
import { copy } from "@/ui/copy";
import { Menu, type MenuItem } from "@/ui/menu";
import { toast } from "@/ui/toast";
import { retryable, useAgain } from "./again";
import { CancelRun, stoppable } from "./cancel";
import { isWorking } from "./state";

/** RunMenu is what can be done with a run from anywhere; gone is told when the run is no more. */
export function RunMenu({ run, gone }: { run: Run; gone?: () => void }) {
  const may = useMay();
  const [cancelling, setCancelling] = useState(false);
  const keep = useKeep(run, gone);
  const again = useAgain(run);
  const link = run.session_link ?? new URL(`runs/${run.run_id}`, base).href;
  const ended = !isWorking(run) && run.state !== "BLOCKED";
  const items: (MenuItem | null)[] = [
    { label: "Open in a new tab", icon: <ExternalLink />, act: () => void window.open(link, "_blank", "noopener") },
    { label: "Copy link", icon: <Link2 />, act: () => copy(link, "Link copied") },
    { label: "Copy run id", icon: <Copy />, act: () => copy(run.run_id, "Id copied") },
  ];
  if (may.create) items.push(null, { label: "Fork", icon: <GitFork />, act: () => again.mutate("fork") });
  if (may.steer && retryable(run)) items.push({ label: "Retry", icon: <RotateCw />, act: () => again.mutate("retry") });
  if (may.steer && stoppable(run)) items.push(null, { label: "Cancel run…", icon: <CircleStop />, danger: true, act: () => setCancelling(true) });
  if (may.steer && ended) {
    items.push(null, run.archived ? { label: "Fetch back", icon: <ArchiveRestore />, act: () => keep.mutate("unarchive") } : { label: "Archive", icon: <Archive />, act: () => keep.mutate("archive") });
    if (may.administer || run.creator?.uid === may.uid) {
      const question = { title: "Delete this run for ever?", text: "Its session, files and artifacts go, with those of the runs below it. What it cost stays known.", act: "Delete" };
      items.push({ label: "Delete…", icon: <Trash2 />, danger: true, act: () => void sure(question).then((yes) => yes && keep.mutate("delete")) });
    }
  }
  return (
    <>
      <Menu items={items}>
        <IconButton label="More" busy={keep.isPending || again.isPending}>
          <Ellipsis />
        </IconButton>
      </Menu>
      {cancelling && <CancelRun run={run} close={() => setCancelling(false)} />}
    </>
  );
}

type Act = "archive" | "unarchive" | "delete";

const done: Record<Act, string> = { archive: "Archived. Lists show it when asked for archived runs.", unarchive: "Fetched back", delete: "Deleted" };

/** useKeep puts a run away, fetches it back or deletes it. */
function useKeep(run: Run, gone?: () => void) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (act: Act) => {
      const params = { params: { path: { runId: run.run_id } } };
      if (act === "delete") return must(api.DELETE("/agent/runs/{runId}", params));
      return act === "archive" ? must(api.POST("/agent/runs/{runId}/archive", params)) : must(api.POST("/agent/runs/{runId}/unarchive", params));
    },
    onSuccess: (_, act) => {
      toast.ok(done[act]);
      void queries.invalidateQueries({ queryKey: ["runs"] });
      if (act === "delete") gone?.();
      else void queries.invalidateQueries({ queryKey: ["run", run.run_id] });
    },
    onError: (why) => toast.failed("That did not work", why),
  });
}

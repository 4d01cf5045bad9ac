import { ArrowUp, CircleStop, Hand } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import type { Run } from "@/api/client";
import { useInterrupt, useSend } from "@/runs/acts";
import { CancelRun, stoppable } from "@/runs/cancel";
import { harnessName } from "@/runs/row";
import { isWorking } from "@/runs/state";
import { useMay } from "@/shell/me";
import { Button, IconButton } from "@/ui/button";

/** drafts outlive the box: what was typed for a run is there when one comes back to it. */
const drafts = new Map<string, string>();

/** Steer is where a person talks to a run: at work, idling, or over. */
export function Steer({ run }: { run: Run }) {
  const may = useMay();
  const send = useSend();
  const interrupt = useInterrupt();
  const [cancelling, setCancelling] = useState(false);
  // Going on with another program's session takes a click, which prepares the box and starts nothing.
  const [going, setGoing] = useState(false);
  const [text, setText] = useState(drafts.get(run.run_id) ?? "");
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    drafts.set(run.run_id, text);
    const area = box.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${Math.min(area.scrollHeight, 240)}px`;
  }, [run.run_id, text]);
  const over = !isWorking(run) && run.state !== "BLOCKED" && !run.is_sandbox_running;
  const foreign = (run.agent_config?.harness?.type ?? "oz") !== "oz";
  if (!may.steer) return <p className="border-t px-5 py-3 text-center text-[13px] text-faint">{over ? "This run has ended." : "You can watch this run. Steering it takes a member of its team."}</p>;
  if (over && foreign && !going)
    return (
      <div className="flex items-center justify-center gap-3 border-t px-5 py-3 text-[13px] text-dim">
        {harnessName(run)} has ended.
        <Button small onClick={() => setGoing(true)}>
          Continue
        </Button>
      </div>
    );

  const submit = () => {
    const message = text.trim();
    if (!message || send.isPending) return;
    // An empty box is an invitation to type on; a failure gives the words back.
    setText("");
    send.mutate({ runId: run.run_id, message }, { onError: () => setText((now) => (now ? `${message}\n${now}` : message)) });
  };
  const atWork = run.state === "INPROGRESS";
  return (
    <form
      className="border-t bg-ground px-3 py-3 sm:px-5"
      onSubmit={(e) => {
        e.preventDefault();
        submit();
      }}
    >
      <div className="mx-auto flex max-w-3xl items-end gap-1.5 rounded-2xl border border-line bg-panel p-1.5 pl-3.5 focus-within:border-accent focus-within:ring-2 focus-within:ring-accent/25">
        <textarea
          ref={box}
          autoFocus={going}
          rows={1}
          aria-label="Message to the agent"
          value={text}
          onChange={(e) => setText(e.target.value)}
          onKeyDown={(e) => {
            if (e.key === "Enter" && !e.shiftKey && !e.nativeEvent.isComposing) {
              e.preventDefault();
              submit();
            }
          }}
          placeholder={placeholder(run)}
          className="max-h-60 min-h-8 flex-1 resize-none bg-transparent py-1.5 outline-none placeholder:text-faint"
        />
        {atWork && (
          <IconButton label="Interrupt: stop this turn, keep the run" onClick={() => interrupt.mutate(run.run_id)}>
            <Hand />
          </IconButton>
        )}
        {stoppable(run) && (
          <IconButton label="Cancel this run" onClick={() => setCancelling(true)}>
            <CircleStop />
          </IconButton>
        )}
        {cancelling && <CancelRun run={run} close={() => setCancelling(false)} />}
        <button type="submit" aria-label="Send" disabled={!text.trim() || send.isPending} className="inline-flex size-8 shrink-0 items-center justify-center rounded-xl bg-accent text-white disabled:opacity-40 dark:text-[#100d24]">
          <ArrowUp className="size-4.5" strokeWidth={2.4} />
        </button>
      </div>
    </form>
  );
}

function placeholder(run: Run): string {
  if (run.state === "QUEUED" || run.state === "PENDING" || run.state === "CLAIMED") return "Add something before it begins";
  if (run.state === "INPROGRESS") return "Steer the agent: it reads this between two steps";
  if (run.state === "BLOCKED") return "Answer above, or say what you want instead";
  return run.is_sandbox_running ? "Ask for more: its sandbox is still up" : "Continue: a fresh sandbox picks up where this one ended";
}

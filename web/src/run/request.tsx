import { CircleHelp, ListTodo, ShieldQuestion } from "lucide-react";
import { useState } from "react";
import { useAnswer } from "@/runs/acts";
import { useMay } from "@/shell/me";
import { Button } from "@/ui/button";
import { cx } from "@/ui/cx";
import { TextArea } from "@/ui/field";
import { harmless } from "./ansi";
import { Prose } from "./markdown";
import type { Answer, Request } from "./transcript";

const heads = {
  permission: { icon: ShieldQuestion, title: "Wants your permission" },
  question: { icon: CircleHelp, title: "Asks" },
  plan: { icon: ListTodo, title: "Proposes a plan" },
};

/** RequestCard is what an agent waits for a person to decide. Once answered it says who decided what. */
export function RequestCard({ runId, request, answer, over }: { runId: string; request: Request; answer?: Answer; over: boolean }) {
  const may = useMay();
  const { icon: Icon, title } = heads[request.kind];
  const open = !answer && !over;
  return (
    <section aria-label={title} className={cx("overflow-hidden rounded-xl border", open ? "border-wait/50 bg-wait-soft" : "bg-panel")}>
      <header className={cx("flex items-center gap-2 px-3.5 pt-3 text-[13px] font-medium", open ? "text-wait" : "text-dim")}>
        <Icon className="size-4" /> {title}
      </header>
      <div className="px-3.5 pt-1.5 pb-3.5">
        {request.kind === "permission" ? <Asked request={request} /> : <Prose text={request.prompt} />}
        {answer ? <Given answer={answer} /> : over ? <p className="mt-2 text-[13px] text-faint">The run went on without an answer.</p> : may.steer ? <Decide runId={runId} request={request} /> : <p className="mt-2 text-[13px] text-dim">Somebody who may steer this run has to answer.</p>}
      </div>
    </section>
  );
}

/** Asked shows exactly what would be done; the last line of the prompt names the rule that asks. */
function Asked({ request }: { request: Request }) {
  const command = request.input?.command;
  const rule = request.prompt.trim().split("\n").at(-1);
  return (
    <>
      <p className="text-dim">
        <code className="font-mono text-[13px] text-text">{request.action}</code>
      </p>
      <pre tabIndex={0} className="mt-1.5 max-h-60 overflow-auto rounded-lg border bg-ground px-3 py-2 font-mono text-[12.5px] whitespace-pre-wrap wrap-anywhere">
        {harmless(typeof command === "string" ? command : JSON.stringify(request.input, null, 2))}
      </pre>
      {rule?.startsWith("(") && <p className="mt-1 text-xs text-dim">{rule.slice(1, -1)}</p>}
    </>
  );
}

function Given({ answer }: { answer: Answer }) {
  const said = { allow: "Allowed", allow_always: "Allowed for the rest of the run", deny: "Denied" };
  return (
    <p className="mt-2 text-[13px] text-dim">
      {answer.decision ? said[answer.decision] : "Answered"}
      {answer.by?.display_name && ` by ${answer.by.display_name}`}
      {Boolean(answer.choices?.length) && <>: {answer.choices?.join(", ")}</>}
      {answer.text && <span className="mt-1 block whitespace-pre-wrap text-text">{answer.text}</span>}
    </p>
  );
}

function Decide({ runId, request }: { runId: string; request: Request }) {
  const answer = useAnswer();
  const [chosen, setChosen] = useState<string[]>([]);
  const [text, setText] = useState("");
  const note = text.trim() ? { text: text.trim() } : {};
  const give = (what: Parameters<typeof answer.mutate>[0]["answer"]) => answer.mutate({ runId, requestId: request.id, answer: what });
  const choose = (option: string) =>
    setChosen((before) => (before.includes(option) ? before.filter((o) => o !== option) : request.multiple ? [...before, option] : [option]));
  return (
    <div className="mt-3 space-y-3">
      {request.kind === "question" && Boolean(request.options?.length) && (
        <div role="group" aria-label="Options" className="flex flex-wrap gap-2">
          {request.options?.map((option) => (
            <button
              key={option}
              type="button"
              aria-pressed={chosen.includes(option)}
              onClick={() => choose(option)}
              className={cx("min-h-9 rounded-lg border px-3 py-1.5 text-left", chosen.includes(option) ? "border-accent bg-accent-soft text-accent-text" : "border-line bg-raised hover:border-strong")}
            >
              {option}
            </button>
          ))}
        </div>
      )}
      <TextArea
        rows={request.kind === "question" && !request.options?.length ? 3 : 1}
        aria-label={request.kind === "question" ? "Your answer" : "Note to the agent"}
        placeholder={request.kind === "question" ? "Your answer" : "A note to the agent, if you like"}
        value={text}
        onChange={(e) => setText(e.target.value)}
        maxLength={65_536}
      />
      <div className="flex flex-wrap gap-2">
        {request.kind === "question" ? (
          <Button look="primary" busy={answer.isPending} disabled={chosen.length === 0 && !text.trim()} onClick={() => give({ ...(chosen.length && { choices: chosen }), ...note })}>
            Answer
          </Button>
        ) : (
          <>
            <Button look="primary" busy={answer.isPending} onClick={() => give({ decision: "allow", ...note })}>
              {request.kind === "plan" ? "Approve plan" : "Allow once"}
            </Button>
            {request.kind === "permission" && (
              <Button busy={answer.isPending} onClick={() => give({ decision: "allow_always", ...note })}>
                Allow for this run
              </Button>
            )}
            <Button look="danger" busy={answer.isPending} onClick={() => give({ decision: "deny", ...note })}>
              {request.kind === "plan" ? "Send back" : "Deny"}
            </Button>
          </>
        )}
      </div>
    </div>
  );
}

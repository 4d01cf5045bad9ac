import { useSyncExternalStore } from "react";
import { Button } from "./button";
import { Dialog } from "./dialog";

interface Question {
  title: string;
  text: string;
  /** act is what the button says that goes on. */
  act: string;
}

let asked: (Question & { answer: (yes: boolean) => void }) | undefined;
const watchers = new Set<() => void>();

function publish(next: typeof asked) {
  asked = next;
  for (const tell of watchers) tell();
}

/** sure asks before something that cannot be taken back. */
export function sure(question: Question): Promise<boolean> {
  asked?.answer(false);
  return new Promise((answer) => publish({ ...question, answer }));
}

function answer(yes: boolean) {
  asked?.answer(yes);
  publish(undefined);
}

/** Confirm shows the question, once for the whole page. */
export function Confirm() {
  const now = useSyncExternalStore(
    (tell) => (watchers.add(tell), () => watchers.delete(tell)),
    () => asked,
  );
  if (!now) return null;
  return (
    <Dialog
      open
      onClose={() => answer(false)}
      title={now.title}
      footer={
        <>
          <Button look="quiet" onClick={() => answer(false)}>
            Keep it
          </Button>
          <Button look="danger" autoFocus onClick={() => answer(true)}>
            {now.act}
          </Button>
        </>
      }
    >
      <p className="text-dim">{now.text}</p>
    </Dialog>
  );
}

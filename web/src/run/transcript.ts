import type { RunState, Schema } from "@/api/client";

/** The data of entries, as api/entry.go defines it. */
type Author = Schema<"UserProfile">;
export interface ActionResult {
  action_id: string;
  key?: string;
  name: string;
  state: "running" | "completed" | "failed" | "denied";
  output: string;
  exit_code?: number;
  duration_ms?: number;
  blob?: string;
  omitted_bytes?: number;
  detail?: { diff?: string; path?: string; dir?: string; clipped?: boolean };
}
export interface Phase {
  name: string;
  state: "running" | "completed" | "failed";
  command?: string;
  output?: string;
  advice?: string;
  started_at: string;
  duration_ms?: number;
}
export interface PlanItem {
  title: string;
  description?: string;
  status: "pending" | "in_progress" | "completed";
}
export interface Request {
  id: string;
  kind: "permission" | "question" | "plan";
  prompt: string;
  action_id?: string;
  action?: string;
  input?: Record<string, unknown>;
  options?: string[];
  multiple?: boolean;
}
export interface Answer {
  request_id: string;
  decision?: Schema<"AnswerDecision">;
  choices?: string[];
  text?: string;
  by?: Author;
}

/** Item is one thing a transcript shows. seq is the entry it began with; items made of words still being
 * produced have none yet. */
export type Item = { id: string; seq?: number; at?: string } & (
  | { kind: "user"; text: string; author?: Author; attachments?: string[] }
  | { kind: "text" | "reasoning"; text: string; live: boolean }
  | { kind: "action"; name: string; category: string; input: Record<string, unknown>; result?: ActionResult; output: string }
  | { kind: "setup"; phases: Phase[] }
  | { kind: "request"; request: Request; answer?: Answer }
  | { kind: "artifact"; artifact: Schema<"ArtifactItem">; blob?: string }
  | { kind: "notice"; level: "info" | "warning" | "error"; text: string }
  | { kind: "state"; to: RunState; message?: string; code?: string }
  | { kind: "execution"; number: number; event: string; host?: string; reason?: string }
  | { kind: "compaction"; summary: string }
);

type Of<Kind extends Item["kind"]> = Extract<Item, { kind: Kind }>;

/** liveOutput bounds what is kept of an output while it streams; its entry brings the rest. */
const liveOutput = 64 << 10;

/**
 * Transcript turns entries and deltas into what is shown. An item is replaced, never changed, when
 * something happens to it, so that a row is drawn again only for news of its own. Entries may come twice
 * (a stream that resumed): what is there already is left alone.
 */
export class Transcript {
  readonly items: Item[] = [];
  plan: PlanItem[] = [];
  /** context is how many tokens the model had before it at its last call. */
  context = 0;
  /** first and last are the numbers of the entries read so far. */
  first = 0;
  last = 0;
  private entries: Schema<"Entry">[] = [];
  private readonly at = new Map<string, number>();

  /** add reads entries that follow what is there. */
  add(entries: Schema<"Entry">[]) {
    for (const entry of entries) {
      if (entry.seq <= this.last) continue;
      this.first ||= entry.seq;
      this.last = entry.seq;
      this.entries.push(entry);
      this.read(entry);
    }
  }

  /** before puts earlier entries in front, and returns how many items that made. All of it is read anew,
   * because a result, an answer or a phase may belong to something on the other side of the cut. */
  before(entries: Schema<"Entry">[]): number {
    const earlier = entries.filter((e) => e.seq < this.first);
    if (earlier.length === 0) return 0;
    const live = this.items.filter((i) => i.seq === undefined);
    const shown = this.items.length;
    const all = [...earlier, ...this.entries];
    this.entries = [];
    this.items.length = 0;
    this.at.clear();
    this.first = this.last = 0;
    this.add(all);
    for (const item of live) this.put(item);
    return this.items.length - shown;
  }

  /** hear takes a fragment of an entry still being produced. A fragment after a gap shows that words are
   * missing instead of joining what does not belong together. */
  hear(delta: Schema<"Delta">) {
    if (delta.kind === "output") return this.hearOutput(delta);
    const item = this.find<"text" | "reasoning">(delta.key);
    if (item && !item.live) return;
    const text = item?.text ?? "";
    this.put({ id: delta.key, kind: delta.kind, live: true, text: (bytes(text) < (delta.offset ?? 0) ? `${text} … ` : text) + delta.text });
  }

  /** hearOutput joins what a running command prints. Its key ends in the id of the action (docs/runs.md). */
  private hearOutput(delta: Schema<"Delta">) {
    const item = this.find<"action">(delta.key.slice(delta.key.indexOf(".") + 1));
    if (item && !item.result) this.put({ ...item, output: (item.output + delta.text).slice(-liveOutput) });
  }

  private read(entry: Schema<"Entry">) {
    const { seq, created_at: at } = entry;
    // The type decides the shape (docs/runs.md); the server has checked it.
    const d = entry.data as never as Record<string, never>;
    const id = `e${seq}`;
    switch (entry.type) {
      case "user_message":
        return this.put({ id, seq, at, kind: "user", ...pick(d, "text", "author", "attachments") });
      case "agent_message":
      case "agent_reasoning": {
        const kind = entry.type === "agent_message" ? "text" : "reasoning";
        if (!d.text) return this.drop(d.key);
        return this.put({ id: d.key ?? id, seq, at, kind, text: d.text, live: false });
      }
      case "action":
        return this.put({ id: d.id ?? id, seq, at, kind: "action", output: "", ...pick(d, "name", "category", "input") });
      case "action_result":
        return this.finish(d as unknown as ActionResult & { category: string }, seq, at);
      case "phase":
        return this.phase(d as unknown as Phase, seq, at);
      case "request":
        return this.put({ id: `r:${d.id}`, seq, at, kind: "request", request: d as unknown as Request });
      case "answer": {
        const asked = this.find<"request">(`r:${d.request_id}`);
        if (asked) this.put({ ...asked, answer: d as unknown as Answer });
        return;
      }
      case "plan":
        this.plan = d.items ?? [];
        return;
      case "usage":
        this.context = d.context_tokens ?? this.context;
        return;
      case "artifact":
        return this.put({ id, seq, at, kind: "artifact", artifact: d as unknown as Schema<"ArtifactItem">, blob: d.blob });
      case "notice":
        return this.put({ id, seq, at, kind: "notice", ...pick(d, "level", "text") });
      case "state":
        return this.put({ id, seq, at, kind: "state", message: d.message, code: d.error_code, ...pick(d, "to") });
      case "execution":
        return this.put({ id, seq, at, kind: "execution", ...pick(d, "number", "event", "host", "reason") });
      case "compaction":
        return this.put({ id, seq, at, kind: "compaction", ...pick(d, "summary") });
    }
  }

  private finish(result: ActionResult & { category: string }, seq: number, at: string) {
    const action = this.find<"action">(result.action_id);
    this.put(
      action
        ? { ...action, result, output: "" }
        : { id: result.action_id, seq, at, kind: "action", name: result.name, category: result.category, input: {}, output: "", result },
    );
  }

  /** phase gathers the steps of one start in one item, which later phases update. */
  private phase(phase: Phase, seq: number, at: string) {
    const lastPart = this.items.findLast((i) => i.kind === "setup" || i.kind === "execution");
    const group = lastPart?.kind === "setup" ? lastPart : undefined;
    if (!group) return this.put({ id: `s${seq}`, seq, at, kind: "setup", phases: [phase] });
    const phases = group.phases.slice();
    const known = phases.findIndex((p) => p.name === phase.name && p.started_at === phase.started_at);
    if (known >= 0) phases[known] = phase;
    else phases.push(phase);
    this.put({ ...group, phases });
  }

  private find<Kind extends Item["kind"]>(id: string): (Of<Kind> & Item) | undefined {
    const i = this.at.get(id);
    return i === undefined ? undefined : (this.items[i] as (Of<Kind> & Item) | undefined);
  }

  private put(item: Item) {
    const i = this.at.get(item.id);
    if (i !== undefined) {
      this.items[i] = item;
      return;
    }
    this.at.set(item.id, this.items.length);
    this.items.push(item);
  }

  private drop(id: string | undefined) {
    const i = id === undefined ? undefined : this.at.get(id);
    if (i === undefined) return;
    this.items.splice(i, 1);
    this.index();
  }

  private index() {
    this.at.clear();
    for (const [i, item] of this.items.entries()) this.at.set(item.id, i);
  }
}

function pick<Key extends string>(from: Record<string, never>, ...keys: Key[]): Record<Key, never> {
  return Object.fromEntries(keys.map((key) => [key, from[key]])) as Record<Key, never>;
}

const encoder = new TextEncoder();
const bytes = (text: string) => encoder.encode(text).length;

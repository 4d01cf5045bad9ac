import { expect, test } from "vitest";
import type { Schema } from "@/api/client";
import { Transcript } from "./transcript";

type Entry = Schema<"Entry">;

const entry = (seq: number, type: Entry["type"], data: object): Entry => ({ seq, type, data, created_at: "2026-01-01T00:00:00Z", execution: 1 }) as Entry;

const record = [
  entry(1, "user_message", { text: "go", author: { display_name: "Ada" } }),
  entry(2, "phase", { name: "clone", state: "running", started_at: "t1" }),
  entry(3, "phase", { name: "clone", state: "completed", started_at: "t1", duration_ms: 5 }),
  entry(4, "phase", { name: "set up", state: "completed", started_at: "t2" }),
  entry(5, "agent_message", { key: "k1", text: "Looking." }),
  entry(6, "action", { id: "a1", category: "command", name: "bash", input: { command: "ls" } }),
  entry(7, "action_result", { action_id: "a1", name: "bash", category: "command", state: "completed", output: "x\n" }),
  entry(8, "request", { id: "q1", kind: "question", prompt: "Which?" }),
  entry(9, "answer", { request_id: "q1", choices: ["b"] }),
  entry(10, "plan", { items: [{ title: "one", status: "completed" }] }),
  entry(11, "state", { from: "INPROGRESS", to: "SUCCEEDED" }),
];

const kinds = (t: Transcript) => t.items.map((i) => i.kind);

test("entries become items, and what belongs together is one item", () => {
  const t = new Transcript();
  t.add(record);
  expect(kinds(t)).toEqual(["user", "setup", "text", "action", "request", "state"]);
  expect(t.items[1]).toMatchObject({ phases: [{ name: "clone", state: "completed" }, { name: "set up" }] });
  expect(t.items[3]).toMatchObject({ result: { output: "x\n" } });
  expect(t.items[4]).toMatchObject({ answer: { choices: ["b"] } });
  expect(t.plan).toHaveLength(1);
});

test("a resumed stream repeats nothing", () => {
  const t = new Transcript();
  t.add(record.slice(0, 7));
  const before = [...t.items];
  t.add(record.slice(0, 7));
  expect(t.items).toEqual(before);
  t.add(record);
  expect(t.last).toBe(11);
});

test("an item is replaced when something happens to it, and only then", () => {
  const t = new Transcript();
  t.add(record.slice(0, 6));
  const before = [...t.items];
  t.add(record.slice(6, 7));
  expect(t.items.map((item, i) => item === before[i])).toEqual([true, true, true, false]);
});

test("words appear as they come, and their entry takes their place", () => {
  const t = new Transcript();
  t.add(record.slice(0, 4));
  t.hear({ key: "k1", kind: "text", offset: 0, text: "Look" });
  t.hear({ key: "k1", kind: "text", offset: 4, text: "ing" });
  expect(t.items.at(-1)).toMatchObject({ kind: "text", text: "Looking", live: true });
  t.add(record.slice(4, 5));
  expect(t.items.at(-1)).toMatchObject({ text: "Looking.", live: false });
  expect(t.items).toHaveLength(3);
  t.hear({ key: "k1", kind: "text", offset: 7, text: "late" });
  expect(t.items.at(-1)).toMatchObject({ text: "Looking." });
});

test("a gap in the words is shown, not hidden", () => {
  const t = new Transcript();
  t.hear({ key: "k", kind: "text", offset: 0, text: "ä" });
  t.hear({ key: "k", kind: "text", offset: 2, text: "b" });
  expect(t.items.at(-1)).toMatchObject({ text: "äb" });
  t.hear({ key: "k", kind: "text", offset: 99, text: "c" });
  expect(t.items.at(-1)).toMatchObject({ text: expect.stringContaining("…") });
});

test("output streams into the action it belongs to", () => {
  const t = new Transcript();
  t.add(record.slice(0, 6));
  t.hear({ key: "e1.a1", kind: "output", offset: 0, text: "line\n" });
  t.hear({ key: "e1.other", kind: "output", offset: 0, text: "lost\n" });
  expect(t.items.at(-1)).toMatchObject({ output: "line\n" });
  t.add(record.slice(6, 7));
  expect(t.items.at(-1)).toMatchObject({ output: "", result: { output: "x\n" } });
});

test("earlier entries join in front, results find their actions", () => {
  for (let from = 1; from < record.length; from++) {
    const whole = new Transcript();
    whole.add(record);
    const t = new Transcript();
    t.first = from + 1;
    t.last = from;
    t.add(record.slice(from));
    t.before(record.slice(0, from));
    expect(t.items, `cut after ${from}`).toEqual(whole.items);
  }
});

test("what this page does not know is left out", () => {
  const t = new Transcript();
  t.add([entry(1, "telepathy" as never, { text: "?" }), entry(2, "notice", { level: "info", text: "n" })]);
  expect(kinds(t)).toEqual(["notice"]);
});

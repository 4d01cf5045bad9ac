import { expect, test } from "vitest";
import type { Run } from "@/api/client";
import { isNarrow, query, readFilter } from "./filter";
import { matches, mergePages } from "./queries";
import { aggregate, branches } from "./tree";

const run = (id: string, more: Partial<Run> = {}): Run =>
  ({ run_id: id, task_id: id, title: id, prompt: "", state: "INPROGRESS", created_at: "2026-01-02T00:00:00Z", updated_at: "2026-01-02T00:00:00Z", is_sandbox_running: true, is_run_type_cancellable: true, artifacts: [], ...more }) as Run;

test("children stand under their parent, open or not, and strangers' children by themselves", () => {
  const list = [run("c1", { parent_run_id: "p" }), run("p"), run("g", { parent_run_id: "c1" }), run("x", { parent_run_id: "not loaded" })];
  expect(branches(list, new Set()).map((b) => b.run.run_id)).toEqual(["p", "x"]);
  const open = branches(list, new Set(["p", "c1"]));
  expect(open.map((b) => [b.run.run_id, b.depth])).toEqual([["p", 0], ["c1", 1], ["g", 2], ["x", 0]]);
});

test("a family that is its own parent does not end the page", () => {
  const list = [run("a", { parent_run_id: "a" }), run("b")];
  expect(branches(list, new Set(["a", "b"])).map((b) => b.run.run_id)).toEqual(["a", "b"]);
});

test("a tree shows work first, then what needs a person, then what failed", () => {
  const state = (...states: Run["state"][]) => aggregate(states.map((s) => ({ state: s })));
  expect(state()).toBeUndefined();
  expect(state("BLOCKED", "QUEUED", "FAILED")).toBe("INPROGRESS");
  expect(state("BLOCKED", "FAILED")).toBe("BLOCKED");
  expect(state("SUCCEEDED", "ERROR")).toBe("FAILED");
  expect(state("SUCCEEDED", "CANCELLED")).toBe("CANCELLED");
  expect(state("SUCCEEDED")).toBe("SUCCEEDED");
});

test("an address is read whoever wrote it", () => {
  expect(readFilter({ show: "mine", q: 42, created: "3d", sort: "title", state: "FAILED", evil: "<script>" })).toEqual({ show: "mine", q: "42", created: "3d", sort: "title", state: "FAILED" });
  expect(readFilter({ show: "nope", created: "1y", sort: {}, q: ["a"] })).toEqual({});
  expect(isNarrow({ sort: "title" })).toBe(false);
  expect(isNarrow({ q: "x" })).toBe(true);
});

test("a filter becomes the API's query", () => {
  const now = Date.parse("2026-01-10T10:20:30Z");
  expect(query({ show: "mine" }, "u1", now)).toEqual({ creator: "u1" });
  expect(query({ show: "failed" }, "u1", now)).toEqual({ state: ["FAILED", "ERROR", "BLOCKED"] });
  expect(query({ created: "24h", sort: "title" }, "u1", now)).toEqual({ created_after: "2026-01-09T10:00:00.000Z", sort_by: "title", sort_order: "asc" });
});

const page = (...runs: Run[]) => ({ runs, page_info: { has_next_page: false } });

test("a changed run takes its place, a new one comes first, one that no longer fits goes", () => {
  const pages = [page(run("a"), run("b")), page(run("c"))];
  const ids = (p: typeof pages) => p.map((each) => each.runs.map((r) => r.run_id));
  expect(ids(mergePages(pages, run("c", { title: "new" }), {}))).toEqual([["a", "b"], ["c"]]);
  expect(ids(mergePages(pages, run("d"), {}))).toEqual([["d", "a", "b"], ["c"]]);
  expect(ids(mergePages(pages, run("b", { state: "FAILED" }), { state: ["INPROGRESS"] }))).toEqual([["a"], ["c"]]);
  expect(ids(mergePages(pages, run("d"), { q: "other" }))).toEqual([["a", "b"], ["c"]]);
});

test("a list's filters are known to the page", () => {
  const r = run("r", { title: "Fix the Build", source: "API", artifacts: [{ artifact_type: "FILE", created_at: "", data: {} } as never] });
  expect(matches(r, { q: "build FIX" })).toBe(true);
  expect(matches(r, { q: "deploy" })).toBe(false);
  expect(matches(r, { environment_id: "empty-environment", artifact_type: "FILE", source: "API" })).toBe(true);
  expect(matches(r, { created_after: "2026-02-01T00:00:00Z" })).toBe(false);
});

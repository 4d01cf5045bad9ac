import { expect, test } from "vitest";
import type { Run } from "@/api/client";
import { notice, type Wishes } from "./notice";

const run = (state: Run["state"], more: Partial<Run> = {}) => ({ run_id: "r", title: "t", state, creator: { uid: "me" }, artifacts: [], ...more }) as unknown as Run;
const all: Wishes = { kinds: ["request", "complete", "error"], everybody: false };

test("ends and requests are told, once", () => {
  expect(notice("INPROGRESS", run("SUCCEEDED"), "me", all)?.kind).toBe("complete");
  expect(notice("INPROGRESS", run("ERROR"), "me", all)?.kind).toBe("error");
  expect(notice("INPROGRESS", run("BLOCKED"), "me", all)?.kind).toBe("request");
  expect(notice("SUCCEEDED", run("SUCCEEDED"), "me", all)).toBeUndefined();
  expect(notice("FAILED", run("ERROR"), "me", all)).toBeUndefined();
});

test("waiting, resuming and what was never seen at work are no news", () => {
  for (const state of ["QUEUED", "PENDING", "CLAIMED", "INPROGRESS", "CANCELLED"] as const) expect(notice("BLOCKED", run(state), "me", all)).toBeUndefined();
  expect(notice(undefined, run("SUCCEEDED"), "me", all)).toBeUndefined();
});

test("one hears of one's own runs, and of children only when they need somebody", () => {
  expect(notice("INPROGRESS", run("SUCCEEDED"), "you", all)).toBeUndefined();
  expect(notice("INPROGRESS", run("SUCCEEDED"), "you", { ...all, everybody: true })?.kind).toBe("complete");
  expect(notice("INPROGRESS", run("FAILED", { parent_run_id: "p" }), "me", all)).toBeUndefined();
  expect(notice("INPROGRESS", run("BLOCKED", { parent_run_id: "p" }), "me", all)?.kind).toBe("request");
  expect(notice("INPROGRESS", run("SUCCEEDED"), "me", { kinds: ["error"], everybody: false })).toBeUndefined();
});

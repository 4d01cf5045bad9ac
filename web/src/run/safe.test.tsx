import { render } from "@testing-library/react";
import { expect, test } from "vitest";
import { Ansi, harmless } from "./ansi";
import { parseDiff } from "./diff";
import { Rich } from "./rich";

test("an agent's Markdown makes no elements of its own and no request", () => {
  const { container } = render(
    <Rich text={'<script>alert(1)</script>\n\ntext <img src=x onerror=alert(1)> ![p](http://evil.example/p.png) [a](javascript:alert(1)) [b](data:text/html,x) [c](https://ok.example/) <iframe src="x">'} />,
  );
  expect(container.querySelector("script, img, iframe")).toBeNull();
  const links = [...container.querySelectorAll("a")];
  expect(links.map((a) => a.getAttribute("href"))).toEqual(["https://ok.example/"]);
  expect(links[0]?.rel).toContain("noopener");
});

test("a program's output keeps its colours and nothing else a terminal obeys", () => {
  const { container } = render(<Ansi text={"\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b[2J\x1b[10;10Hplain\x1b]8;;http://evil\x07link\x1b]8;;\x07 50%\r100%\n<b>x</b>"} />);
  expect(container.textContent).toBe("100%\n<b>x</b>");
  expect(container.querySelector("b, a")).toBeNull();
});

test("marks that reorder text are made visible", () => {
  expect(harmless("user\u202etxt.exe")).toBe("user\uFFFDtxt.exe");
  expect(harmless("\x1b[1mok\x1b[0m\ttab\x07")).toBe("\x1b[1mok\x1b[0m\ttab");
});

test("a diff knows its line numbers", () => {
  const lines = parseDiff("--- a/f\n+++ b/f\n@@ -3,2 +3,3 @@\n same\n-old\n+new\n+more\n\\ No newline at end of file\n");
  expect(lines.map((l) => [l.kind, l.before, l.after, l.text])).toEqual([
    ["hunk", undefined, undefined, "@@ -3,2 +3,3 @@"],
    ["same", 3, 3, "same"],
    ["remove", 4, undefined, "old"],
    ["add", undefined, 4, "new"],
    ["add", undefined, 5, "more"],
  ]);
});

import { expect, test } from "vitest";
import { bytes, count, dollars, duration, lasted, since } from "./format";

test("times are as short as they can be", () => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  const ago = (ms: number) => since(new Date(now - ms).toISOString(), now);
  expect([ago(0), ago(-5000), ago(42_000), ago(5 * 60_000), ago(5 * 3_600_000), ago(3 * 86_400_000)]).toEqual(["now", "now", "42s", "5m", "5h", "3d"]);
  expect([lasted(12), lasted(4200), lasted(59_900), lasted(187_000), lasted(7_500_000)]).toEqual(["12ms", "4.2s", "59s", "3m 07s", "2h 05m"]);
  expect([duration("PT2M30S"), duration("PT1H"), duration("PT0.25S"), duration(undefined), duration("P1D")]).toEqual([150_000, 3_600_000, 250, 0, 0]);
});

test("costs and sizes say no more than is known", () => {
  expect([dollars(0), dollars(0.00042), dollars(1.005), dollars(1234.5)]).toEqual(["$0", "$0.0004", "$1.00", "$1,235"]);
  expect([count(999), count(12_345), count(1_250_000)]).toEqual(["999", "12.3k", "1.3M"]);
  expect([bytes(10), bytes(2048), bytes(5 << 20)]).toEqual(["10 B", "2.0 KiB", "5.0 MiB"]);
});

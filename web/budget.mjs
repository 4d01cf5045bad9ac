// What a browser loads before a page shows, held against the budget of DESIGN.md. Run after a build.
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** budget is how much JavaScript any page may need at first, in bytes as gzip sends them. */
const budget = 200 * 1024;

const dist = new URL("./dist/", import.meta.url);
const read = (name) => readFileSync(new URL(name, dist), "utf8");
const sizes = new Map(readdirSync(new URL("assets/", dist)).filter((f) => f.endsWith(".js")).map((f) => [f, gzipSync(read("assets/" + f)).length]));

/** closure adds a chunk and everything it imports before it runs. */
function closure(name, into = new Set()) {
  if (into.has(name) || !sizes.has(name)) return into;
  into.add(name);
  for (const [, next] of read("assets/" + name).matchAll(/(?:\bfrom|\bimport)\s*["']\.\/([\w.~-]+\.js)["']/g)) closure(next, into);
  return into;
}

const total = (names) => [...names].reduce((sum, name) => sum + sizes.get(name), 0);
const entry = /<script type="module"[^>]*src="\.\/assets\/([^"]+)"/.exec(read("index.html"))?.[1];
if (!entry) throw new Error("dist/index.html has no entry: build first");
const shell = closure(entry);
const pages = [...read("assets/" + entry).matchAll(/\bimport\(\s*[`"']\.\/([\w.~-]+\.js)[`"']\s*\)/g)].map(([, name]) => [name, total(closure(name, new Set(shell)))]);
if (pages.length < 5) throw new Error(`only ${pages.length} pages were found in ${entry}: does this script still understand the build?`);
const [name, most] = pages.sort((a, b) => b[1] - a[1])[0];
const kib = (n) => (n / 1024).toFixed(1) + " KiB";
console.log(`initial JavaScript, gzip: ${kib(total(shell))} for every page, ${kib(most)} with the largest (${name}); budget ${kib(budget)}`);
if (most > budget) process.exit(1);

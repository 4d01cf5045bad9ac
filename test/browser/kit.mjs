// What the browser tests share: a real `cadre up`, and the Chromium that is installed, which is never
// downloaded. A page is watched from its first byte: see open.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

/** CADRE_BIN tries another program than the one `make build` made. */
const cadre = process.env.CADRE_BIN ?? join(import.meta.dirname, '../../bin/cadre');
const shots = join(import.meta.dirname, 'shots');

/** The widths every page is looked at with: a desk and a telephone. */
export const sizes = { wide: { width: 1440, height: 900 }, narrow: { width: 390, height: 844 } };

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const s = createServer().once('error', reject);
    s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
  });
}

/** Repeats an attempt until it yields something, or fails after a minute. */
export async function until(what, attempt) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const got = await attempt();
    if (got) return got;
    if (Date.now() > deadline) throw new Error('waited a minute for ' + what);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** A server with an empty data directory, or one with made-up runs of a year. */
export async function startServer({ runs = 0 } = {}) {
  const data = mkdtempSync(join(tmpdir(), 'cadre-browser-'));
  let key = 'wk-1.' + 'ab'.repeat(32);
  if (runs) {
    execFileSync(cadre, ['dev', 'seed', '--data', data, '--runs', String(runs)], { stdio: 'ignore' });
    key = readFileSync(join(data, 'admin.key'), 'utf8').trim();
  }
  const url = `http://127.0.0.1:${await freePort()}`;
  const server = spawn(cadre, ['up', '--listen', url.slice('http://'.length), '--data', data], {
    env: { PATH: process.env.PATH, HOME: data, CADRE_BOOTSTRAP_API_KEY: key }, stdio: ['ignore', 'ignore', 'inherit'],
  });
  let gone;
  const exited = new Promise((resolve) => {
    server.once('error', (e) => resolve(gone = e)).once('exit', (code) => resolve(gone = new Error('the server ended with ' + code)));
  });
  const stop = async () => {
    server.kill('SIGTERM');
    await exited;
    rmSync(data, { recursive: true, force: true });
  };
  const api = async (path, body, as = key) => {
    const rsp = await fetch(url + '/api/v1' + path, {
      method: body ? 'POST' : 'GET', body: body && JSON.stringify(body),
      headers: { authorization: 'Bearer ' + as, 'content-type': 'application/json' },
    });
    const text = await rsp.text();
    assert.ok(rsp.ok, `${path}: ${rsp.status} ${text.slice(0, 300)}`);
    return text && JSON.parse(text);
  };
  await until('the server', () => {
    if (gone) throw gone;
    return fetch(url + '/readyz').then((r) => r.ok, () => false);
  });
  return { url, key, api, stop };
}

/** Carries a run out and returns how it ended. turns are played by the scripted model. */
export async function run(server, request, ...turns) {
  const { run_id } = await server.api('/agent/runs', { ...request, prompt: scripted(request.prompt, ...turns) });
  return until('the end of ' + run_id, async () => {
    const r = await server.api('/agent/runs/' + run_id);
    return ['SUCCEEDED', 'FAILED', 'ERROR', 'BLOCKED', 'CANCELLED'].includes(r.state) && r;
  });
}

/** The text of a prompt that the scripted model plays turns for. */
export const scripted = (prompt, ...turns) => prompt + '\n```scripted\n' + JSON.stringify({ turns }) + '\n```';

/** A run of which the test itself is the runner: it says entries, and words that are still being spoken. */
export async function ownRun(server, request) {
  const { run_id, run_token } = await server.api('/agent/local-runs', request);
  await server.api('/runner/start', {}, run_token);
  await server.api('/runner/entries', { first_index: 0, entries: [], report: { state: 'INPROGRESS' } }, run_token);
  let told = 0;
  return {
    run_id,
    async say(entries, state) {
      for (const batch of batches(entries)) {
        await server.api('/runner/entries', { first_index: told, entries: batch, ...(state && batch.at(-1) === entries.at(-1) && { report: { state } }) }, run_token);
        told += batch.length;
      }
    },
    speak: (key, offset, text) => server.api('/runner/deltas', { deltas: [{ key, kind: 'text', offset, text }] }, run_token),
  };
}

/** Entries in as many calls as the server's bounds ask for. */
function* batches(entries) {
  let batch = [], size = 0;
  for (const e of entries) {
    const bytes = e.data.output?.length ?? 500;
    if (batch.length === 256 || size + bytes > 2 << 20) { yield batch; batch = []; size = 0; }
    batch.push(e);
    size += bytes;
  }
  if (batch.length) yield batch;
}

/** A command and what it printed, as two entries. */
export const command = (id, input, output) => [
  { type: 'action', data: { id, turn: 1, category: 'command', name: 'bash', input: { command: input } } },
  { type: 'action_result', data: { action_id: id, category: 'command', name: 'bash', state: 'completed', output, exit_code: 0 } },
];

/** Where Chromium is on the PATH. */
function executable() {
  for (const dir of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      try {
        accessSync(join(dir, name), constants.X_OK);
        return join(dir, name);
      } catch { /* not here */ }
    }
  }
  throw new Error('no Chromium on the PATH: install the package chromium');
}

/** A browser with a profile of its own that calls nobody but the pages' servers. */
export function startBrowser() {
  return chromium.launch({
    executablePath: executable(), headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** The state of a browser in which the server's first admin is signed in, by a one-time link. */
export async function signIn(browser, server) {
  const me = await server.api('/whoami');
  const { url } = await server.api(`/users/${me.uid}/sign-in-link`, {});
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(url);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL(server.url + '/');
    return await context.storageState();
  } finally {
    await context.close();
  }
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What a page does that keeps people out who cannot see it, or cannot use a mouse. */
async function barriers(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  return violations.map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
}

/**
 * Opens a page and fails for whatever is wrong with it: an error or a refusal on its console, a script
 * that threw, a dialog, a request to anywhere but the server, a document without a policy that keeps
 * foreign scripts out, one wider than the window, or one that axe finds barriers on. look may look
 * further; a picture is kept. options are those of a browser context.
 */
export async function open(browser, server, path, name, look = async () => {}, options = {}) {
  for (const [size, viewport] of Object.entries(sizes)) {
    const context = await browser.newContext({ viewport, serviceWorkers: 'block', reducedMotion: 'reduce', ...options });
    try {
      const page = await context.newPage();
      const wrong = watch(page, server);
      const answer = await page.goto(server.url + path, { waitUntil: 'load' });
      const policy = answer.headers()['content-security-policy'] ?? '';
      assert.match(policy, /default-src 'none'/, `${path}: policy`);
      assert.doesNotMatch(policy, /unsafe-(inline|eval)|\*/, `${path}: policy`);
      await until(`${path} to show something`, async () => (await page.innerText('body')).trim().length > 20);
      await look(page, size);
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1), false, `${path} is wider than ${viewport.width} px`);
      mkdirSync(shots, { recursive: true });
      await page.screenshot({ path: join(shots, `${name}-${viewport.width}.png`) });
      assert.deepEqual([...wrong, ...(await barriers(page))], [], `${path} at ${viewport.width} px`);
    } finally {
      await context.close();
    }
  }
}

/** Collects what goes wrong on a page from now on. */
export function watch(page, server) {
  const wrong = [];
  page.on('console', (m) => m.type() === 'error' && wrong.push('console: ' + m.text()));
  page.on('pageerror', (e) => wrong.push('threw: ' + e.message));
  page.on('dialog', (d) => { wrong.push('dialog: ' + d.message()); return d.dismiss(); });
  page.on('request', (r) => r.url().startsWith(server.url + '/') || /^(data|blob):/.test(r.url()) || wrong.push('asks ' + r.url()));
  return wrong;
}

// A real `cadre up` with the official TypeScript SDK on it, for one file of tests.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import OzAPI from 'oz-agent-sdk';

const program = process.env.CADRE_PROGRAM ?? join(import.meta.dirname, '../../bin/cadre');

export const key = 'wk-1.' + 'ab'.repeat(32);

/** What a file's tests work with, once `serve` was called and its hook has run. */
export const world = { root: '', baseURL: '', client: null };

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const s = createServer().once('error', reject);
    s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
  });
}

/** Starts a server before the file's tests and ends it after them. */
export function serve() {
  const data = mkdtempSync(join(tmpdir(), 'cadre-sdk-'));
  let server;
  before(async () => {
    const port = await freePort();
    server = spawn(program, ['up', '--listen', `127.0.0.1:${port}`, '--data', data], {
      env: { PATH: process.env.PATH, HOME: data, CADRE_BOOTSTRAP_API_KEY: key },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    world.root = `http://127.0.0.1:${port}`;
    await until('the server', () => fetch(world.root + '/readyz').then((r) => r.ok, () => false));
    world.baseURL = world.root + '/api/v1';
    world.client = new OzAPI({ baseURL: world.baseURL, apiKey: key });
  });
  after(async () => {
    const gone = new Promise((r) => server.once('exit', r));
    server.kill('SIGTERM');
    await gone;
    rmSync(data, { recursive: true, force: true });
  });
}

/** Repeats an attempt until it yields something, or fails the test after a minute. */
export async function until(what, attempt) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const got = await attempt();
    if (got) return got;
    if (Date.now() > deadline) throw new Error('waited a minute for ' + what);
    await new Promise((r) => setTimeout(r, 50));
  }
}

/** The states in which clients of the reference stop polling. */
export const terminal = new Set(['SUCCEEDED', 'FAILED', 'ERROR', 'BLOCKED', 'CANCELLED']);

/** Waits until a run has ended. */
export const ended = (id) => until('the end of ' + id, async () => {
  const run = await world.client.agent.runs.retrieve(id);
  return terminal.has(run.state) && run;
});

/** A prompt whose turns the scripted model plays. */
export const script = (...turns) => '```scripted\n' + JSON.stringify({ turns }) + '\n```';

/** A tool call of a turn. */
export const call = (name, input) => ({ tool_calls: [{ name, input }] });

/** A client that counts what it sends, with the number of retries each request claims. */
export function counting(options = {}) {
  const sent = [];
  const client = new OzAPI({
    baseURL: world.baseURL, apiKey: key, ...options,
    fetch: (url, init) => {
      sent.push(Number(new Headers(init.headers).get('x-stainless-retry-count')));
      return fetch(url, init);
    },
  });
  return { client, sent };
}

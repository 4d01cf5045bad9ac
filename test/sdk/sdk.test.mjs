// The official TypeScript SDK, unmodified, drives a real `cadre up`: what it calls must answer as its
// types say, retry as its transport does and fail with its error classes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import OzAPI, { AuthenticationError, BadRequestError, ConflictError, NotFoundError } from 'oz-agent-sdk';

const cadre = join(import.meta.dirname, '../../bin/cadre');
const key = 'wk-1.' + 'ab'.repeat(32);
const data = mkdtempSync(join(tmpdir(), 'cadre-sdk-'));
let server, baseURL, client;

/** A port that was free a moment ago. */
function freePort() {
  return new Promise((resolve, reject) => {
    const s = createServer().once('error', reject);
    s.listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)); });
  });
}

/** Repeats an attempt until it yields something, or fails the test after a minute. */
async function until(what, attempt) {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const got = await attempt();
    if (got) return got;
    if (Date.now() > deadline) throw new Error('waited a minute for ' + what);
    await new Promise((r) => setTimeout(r, 50));
  }
}

const terminal = new Set(['SUCCEEDED', 'FAILED', 'ERROR', 'BLOCKED', 'CANCELLED']);
const ended = (id) => until('the end of ' + id, async () => {
  const run = await client.agent.runs.retrieve(id);
  return terminal.has(run.state) && run;
});

/** A prompt whose turns the scripted model plays. */
const script = (...turns) => '```scripted\n' + JSON.stringify({ turns }) + '\n```';

before(async () => {
  const port = await freePort();
  server = spawn(cadre, ['up', '--listen', `127.0.0.1:${port}`, '--data', data], {
    env: { PATH: process.env.PATH, HOME: data, CADRE_BOOTSTRAP_API_KEY: key },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await until('the server', () => fetch(`http://127.0.0.1:${port}/readyz`).then((r) => r.ok, () => false));
  baseURL = `http://127.0.0.1:${port}/api/v1`;
  client = new OzAPI({ baseURL, apiKey: key });
});

after(async () => {
  const gone = new Promise((r) => server.once('exit', r));
  server.kill('SIGTERM');
  await gone;
  rmSync(data, { recursive: true, force: true });
});

test('a run from prompt to result', async () => {
  const started = await client.agent.run({
    prompt: 'Say where you are.\n' + script(
      { text: 'I look.', tool_calls: [{ name: 'bash', input: { command: 'echo run=$OZ_RUN_ID' } }] },
      { text: 'Done.' },
    ),
    title: 'SDK run',
    config: { name: 'sdk' },
  });
  assert.equal(started.run_id, started.task_id);
  assert.equal(started.state, 'QUEUED');
  const run = await ended(started.run_id);
  assert.equal(run.state, 'SUCCEEDED', run.status_message?.message);
  assert.equal(run.title, 'SDK run');
  assert.equal(run.source, 'API');
  assert.ok(Array.isArray(run.artifacts));
  assert.ok(run.session_link.endsWith('/runs/' + run.run_id));
  assert.ok(run.request_usage);

  const conversation = await client.get(`/agent/runs/${run.run_id}/conversation`);
  const blocks = conversation.steps.flatMap((s) => s.messages.flatMap((m) => m.content));
  const result = blocks.find((b) => b.type === 'action_result');
  assert.ok(JSON.stringify(result.output).includes('run=' + run.run_id));
});

test('lists page through every run once', async () => {
  const ids = new Set();
  for (let i = 0; i < 5; i++) {
    const r = await client.agent.run({ prompt: 'Page.\n' + script({ text: 'ok' }), config: { name: 'paged' } });
    ids.add(r.run_id);
  }
  for (const id of ids) await ended(id);
  const seen = [];
  let cursor;
  do {
    const page = await client.agent.runs.list({ limit: 2, ...(cursor && { cursor }) });
    seen.push(...page.runs.map((r) => r.run_id));
    cursor = page.page_info.has_next_page ? page.page_info.next_cursor : undefined;
  } while (cursor);
  assert.equal(new Set(seen).size, seen.length, 'a run was listed twice');
  for (const id of ids) assert.ok(seen.includes(id));
  const done = await client.agent.runs.list({ state: ['SUCCEEDED', 'FAILED'] });
  assert.ok(done.runs.length > 0 && done.runs.every((r) => ['SUCCEEDED', 'FAILED'].includes(r.state)));
});

test('cancel answers with the run id and ends the run', async () => {
  const { run_id } = await client.agent.run({
    prompt: 'Wait.\n' + script({ tool_calls: [{ name: 'bash', input: { command: 'sleep 300' } }] }, { text: 'no' }),
  });
  await until('work', async () => (await client.agent.runs.retrieve(run_id)).state === 'INPROGRESS');
  assert.equal(await client.agent.runs.cancel(run_id), run_id);
  assert.equal((await ended(run_id)).state, 'CANCELLED');
  await assert.rejects(client.agent.runs.cancel(run_id), BadRequestError);
});

test('a run for a host nobody serves waits and says so', async () => {
  const { run_id } = await client.agent.run({ prompt: 'Wait.', config: { worker_host: 'nobody' } });
  const run = await until('the reason', async () => {
    const r = await client.agent.runs.retrieve(run_id);
    return r.waiting?.code === 'no_worker' && r;
  });
  assert.equal(run.state, 'QUEUED');
  assert.match(run.waiting.message, /nobody/);
  assert.equal(await client.agent.runs.cancel(run_id), run_id);
});

test('an ended run takes a follow-up', async () => {
  const { run_id } = await client.agent.run({ prompt: 'First.\n' + script({ text: 'one' }, { text: 'two' }) });
  await ended(run_id);
  await client.post(`/agent/runs/${run_id}/followups`, { body: { message: 'And again.' } });
  const text = await until('the second answer', async () => {
    const c = await client.get(`/agent/runs/${run_id}/conversation`);
    const all = JSON.stringify(c);
    return all.includes('And again.') && all.includes('two') && all;
  });
  assert.ok(text);
});

test('errors arrive as the classes of the SDK', async () => {
  const quick = client.withOptions({ maxRetries: 0 });
  await assert.rejects(quick.agent.run({}), BadRequestError);
  await assert.rejects(quick.agent.runs.retrieve('00000000-0000-4000-8000-000000000000'), NotFoundError);
  await assert.rejects(quick.agent.runs.list({ limit: 0 }), BadRequestError);
  await assert.rejects(quick.get('/_stainless_unknown_path'), NotFoundError);
  await assert.rejects(new OzAPI({ baseURL, apiKey: 'wk-1.no', maxRetries: 0 }).agent.runs.list(), AuthenticationError);
  assert.ok(ConflictError); // exported by the SDK for the 409 of a PENDING run, which no client can time
});

test('the catalogue answers', async () => {
  assert.ok(Array.isArray((await client.agent.list()).agents));
  assert.ok(Array.isArray((await client.get('/agent/environments')).environments));
  const models = await client.get('/agent/models');
  assert.ok(models.models.some((m) => m.id === models.default_model_id));
});

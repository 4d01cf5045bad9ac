// The official TypeScript SDK, unmodified, drives a real `cadre up`: what it calls must answer as its
// types say, retry as its transport does and fail with its error classes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OzAPI, { AuthenticationError, BadRequestError, NotFoundError } from 'oz-agent-sdk';
import { ended, script, serve, until, world } from './kit.mjs';

serve();

test('a run from prompt to result', async () => {
  const started = await world.client.agent.run({
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

  const conversation = await world.client.get(`/agent/runs/${run.run_id}/conversation`);
  const blocks = conversation.steps.flatMap((s) => s.messages.flatMap((m) => m.content));
  const result = blocks.find((b) => b.type === 'action_result');
  assert.ok(JSON.stringify(result.output).includes('run=' + run.run_id));
});

test('lists page through every run once', async () => {
  const ids = new Set();
  for (let i = 0; i < 5; i++) {
    const r = await world.client.agent.run({ prompt: 'Page.\n' + script({ text: 'ok' }), config: { name: 'paged' } });
    ids.add(r.run_id);
  }
  for (const id of ids) await ended(id);
  const seen = [];
  let cursor;
  do {
    const page = await world.client.agent.runs.list({ limit: 2, ...(cursor && { cursor }) });
    seen.push(...page.runs.map((r) => r.run_id));
    cursor = page.page_info.has_next_page ? page.page_info.next_cursor : undefined;
  } while (cursor);
  assert.equal(new Set(seen).size, seen.length, 'a run was listed twice');
  for (const id of ids) assert.ok(seen.includes(id));
  const done = await world.client.agent.runs.list({ state: ['SUCCEEDED', 'FAILED'] });
  assert.ok(done.runs.length > 0 && done.runs.every((r) => ['SUCCEEDED', 'FAILED'].includes(r.state)));
});

test('cancel answers with the run id and ends the run', async () => {
  const { run_id } = await world.client.agent.run({
    prompt: 'Wait.\n' + script({ tool_calls: [{ name: 'bash', input: { command: 'sleep 300' } }] }, { text: 'no' }),
  });
  await until('work', async () => (await world.client.agent.runs.retrieve(run_id)).state === 'INPROGRESS');
  assert.equal(await world.client.agent.runs.cancel(run_id), run_id);
  assert.equal((await ended(run_id)).state, 'CANCELLED');
  await assert.rejects(world.client.agent.runs.cancel(run_id), BadRequestError);
});

test('a run for a host nobody serves waits and says so', async () => {
  const { run_id } = await world.client.agent.run({ prompt: 'Wait.', config: { worker_host: 'nobody' } });
  const run = await until('the reason', async () => {
    const r = await world.client.agent.runs.retrieve(run_id);
    return r.waiting?.code === 'no_worker' && r;
  });
  assert.equal(run.state, 'QUEUED');
  assert.match(run.waiting.message, /nobody/);
  assert.equal(await world.client.agent.runs.cancel(run_id), run_id);
});

test('an ended run takes a follow-up', async () => {
  const { run_id } = await world.client.agent.run({ prompt: 'First.\n' + script({ text: 'one' }, { text: 'two' }) });
  await ended(run_id);
  await world.client.post(`/agent/runs/${run_id}/followups`, { body: { message: 'And again.' } });
  const text = await until('the second answer', async () => {
    const c = await world.client.get(`/agent/runs/${run_id}/conversation`);
    const all = JSON.stringify(c);
    return all.includes('And again.') && all.includes('two') && all;
  });
  assert.ok(text);
});

test('errors arrive as the classes of the SDK', async () => {
  const quick = world.client.withOptions({ maxRetries: 0 });
  await assert.rejects(quick.agent.run({}), BadRequestError);
  await assert.rejects(quick.agent.runs.retrieve('00000000-0000-4000-8000-000000000000'), NotFoundError);
  await assert.rejects(quick.agent.runs.list({ limit: 0 }), BadRequestError);
  await assert.rejects(quick.get('/_stainless_unknown_path'), NotFoundError);
  await assert.rejects(new OzAPI({ baseURL: world.baseURL, apiKey: 'wk-1.no', maxRetries: 0 }).agent.runs.list(), AuthenticationError);
});

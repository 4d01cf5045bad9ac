// The SDK's transport against refusals: what is worth repeating is repeated, what is not is not, whatever the
// status would say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OzAPI, { APIConnectionError, AuthenticationError, BadRequestError, ConflictError, NotFoundError, PermissionDeniedError, RateLimitError, UnprocessableEntityError } from 'oz-agent-sdk';
import { call, counting, ended, key, script, serve, world } from './kit.mjs';

serve();

/** A run that waits for ever. */
const waiting = async () => (await world.client.agent.run({ prompt: 'Wait.', config: { worker_host: 'nobody' } })).run_id;

/** Checks how a request fails, and how often it was sent. */
async function refused(kind, times, request, options) {
  const { client, sent } = counting(options);
  await assert.rejects(request(client), (e) => {
    assert.ok(e instanceof kind, `${e?.constructor?.name}: ${e?.message}`);
    assert.equal(e.error.status, e.status);
    assert.ok(e.error.type.includes('/errors/') && e.error.title && e.error.error && e.error.trace_id, JSON.stringify(e.error));
    assert.equal(e.headers.get('content-type'), 'application/problem+json');
    assert.equal(e.headers.get('x-should-retry'), String(e.error.retryable));
    return true;
  });
  assert.deepEqual(sent, [...Array(times).keys()]);
}

test('a conflict that passes is tried again, one that stays is not', async () => {
  const id = await waiting();
  await refused(ConflictError, 3, (c) => c.post(`/agent/runs/${id}/interrupt`));
  const once = (prompt) => (c) => c.post('/agent/runs', { body: { prompt, config: { worker_host: 'nobody' } }, headers: { 'Idempotency-Key': 'same' } });
  const first = await once('One.')(world.client);
  assert.equal((await once('One.')(world.client)).run_id, first.run_id);
  await refused(ConflictError, 1, once('Another.'));
});

test('a limit is waited for as the server says', async () => {
  const id = await waiting();
  for (let i = 0; i < 100; i++) await world.client.post(`/agent/runs/${id}/followups`, { body: { message: 'm' + i } });
  const began = Date.now();
  await refused(RateLimitError, 2, (c) => c.post(`/agent/runs/${id}/followups`, { body: { message: 'one more' } }), { maxRetries: 1 });
  assert.ok(Date.now() - began >= 1000, 'Retry-After was not obeyed');
});

test('what is wrong stays wrong', async () => {
  const unknown = '00000000-0000-4000-8000-000000000000';
  await refused(BadRequestError, 1, (c) => c.agent.run({}));
  await refused(BadRequestError, 1, (c) => c.agent.run({ prompt: 'p', metadata: { 'a b': 'c' } }));
  await refused(BadRequestError, 1, (c) => c.agent.runs.list({ limit: 501 }));
  await refused(BadRequestError, 1, (c) => c.agent.runs.retrieve('no-uuid'));
  await refused(NotFoundError, 1, (c) => c.agent.runs.retrieve(unknown));
  await refused(NotFoundError, 1, (c) => c.agent.runs.list({ ancestor_run_id: unknown }));
  await refused(NotFoundError, 1, (c) => c.get('/_stainless_unknown_path'));
  await refused(AuthenticationError, 1, (c) => c.agent.runs.list(), { apiKey: 'wk-1.' + 'cd'.repeat(32) });
  await refused(PermissionDeniedError, 1, (c) => c.agent.run({ prompt: 'p', on_behalf_of: 'somebody@example.com' }));
  const local = await world.client.post('/agent/local-runs', { body: { prompt: 'mine' } });
  await refused(UnprocessableEntityError, 1, (c) => c.agent.runs.cancel(local.run_id));
});

test('a run whose environment cannot be set up says so, once and for all', async () => {
  const { client } = world;
  const env = await client.post('/agent/environments', { body: { config: { name: 'broken', setup_commands: ['exit 3'] } } });
  const { run_id } = await client.agent.run({ prompt: 'Try.\n' + script({ text: 'no' }), config: { environment_id: env.uid } });
  const run = await ended(run_id);
  assert.equal(run.state, 'FAILED');
  assert.equal(run.status_message.error_code, 'environment_setup_failed');
  assert.equal(run.status_message.retryable, false);
});

test('nobody there is a connection error', async () => {
  const client = new OzAPI({ baseURL: 'http://127.0.0.1:9/api/v1', apiKey: key, maxRetries: 0 });
  await assert.rejects(client.agent.runs.list(), APIConnectionError);
});

test('action endpoints take no body, null and an empty object', async () => {
  for (const body of [undefined, null, {}]) {
    const { run_id } = await world.client.agent.run({ prompt: 'Wait.\n' + script(call('bash', { command: 'sleep 300' })), config: { worker_host: 'nobody' } });
    const answer = await fetch(`${world.baseURL}/agent/tasks/${run_id}/cancel`, {
      method: 'POST', headers: { Authorization: 'Bearer ' + key, 'Content-Type': 'application/json' },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    assert.equal(await answer.json(), run_id);
  }
});

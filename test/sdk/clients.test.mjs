// Programs that exist for the reference API, as the sequences of calls they make: a chat gateway that polls for
// a link and follows up, a web workspace that polls for artifacts, a strict command line.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call, ended, key, script, serve, terminal, until, world } from './kit.mjs';

serve();

test('a gateway: submit, link at once, result, follow-up', async () => {
  const { client } = world;
  const { run_id } = await client.agent.run({ prompt: 'Ask.\n' + script({ text: 'one' }, call('bash', { command: 'sleep 1' }), { text: 'two' }), config: { name: 'bot' } });
  const first = await client.agent.runs.retrieve(run_id);
  assert.ok(first.state && first.session_link.startsWith(world.root), 'the link is there from the first look');
  const page = await fetch(first.session_link);
  assert.equal(page.status, 200);
  const done = await until('an end', async () => {
    const r = await client.agent.runs.retrieve(run_id);
    return ['SUCCEEDED', 'FAILED', 'CANCELLED', 'ERROR'].includes(r.state) && r; // BLOCKED is none to it
  });
  assert.equal(done.state, 'SUCCEEDED');
  assert.equal(done.session_link, first.session_link);
  // It looks at once, and takes the old end for the new one if it still stands.
  const answer = await client.post(`/agent/runs/${run_id}/followups`, { body: { message: 'More.' } }).asResponse();
  assert.equal(answer.status, 200);
  assert.ok(!terminal.has((await client.agent.runs.retrieve(run_id)).state), 'the old end still stands after the follow-up');
  await ended(run_id);
  const refused = await fetch(`${world.baseURL}/agent/runs/00000000-0000-4000-8000-000000000000/followups`, {
    method: 'POST', headers: { Authorization: 'Bearer ' + key, 'Content-Type': 'application/json' }, body: '{"message":"x"}',
  });
  assert.equal(refused.status, 404, 'whereupon it starts a new run');
});

test('a workspace: the older path, states, artifacts', async () => {
  const { client } = world;
  const env = await client.post('/agent/environments', { body: { config: { name: 'workspace' } } });
  const started = await client.post('/agent/run', { body: { prompt: 'Open a pull request.\n' + script(
    call('report_artifact', { type: 'pull_request', url: 'https://git.example/a/b/pull/1', branch: 'b' }),
    call('report_artifact', { type: 'plan', title: 'A plan', content: 'Steps.' }), { text: 'done' },
  ), config: { environment_id: env.uid } } });
  assert.ok(started.run_id ?? started.task_id);
  const seen = new Set();
  const run = await until('the end', async () => {
    const r = await client.agent.runs.retrieve(started.run_id);
    seen.add(r.state);
    return ['SUCCEEDED', 'COMPLETED', 'FAILED', 'ERROR'].includes(r.state) && r;
  });
  assert.equal(run.state, 'SUCCEEDED', [...seen].join(' '));
  assert.ok(Array.isArray(run.artifacts) && run.artifacts.length === 2);
  const pull = run.artifacts.find((a) => a.artifact_type === 'PULL_REQUEST');
  assert.ok(pull.data.url && pull.data.branch);
  const plan = run.artifacts.find((a) => a.artifact_type === 'PLAN');
  assert.equal(plan.data.title, 'A plan');
  if (plan.data.notebook_uid) { // it links to this address
    const link = await fetch(`${world.root}/drive/notebook/a-plan-${plan.data.notebook_uid}`, { redirect: 'manual' });
    assert.notEqual(link.status, 404, 'a notebook that is named must be found');
  }
});

test('a strict command line: nothing that it demands is missing', async () => {
  const { client, baseURL } = world;
  const uuid = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/;
  const started = await client.post('/agent/run', { body: { prompt: 'p', mode: 'normal', config: { worker_host: 'nobody' } } });
  assert.match(started.task_id, uuid);
  assert.equal(started.run_id, started.task_id);
  const check = (r) => {
    assert.match(r.task_id, uuid);
    for (const member of ['title', 'state', 'prompt', 'created_at', 'updated_at']) assert.equal(typeof r[member], 'string', member);
    assert.equal(typeof r.is_sandbox_running, 'boolean');
    assert.ok(Array.isArray(r.artifacts));
    assert.ok(r.creator.type && r.creator.uid);
  };
  check(await client.agent.runs.retrieve(started.run_id));
  (await client.agent.runs.list({ limit: 500 })).runs.forEach(check);
  const refusal = await fetch(baseURL + '/agent/runs/nope', { headers: { Authorization: 'Bearer ' + key } });
  assert.equal(typeof (await refusal.json()).error, 'string');
  const ambient = { 'X-Warp-Cloud-Agent-ID': started.run_id, 'X-Warp-Ambient-Workload-Token': 'x', 'X-Oz-Api-Source': 'CLI' };
  const sourced = await client.post('/agent/run', { body: { prompt: 'p', config: { worker_host: 'nobody' } }, headers: ambient });
  assert.equal((await client.agent.runs.retrieve(sourced.run_id)).source, 'CLI');
});

test('an action on a pull request: a local run, its identity line, its end', async () => {
  const { client } = world;
  const local = await client.post('/agent/local-runs', { body: { prompt: 'Check.', source: 'GITHUB_ACTION' } });
  const run = await client.agent.runs.retrieve(local.run_id);
  assert.equal(run.source, 'GITHUB_ACTION');
  assert.equal(run.execution_location, 'LOCAL');
  assert.equal(run.is_run_type_cancellable, false);
});

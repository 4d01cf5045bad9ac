// What newer SDKs have methods for, over the transport of this one: artifacts, sessions, conversations, agents,
// environments, skills, models.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadRequestError, NotFoundError } from 'oz-agent-sdk';
import { call, ended, key, script, serve, until, world } from './kit.mjs';

serve();

test('artifacts of a run, each kind as its type says', async () => {
  const { client } = world;
  const { run_id } = await client.agent.run({ prompt: 'Make things.\n' + script(
    call('write_file', { path: 'out/notes.txt', content: 'forty-two' }),
    call('report_artifact', { type: 'file', path: 'out/notes.txt', title: 'Notes', description: 'What came out' }),
    call('report_artifact', { type: 'plan', title: 'Next', content: '# Next\n\nRest.' }),
    call('report_artifact', { type: 'pull_request', url: 'https://git.example/acme/shop/pull/7', branch: 'fix/7' }),
    { text: 'Made.' },
  ) });
  const run = await ended(run_id);
  const kinds = Object.fromEntries(run.artifacts.map((a) => [a.artifact_type, a]));
  assert.deepEqual(Object.keys(kinds).sort(), ['FILE', 'PLAN', 'PULL_REQUEST']);
  for (const a of run.artifacts) assert.ok(Date.parse(a.created_at));
  assert.equal(kinds.PULL_REQUEST.data.url, 'https://git.example/acme/shop/pull/7');
  assert.equal(kinds.PULL_REQUEST.data.branch, 'fix/7');
  assert.ok(kinds.PLAN.data.document_uid && kinds.PLAN.data.title === 'Next');
  const { data } = kinds.FILE;
  assert.equal(data.filename, 'notes.txt');
  assert.equal(data.size_bytes, 9);

  const file = await client.get('/agent/artifacts/' + data.artifact_uid);
  assert.equal(file.artifact_type, 'FILE');
  assert.equal(file.artifact_uid, data.artifact_uid);
  assert.ok(Date.parse(file.data.expires_at) > Date.now());
  const bytes = await fetch(file.data.download_url);
  assert.equal(await bytes.text(), 'forty-two', 'the link needs no key');
  const plan = await client.get('/agent/artifacts/' + kinds.PLAN.data.artifact_uid);
  assert.match(plan.data.content, /Rest\./);
  assert.ok(plan.data.document_uid && plan.data.notebook_uid && plan.data.content_type);
  await assert.rejects(client.get('/agent/artifacts/00000000-0000-4000-8000-000000000000'), NotFoundError);

  const pulls = await client.agent.runs.list({ artifact_type: 'PULL_REQUEST' });
  assert.deepEqual(pulls.runs.map((r) => r.run_id), [run_id]);
});

test('sessions and conversations find each other without a key', async () => {
  const { client, baseURL } = world;
  const { run_id } = await client.agent.run({ prompt: 'Wait.\n' + script(call('bash', { command: 'sleep 300' }), { text: 'no' }) });
  const run = await until('work', async () => {
    const r = await client.agent.runs.retrieve(run_id);
    return r.state === 'INPROGRESS' && r;
  });
  const open = (path) => fetch(baseURL + path).then((r) => r.json());
  assert.deepEqual(await open(`/agent/conversations/${run.conversation_id}/redirect`), { session_id: run.session_id });
  assert.deepEqual(await open(`/agent/sessions/${run.session_id}/redirect`), {});
  await client.agent.runs.cancel(run_id);
  await until('the end of the sandbox', async () => !(await client.agent.runs.retrieve(run_id)).is_sandbox_running);
  assert.deepEqual(await open(`/agent/sessions/${run.session_id}/redirect`), { conversation_id: run.conversation_id });
  assert.deepEqual(await open(`/agent/conversations/${run.conversation_id}/redirect`), {});
  const transcript = await client.get(`/agent/runs/${run_id}/conversation`);
  assert.deepEqual(await client.get('/agent/conversations/' + run.conversation_id), transcript);
  for (const step of transcript.steps) assert.ok(step.id && Array.isArray(step.messages) && Array.isArray(step.steps));
});

test('agents from creation to deletion', async () => {
  const { client } = world;
  const made = await client.post('/agent/identities', { body: { name: 'Reviewer', description: 'Reads.', prompt: 'Be brief.', skills: ['review'], on_behalf_of_enabled: false } });
  for (const member of ['uid', 'name', 'available', 'created_at', 'updated_at', 'default_runner_uid', 'memory', 'secrets', 'skills']) {
    assert.ok(member in made, member + ' is always there');
  }
  assert.deepEqual(made.skills, ['review']);
  assert.deepEqual(made.secrets, []);
  assert.ok(Array.isArray(made.memory.attached_stores));
  assert.deepEqual(await client.get('/agent/identities/' + made.uid), made);
  assert.ok((await client.get('/agent/identities')).agents.some((a) => a.uid === made.uid));

  const changed = await client.put('/agent/identities/' + made.uid, { body: { prompt: null, description: '', skills: [] } });
  assert.equal(changed.prompt, 'Be brief.', 'null changes nothing');
  assert.ok(!changed.description, 'an empty string clears');
  assert.deepEqual(changed.skills, [], 'an empty list clears');
  assert.equal(changed.name, 'Reviewer', 'what is left out stays');

  const { run_id } = await client.agent.run({ prompt: 'As another.\n' + script({ text: 'done' }), agent_identity_uid: made.uid });
  const run = await ended(run_id);
  assert.equal(run.executor.type, 'service_account');
  assert.equal(run.executor.uid, made.uid);
  assert.equal(run.creator.type, 'user');
  assert.deepEqual((await client.agent.runs.list({ executor: made.uid })).runs.map((r) => r.run_id), [run_id]);

  const gone = await client.delete('/agent/identities/' + made.uid, { headers: { Accept: '*/*' } }).asResponse();
  assert.equal(gone.status, 204);
  assert.equal(await gone.text(), '');
  await assert.rejects(client.get('/agent/identities/' + made.uid), NotFoundError);
  await assert.rejects(client.post('/agent/identities', { body: {} }), BadRequestError);
});

test('environments, skills and models', async () => {
  const { client } = world;
  const config = { name: 'shop', docker_image: 'debian:13', setup_commands: ['true'], github_repos: [] };
  const made = await client.post('/agent/environments', { body: { config } });
  assert.match(made.uid, /^[A-Za-z0-9]{22}$/);
  assert.equal(made.setup_failed, false);
  const { environments } = await client.get('/agent/environments', { query: { sort_by: 'name' } });
  assert.deepEqual(environments.map((e) => e.uid), [made.uid]);
  const { run_id } = await client.agent.run({ prompt: 'There.\n' + script({ text: 'ok' }), config: { environment_id: made.uid } });
  await ended(run_id);
  const [used] = (await client.get('/agent/environments')).environments;
  assert.equal(used.last_task_created.id, run_id);
  assert.deepEqual((await client.agent.runs.list({ environment_id: made.uid })).runs.map((r) => r.run_id), [run_id]);

  const skills = await client.agent.list({ repo: 'acme/shop', refresh: true, sort_by: 'last_run', include_malformed_skills: true });
  assert.ok(Array.isArray(skills.agents));
  const models = await client.get('/agent/models');
  assert.ok(models.models.some((m) => m.id === models.default_model_id));
  for (const m of models.models) assert.ok(m.display_name && typeof m.vision_supported === 'boolean' && m.provider);
  const { workers } = await client.get('/agent/connected-self-hosted-workers');
  assert.ok(workers.every((w) => w.worker_host && w.connection_count > 0 && Date.parse(w.connected_at)) && workers.length > 0);
  assert.equal((await fetch(world.root + '/api/v1/agent/models', { headers: { Authorization: 'Bearer ' + key } })).headers.get('content-type'), 'application/json');
});

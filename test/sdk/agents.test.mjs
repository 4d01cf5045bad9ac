// The official TypeScript SDK with the key of an agent: whom its runs are for, and the end of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthenticationError, BadRequestError, NotFoundError, PermissionDeniedError } from 'oz-agent-sdk';
import { ended, script, serve, world } from './kit.mjs';

serve();

test('an agent runs for a person until it is deleted', async () => {
  const { client } = world;
  const at = '/agent/identities';
  const agent = await client.post(at, { body: { name: 'sdk agent', prompt: 'Be brief.', on_behalf_of_enabled: true } });
  assert.equal(agent.memory.auto_memory.store.owner_uid, agent.uid);

  const { raw_api_key: key } = await client.post('/api-keys', { body: { name: 'sdk', agent_uid: agent.uid } });
  const asAgent = client.withOptions({ apiKey: key });
  const me = await client.get('/whoami');
  const started = await asAgent.agent.run({ prompt: script({ text: 'Done.' }), on_behalf_of: me.email });
  const run = await ended(started.run_id);
  assert.equal(run.state, 'SUCCEEDED', run.status_message?.message);
  assert.deepEqual([run.creator.uid, run.executor.uid, run.executor.type], [me.uid, agent.uid, 'service_account']);
  assert.equal(run.agent_config.base_prompt, 'Be brief.');

  await assert.rejects(asAgent.post(at, { body: { name: 'another' } }), PermissionDeniedError);
  await assert.rejects(client.agent.run({ prompt: 'p', on_behalf_of: me.email }), PermissionDeniedError);
  await assert.rejects(asAgent.agent.run({ prompt: 'p', on_behalf_of: 'nobody@example.com' }), BadRequestError);
  await client.delete(`${at}/${agent.uid}`, { headers: { Accept: '*/*' } });
  await assert.rejects(asAgent.agent.runs.list(), AuthenticationError);
  await assert.rejects(client.agent.run({ prompt: 'p', agent_identity_uid: agent.uid }), NotFoundError);
});

// Schedules through the SDK: every method, and what its types promise of the answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BadRequestError, NotFoundError } from 'oz-agent-sdk';
import { call, ended, script, serve, until, world } from './kit.mjs';

serve();

test('a schedule from creation to deletion', async () => {
  const { schedules } = world.client.agent;
  const made = await schedules.create({
    name: 'nightly', cron_schedule: '0 3 * * *', prompt: 'Tidy up.\n' + script({ text: 'tidy' }), agent_config: { name: 'tidier' },
  });
  assert.equal(made.name, 'nightly');
  assert.equal(made.cron_schedule, '0 3 * * *');
  assert.equal(made.enabled, true, 'enabled unless said otherwise');
  assert.equal(made.agent_config.name, 'tidier');
  assert.equal(made.scope.type, 'Team', 'the team of who is in one team');
  assert.equal(made.created_by.type, 'user');
  assert.equal(made.updated_by.uid, made.created_by.uid);
  for (const at of [made.created_at, made.updated_at, made.history.next_run]) assert.ok(Date.parse(at), at);
  assert.equal(new Date(made.history.next_run).getUTCHours(), 3);
  assert.ok(!made.history.last_ran);

  assert.deepEqual(await schedules.retrieve(made.id), made);
  const { schedules: list } = await schedules.list();
  assert.deepEqual(list, [made]);

  const changed = await schedules.update(made.id, { name: 'daily', cron_schedule: '@daily', enabled: true, prompt: made.prompt });
  assert.equal(changed.id, made.id);
  assert.equal(changed.name, 'daily');
  assert.equal(changed.agent_config?.name, undefined, 'a PUT replaces the configuration');

  const paused = await schedules.pause(made.id);
  assert.equal(paused.enabled, false);
  assert.ok(!paused.history?.next_run);
  assert.equal((await schedules.pause(made.id)).enabled, false, 'pausing twice changes nothing');
  const resumed = await schedules.resume(made.id);
  assert.equal(resumed.enabled, true);
  assert.ok(Date.parse(resumed.history.next_run) > Date.now());

  assert.deepEqual(await schedules.delete(made.id), { success: true });
  await assert.rejects(schedules.retrieve(made.id), NotFoundError);
  await assert.rejects(schedules.delete(made.id), NotFoundError);
  assert.deepEqual((await schedules.list()).schedules, []);
});

test('a tick starts a run that says which schedule it is of', async () => {
  const { schedules } = world.client.agent;
  const made = await schedules.create({ name: 'often', cron_schedule: '@every 10s', prompt: 'Go.\n' + script(call('bash', { command: 'true' }), { text: 'gone' }) });
  const run = await until('the run of a tick', async () => (await world.client.agent.runs.list({ schedule_id: made.id })).runs[0]);
  assert.equal(run.source, 'SCHEDULED_AGENT');
  assert.deepEqual(run.schedule, { schedule_id: made.id, schedule_name: 'often', cron_schedule: '@every 10s' });
  const { history } = await schedules.pause(made.id);
  assert.ok(Date.parse(history.last_ran));
  assert.equal((await ended(run.run_id)).state, 'SUCCEEDED');
});

test('what is wrong is named', async () => {
  const { schedules } = world.client.agent;
  const good = { name: 'n', cron_schedule: '@daily', prompt: 'p' };
  for (const [member, wrong] of Object.entries({ name: '', cron_schedule: '61 * * * *', prompt: '', agent_config: { idle_timeout_minutes: 61 } })) {
    await assert.rejects(schedules.create({ ...good, [member]: wrong }), (e) => {
      assert.ok(e instanceof BadRequestError);
      assert.ok(e.error.detail.startsWith(member), e.error.detail);
      return true;
    });
  }
  await assert.rejects(schedules.update('00000000-0000-4000-8000-000000000000', { ...good, enabled: true }), NotFoundError);
  await assert.rejects(schedules.create({ ...good, agent_config: { environment_id: 'a'.repeat(22) } }), NotFoundError);
});

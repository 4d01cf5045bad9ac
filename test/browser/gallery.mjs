// Makes the pictures of docs/gallery.md from a real server whose runs are played by the scripted model:
// npm run gallery. A page that fails what every page is held to (axe, its policy, its width) makes none.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { open, scripted, signIn, startBrowser, startServer, until } from './kit.mjs';

const folder = join(import.meta.dirname, '../../docs/gallery');

const server = await startServer({ runs: 6000 });
const browser = await startBrowser();

/** Starts a run and says its id. */
const start = async (title, prompt, turns, more) => (await server.api('/agent/runs', { title, prompt: scripted(prompt, ...turns), ...more })).run_id;
const bash = (text, command) => ({ text, tool_calls: [{ name: 'bash', input: { command } }] });
const later = { delay: '10m', text: 'Done.' };
const plan = (...status) => ({ name: 'update_plan', input: { items: ['Reproduce the failure', 'Find the race', 'Fix and prove it'].map((title, i) => ({ title, status: status[i] })) } });

async function fill() {
  const { uid: environment_id } = await server.api('/agent/environments', { config: { name: 'web-platform', description: 'Node 22 and the monorepo', setup_commands: ['echo installing', 'echo building'] } });
  await server.api('/agent/schedules', { name: 'Nightly tidy', cron_schedule: '0 3 * * MON-FRI', time_zone: 'Europe/Berlin', prompt: 'Tidy up' });
  await server.api('/agent/schedules', { name: 'Dependency report', cron_schedule: '0 9 * * MON', time_zone: 'America/New_York', prompt: 'Report' });
  await server.api('/agent/identities', { name: 'Reviewer', description: 'Reads pull requests and says what is missing.', base_model: 'scripted' });
  await server.api('/agent/identities', { name: 'Migrator', description: 'Moves packages to new versions, one pull request each.', environment_id });
  await server.api('/secrets', { name: 'NPM_TOKEN', description: 'Reads the registry', value: { value: 'npm_1f8a2b' } });
  const orchestrated = await start('Upgrade React across the monorepo', 'Split the upgrade by package.', [bash('I split this among four agents.', 'echo ui editor billing console'), later], { mode: 'orchestrate', config: { name: 'upgrader' } });
  const child = (name, turns, config) => start('Upgrade ' + name, 'Upgrade ' + name, turns, { parent_run_id: orchestrated, config: { name, ...config } });
  await child('ui', [bash('Upgrading.', 'echo ok'), { text: 'Done.' }]);
  await child('editor', [later]);
  await child('billing', [bash('Upgrading.', 'rm -rf node_modules')], { permissions: { default: 'allow', ask: ['bash(rm *)'] } });
  await child('console', [later]);
  await start('Write the release notes for 4.2', 'Collect what was merged since 4.1.', [bash('Collecting.', 'echo 31 pull requests'), later], { config: { environment_id } });
  await start('Choose the queue library', 'Which one?', [{ text: 'Two are close.', tool_calls: [{ name: 'ask_user', input: { question: 'Which matters more to you?', options: ['Throughput', 'Exactly once', 'Operations'] } }] }]);
  const fixed = await start('Fix the flaky login test', 'The login test fails one time in ten. Find out why and fix it.', [
    { reasoning: 'It may be a race.', text: 'Let me see the test and run it a few times.', tool_calls: [plan('in_progress', 'pending', 'pending'), { name: 'write_file', input: { path: 'login_test.go', content: 'func TestLogin(t *testing.T) {\n\tstart()\n\ttime.Sleep(10 * time.Millisecond)\n\tif !loggedIn() {\n\t\tt.Fatal("not logged in")\n\t}\n}\n' } }] },
    bash('It fails when the machine is busy: the sleep is a guess.', "printf '\\033[32m✓\\033[0m run 1\\n\\033[32m✓\\033[0m run 2\\n\\033[31m✗ not logged in\\033[0m\\n'; exit 1"),
    { text: 'Waiting for the signal instead of for time.', tool_calls: [{ name: 'edit_file', input: { path: 'login_test.go', old_text: '\ttime.Sleep(10 * time.Millisecond)\n', new_text: '\t<-ready\n' } }, plan('completed', 'completed', 'completed'), { name: 'report_artifact', input: { type: 'pull_request', url: 'https://github.com/acme/web/pull/412', branch: 'fix/login-race' } }] },
    { text: '## The test no longer guesses\n\nThe redirect could arrive **before** the cookie was stored; the test now waits for `ready`.\n\n| runs | before | after |\n|---|---|---|\n| 1,000 | 97 failed | 0 failed |\n' },
  ], { config: { environment_id, name: 'test-fixer' } });
  const state = async (id) => (await server.api('/agent/runs/' + id)).state;
  await until('the runs', async () => (await state(fixed)) === 'SUCCEEDED' && (await state(orchestrated)) === 'INPROGRESS');
  return { fixed, orchestrated };
}

/** Pictures one page, wide and narrow, as WebP. */
async function picture(path, name, state, look, colorScheme = 'dark') {
  await open(browser, server, path, name, async (page, size) => {
    await look(page);
    const session = await page.context().newCDPSession(page);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 72 });
    writeFileSync(join(folder, `${name}-${size}.webp`), Buffer.from(data, 'base64'));
  }, { storageState: state, colorScheme });
}

const see = (text) => (page) => page.getByText(text).filter({ visible: true }).first().waitFor();

try {
  const { fixed, orchestrated } = await fill();
  const state = await signIn(browser, server);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await picture('/', 'home', state, see('Running now'));
  await picture('/', 'home-light', state, see('Running now'), 'light');
  await picture('/runs', 'runs', state, see('Fix the flaky login test'));
  await picture('/runs/' + fixed, 'run', state, see('The test no longer guesses'));
  await picture('/runs/' + orchestrated, 'orchestration', state, see('I split this among four agents'), 'light');
  await picture('/inbox', 'inbox', state, see('Which matters more'));
  await picture('/usage', 'usage', state, see('Person'), 'light');
  await picture('/agents', 'agents', state, see('Migrator'));
  await picture('/schedules', 'schedules', state, see('Nightly tidy'), 'light');
  await picture('/secrets', 'secrets', state, see('NPM_TOKEN'));
  await picture('/settings', 'settings', state, see('Notifications'));
} finally {
  await browser.close();
  await server.stop();
}

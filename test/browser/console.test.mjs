// The console, signed in, on a server whose runs say hostile things.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, run, signIn, startBrowser, startServer, until, watch } from './kit.mjs';

const hostile = '<img src=x onerror="window.owned=1;alert(1)"><script>window.owned=1</script>"\'><svg onload=alert(1)>';
let server, browser, state, ran, asks, failed;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  ran = await run(server, { prompt: hostile, title: 'Hostile ' + hostile },
    { reasoning: 'I wonder.', text: '# Plan\n\n- one\n- **two**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n', tool_calls: [{ name: 'bash', input: { command: `printf '\\033[31mred\\033[0m %s' '<script>alert(2)</script>'; seq 1 40` } }] },
    { text: 'Writing.', tool_calls: [{ name: 'write_file', input: { path: 'notes.md', content: 'one\ntwo\n' } }] },
    { text: '[click](javascript:alert(3)) ' + hostile });
  assert.equal(ran.state, 'SUCCEEDED', ran.status_message?.message);
  asks = await run(server, { prompt: 'Clean up', title: 'Asks first', config: { permissions: { default: 'allow', ask: ['bash(rm *)'] } } },
    { text: 'Cleaning.', tool_calls: [{ name: 'bash', input: { command: 'rm -rf build' } }] }, { text: 'Clean.' });
  assert.equal(asks.state, 'BLOCKED');
  const { uid } = await server.api('/agent/environments', { config: { name: 'broken', setup_commands: ['echo preparing; exit 3'] } });
  failed = await run(server, { prompt: 'Never begins', title: 'Set-up fails', config: { environment_id: uid } });
  assert.equal(failed.state, 'FAILED');
  await server.api('/agent/schedules', { name: 'Nightly tidy', cron_schedule: '0 3 * * MON-FRI', time_zone: 'Europe/Berlin', prompt: 'Tidy up' });
  state = await signIn(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const console = (path, name, look) => open(browser, server, path, name, look, { storageState: state });

/** Nothing that came from a run became part of the page. */
async function inert(page) {
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator('[onerror], [onload], a[href^="javascript:"], #app img').count(), 0);
}

const see = (page, text) => page.getByText(text, { exact: false }).first().waitFor();

test('home', () => console('/', 'home', async (page) => {
  await see(page, 'Needs you');
  await see(page, 'Asks first');
  await inert(page);
}));

test('the charts say their numbers by key, and to who cannot see them', () => use('/', async (page) => {
  const chart = page.getByRole('figure').filter({ hasText: 'Runs' });
  await chart.getByRole('application').focus();
  await page.keyboard.press('ArrowLeft');
  await chart.locator('li', { hasText: 'Failed' }).getByText('1', { exact: true }).waitFor();
  assert.equal(await chart.getByRole('row').count(), 15, 'a head and fourteen days');
}));

test('usage', () => console('/usage?days=7', 'usage', (page) => page.getByRole('rowheader', { name: 'Admin' }).waitFor()));

test('runs', () => console('/runs', 'runs', async (page) => {
  for (const title of ['Hostile', 'Asks first', 'Set-up fails']) await see(page, title);
  await inert(page);
}));

test('runs, in the light', () => open(browser, server, '/runs', 'runs-light', (page) => see(page, 'Asks first'), { storageState: state, colorScheme: 'light' }));

test('no run matches', () => console('/runs?q=unheard-of', 'runs-none', (page) => see(page, 'No run matches')));

test('a run that has ended', () => console('/runs/' + ran.run_id, 'run', async (page) => {
  await page.getByText('Done', { exact: true }).first().waitFor();
  await see(page, '+two'.slice(1));
  await inert(page);
}));

test('a run that asks', () => console('/runs/' + asks.run_id, 'run-asks', async (page) => {
  await page.getByRole('button', { name: 'Allow once' }).waitFor();
  await inert(page);
}));

test('a run whose set-up failed', () => console('/runs/' + failed.run_id, 'run-failed', async (page) => {
  await see(page, 'Set-up failed');
  await see(page, 'preparing');
}));

test('a run nobody knows', () => open(browser, server, '/runs/01a1f96c-0000-7000-8000-4890d802a9b5', 'run-unknown', (page) => see(page, 'could not be loaded'),
  { storageState: state, extraHTTPHeaders: {} }).catch((e) => {
  // The browser itself reports the 404 that the page then explains.
  if (!/404/.test(e.message)) throw e;
}));

for (const [path, name, text] of [
  ['/inbox', 'inbox', 'Asks first'], ['/environments', 'environments', 'broken'],
  ['/agents', 'agents', 'New agent'], ['/skills', 'skills', 'SKILL.md'], ['/secrets', 'secrets', 'No secret yet'], ['/settings', 'settings', 'Where you are signed in'],
  ['/schedules', 'schedules', 'Nightly tidy'], ['/workers', 'workers', 'local'], ['/people', 'people', 'API keys'], ['/nowhere', 'nowhere', 'nothing here'],
]) test(name, () => console(path, name, (page) => see(page, text)));

test('addresses made of markup', () => use('/', async (page) => {
  for (const path of ['/runs/', '/docs/errors/', '/nowhere/', '/runs?q=', '/runs?state=', '/#']) {
    await page.goto(server.url + path + encodeURIComponent(hostile), { waitUntil: 'domcontentloaded' });
    await until('something', async () => (await page.innerText('body')).trim().length > 20);
    await inert(page);
  }
}, /status of 40\d/));

/** A page of the console that is used, not only looked at. expected are complaints of the browser that belong to the story. */
async function use(path, story, expected) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, storageState: state });
  try {
    const page = await context.newPage();
    const wrong = watch(page, server);
    await page.goto(server.url + path);
    await story(page);
    assert.deepEqual(wrong.filter((w) => !expected?.test(w)), []);
  } finally {
    await context.close();
  }
}

test('a run is started, seen live, and talked to', () => use('/runs', async (page) => {
  await see(page, 'Asks first');
  await page.keyboard.press('n');
  const turns = (n) => '\n```scripted\n' + JSON.stringify({ turns: [{ text: `Answer ${n} of the agent` }] }) + '\n```';
  await page.getByLabel('Prompt').fill('Say something' + turns(1));
  await page.keyboard.press('Control+Enter');
  await page.waitForURL(/\/runs\/[0-9a-f-]{36}/);
  await see(page, 'Answer 1 of the agent');
  await page.getByText('Done', { exact: true }).first().waitFor();
  const box = page.getByLabel('Message to the agent');
  await box.fill('And again' + turns(2));
  await page.getByRole('button', { name: 'Send' }).click();
  await see(page, 'Answer 2 of the agent');
  assert.equal(await box.inputValue(), '');
}));

test('lists change by themselves', () => use('/runs?q=brand', async (page) => {
  await see(page, 'No run matches');
  await server.api('/agent/runs', { prompt: 'A brand new run' });
  await see(page, 'A brand new run');
}));

test('the list is walked by keys', () => use('/runs', async (page) => {
  await see(page, 'Asks first');
  await page.keyboard.press('j');
  await page.locator('[role=listitem][aria-current=true]').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('Set-up');
  await until('the search', async () => (await page.getByRole('list', { name: 'Runs' }).getByRole('listitem').count()) === 1);
  assert.match(page.url(), /q=Set-up/);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.getByPlaceholder('Search runs, or jump to a page').fill('sched');
  await page.locator('[cmdk-item][data-selected=true]', { hasText: 'Schedules' }).waitFor();
  await page.keyboard.press('Enter');
  await page.waitForURL(/schedules/);
}));

test('filters are chosen by typing, kept in the address, and remembered', () => use('/runs', async (page) => {
  await see(page, 'Asks first');
  await page.getByRole('button', { name: 'Status' }).click();
  await page.getByRole('combobox', { name: 'Search status' }).fill('fail');
  await page.keyboard.press('Enter');
  await until('the filter', async () => (await page.getByRole('list', { name: 'Runs' }).getByRole('listitem').count()) === 1);
  assert.match(page.url(), /state=FAILED/);
  await page.goto(server.url + '/');
  await page.goto(server.url + '/runs');
  await page.waitForURL(/state=FAILED/);
  await page.getByRole('button', { name: 'Clear all' }).click();
  await see(page, 'Asks first');
}));

test('a family is cancelled, or its parent alone', () => use('/runs', async (page) => {
  const waits = (title, more) => server.api('/agent/runs', { prompt: 'wait\n```scripted\n{"turns":[{"delay":"5m","text":"late"}]}\n```', title, ...more });
  const parent = await waits('The parent');
  const child = await waits('The child', { parent_run_id: parent.run_id });
  const state = async (id) => (await server.api('/agent/runs/' + id)).state;
  await until('both to work', async () => (await state(parent.run_id)) === 'INPROGRESS' && (await state(child.run_id)) === 'INPROGRESS');
  const row = page.getByRole('listitem').filter({ hasText: 'The parent' });
  await row.hover();
  await row.getByRole('button', { name: 'More' }).click();
  await page.getByRole('menuitem', { name: 'Cancel run' }).click();
  await page.getByRole('dialog').getByText('The child').waitFor();
  await page.getByLabel('Only this run').check();
  await page.getByRole('button', { name: 'Cancel run' }).click();
  await until('the parent to end', async () => (await state(parent.run_id)) === 'CANCELLED');
  assert.equal(await state(child.run_id), 'INPROGRESS');
  await server.api('/agent/runs/' + child.run_id + '/cancel', {});
}));

test('permission is given', () => use('/inbox', async (page) => {
  await page.getByRole('button', { name: 'Allow once' }).click();
  await until('the run to go on', async () => (await server.api('/agent/runs/' + asks.run_id)).state === 'SUCCEEDED');
  await see(page, 'Nothing waits for you');
}));

test('a schedule says when it fires, and is stored', () => use('/schedules', async (page) => {
  await page.getByRole('button', { name: 'New schedule' }).click();
  await page.getByLabel('Name').fill('Weekly report');
  await page.getByLabel('When', { exact: true }).fill('0 9 * * MON');
  await see(page, 'Monday');
  await page.getByLabel('Prompt').fill('Report');
  await page.getByRole('button', { name: 'Create' }).click();
  await see(page, 'Weekly report');
  const { schedules } = await server.api('/agent/schedules');
  assert.ok(schedules.some((s) => s.name === 'Weekly report' && s.cron_schedule === '0 9 * * MON'));
}));

test('a secret is stored, and is not on the page afterwards', () => use('/secrets', async (page) => {
  await page.getByRole('button', { name: 'New secret' }).click();
  await page.getByLabel('Name').fill('NPM_TOKEN');
  await page.getByLabel('Value').fill('npm_canary');
  await page.getByRole('button', { name: 'Store' }).click();
  await see(page, 'NPM_TOKEN');
  assert.ok(!(await page.content()).includes('npm_canary'));
  await page.getByRole('button', { name: 'NPM_TOKEN', exact: true }).click();
  await see(page, 'No run has received it yet');
}));

test('an agent is made, and a run acts as it', () => use('/agents', async (page) => {
  await page.getByRole('button', { name: 'New agent' }).click();
  await page.getByLabel('Name').fill('Reviewer');
  await page.getByLabel('Instructions').fill('Be strict.');
  await page.getByRole('button', { name: 'Create' }).click();
  await page.getByRole('heading', { name: 'Reviewer' }).waitFor();
  await page.keyboard.press('n');
  await page.getByLabel('Prompt').fill('Review it');
  await page.getByLabel('Agent').selectOption({ label: 'Reviewer' });
  await page.keyboard.press('Control+Enter');
  await page.waitForURL(/\/runs\/[0-9a-f-]{36}/);
  await see(page, 'Runs as');
}));

test('what becomes of a run is told by choice, and leads there', () => use('/settings', async (page) => {
  await page.getByRole('switch', { name: 'It is done' }).check({ force: true });
  const { run_id } = await server.api('/agent/runs', { prompt: 'hello', title: 'Tell me' });
  await page.getByRole('button', { name: /Tell me/ }).click();
  await page.waitForURL(new RegExp(run_id));
}));

test('a session is searched, and an entry has an address', () => use('/runs/' + ran.run_id, async (page) => {
  await see(page, 'notes.md');
  await page.keyboard.press('/');
  await page.keyboard.type('notes.md');
  await page.getByText(/^1 of \d/).waitFor();
  await page.keyboard.press('Escape');
  const { entries } = await server.api('/agent/runs/' + ran.run_id + '/entries');
  const { seq } = entries.find((e) => JSON.stringify(e.data).includes('notes.md'));
  await page.goto(`${server.url}/runs/${ran.run_id}?seq=${seq}`);
  await page.locator('[role=log] .outline-accent', { hasText: 'notes.md' }).waitFor();
}));

test('a run is archived, found again, and deleted', () => use('/runs', async (page) => {
  const old = await run(server, { prompt: 'x', title: 'Put me away' }, { text: 'ok' });
  const act = async (name) => {
    const row = page.getByRole('listitem').filter({ hasText: 'Put me away' });
    await row.hover();
    await row.getByRole('button', { name: 'More' }).click();
    await page.getByRole('menuitem', { name }).click();
  };
  await act('Archive');
  await page.getByText('Archived. Lists').waitFor();
  await page.getByRole('link', { name: 'Put me away' }).waitFor({ state: 'detached' });
  await page.goto(server.url + '/runs?archived=only');
  await act('Delete');
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await until('it to be gone', async () => (await fetch(server.url + '/api/v1/agent/runs/' + old.run_id, { headers: { authorization: 'Bearer ' + server.key } })).status === 404);
}));

test('a run is forked, and one that failed is retried', async () => {
  const idOf = (page) => new URL(page.url()).pathname.split('/').pop();
  await use('/runs/' + ran.run_id, async (page) => {
    await see(page, 'notes.md');
    assert.equal(await page.getByRole('button', { name: 'Retry' }).count(), 0, 'what succeeded is not retried');
    await page.getByRole('button', { name: 'More' }).click();
    assert.equal(await page.getByRole('menuitem', { name: 'Retry' }).count(), 0);
    await page.getByRole('menuitem', { name: 'Fork' }).click();
    await page.waitForURL((u) => u.pathname.startsWith('/runs/') && !u.pathname.endsWith(ran.run_id));
    await see(page, 'notes.md');
    const fork = await server.api('/agent/runs/' + idOf(page));
    assert.equal(fork.forked_from.run_id, ran.run_id);
    await server.api(`/agent/runs/${fork.run_id}/cancel`, {});
  });
  await use('/runs/' + failed.run_id, async (page) => {
    await page.getByRole('button', { name: 'Retry' }).click();
    await until('a second attempt', async () => (await server.api('/agent/runs/' + failed.run_id)).execution === 2);
    assert.equal(idOf(page), failed.run_id, 'whose agent never began goes on itself');
    await until('it to have failed again', async () => (await server.api('/agent/runs/' + failed.run_id)).state === 'FAILED');
  });
});

test('a key is made and revoked', () => use('/people', async (page) => {
  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill('CI');
  await page.getByLabel('May').selectOption('read');
  await page.getByRole('button', { name: 'Create key' }).click();
  const key = await page.getByText(/^wk-1\./).innerText();
  const as = (method, path) => fetch(server.url + '/api/v1' + path, { method, headers: { authorization: 'Bearer ' + key, 'content-type': 'application/json' }, body: method === 'POST' ? '{"prompt":"x"}' : undefined });
  assert.equal((await as('GET', '/agent/runs')).status, 200);
  assert.equal((await as('POST', '/agent/runs')).status, 403);
  await page.getByRole('button', { name: 'Done' }).click();
  await page.getByRole('button', { name: 'Revoke CI' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await until('the key to be useless', async () => (await as('GET', '/agent/runs')).status === 401);
}));

test('somebody is invited, and comes in', () => use('/people', async (page) => {
  await page.getByRole('button', { name: 'Invite' }).click();
  await page.getByLabel('E-mail').fill('grace@example.com');
  await page.getByRole('button', { name: 'Make a link' }).click();
  const link = await page.getByText(/\/invitation\//).innerText();
  const other = await browser.newContext();
  try {
    const guest = await other.newPage();
    await guest.goto(link);
    await guest.getByLabel('Name').fill('Grace');
    await guest.getByLabel('Password').first().fill('correct horse battery staple');
    await guest.getByRole('button').first().click();
    await see(guest, 'Needs you');
  } finally {
    await other.close();
  }
  await page.getByRole('button', { name: 'Done' }).click();
  await see(page, 'Grace');
}));

test('a long session opens at its end', async () => {
  const many = Array.from({ length: 120 }, (_, i) => ({ text: `Step ${i}`, tool_calls: [{ name: 'bash', input: { command: `echo out ${i}` } }] }));
  const long = await run(server, { prompt: 'Many steps', title: 'Long' }, ...many, { text: 'The very end' });
  assert.equal(long.state, 'SUCCEEDED', long.status_message?.message);
  await use('/runs/' + long.run_id, async (page) => {
    await see(page, 'The very end');
    const log = page.getByRole('log');
    await until('what came before', async () => {
      await page.mouse.move(600, 400);
      await page.mouse.wheel(0, -4000);
      return (await log.getByText('Step 0', { exact: true }).count()) > 0;
    });
  });
});

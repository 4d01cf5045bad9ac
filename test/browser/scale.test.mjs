// The console before more than anybody reads: long sessions, huge outputs, a great many runs. All of it hostile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { command, ownRun, signIn, startBrowser, startServer, until, watch } from './kit.mjs';

const evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script> [x](javascript:alert(1)) \u202egpj.exe \x1b]0;owned\x07\x1b[2J\x1b]8;;http://evil.example\x07link';
let server, browser, state;

before(async () => {
  [server, browser] = await Promise.all([startServer({ runs: 100_000 }), startBrowser()]);
  state = await signIn(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function use(path, story) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, storageState: state });
  try {
    const page = await context.newPage();
    const wrong = watch(page, server);
    await page.goto(server.url + path);
    await story(page);
    assert.equal(await page.evaluate(() => window.owned), undefined);
    assert.equal(await page.locator('#app img, #app iframe, #app script, [onerror], a[href^="javascript:"], a[href*="evil.example"]').count(), 0);
    assert.deepEqual(wrong, []);
  } finally {
    await context.close();
  }
}

/** Few elements are on the page, however much there is to show. */
async function light(page) {
  const elements = await page.evaluate(() => document.querySelectorAll('*').length);
  assert.ok(elements < 6000, `${elements} elements`);
}

test('a session of 100,000 entries opens at its end and is searched to its beginning', async () => {
  const run = await ownRun(server, { prompt: 'Long', title: 'A hundred thousand entries' });
  await run.say(Array.from({ length: 50_000 }, (_, i) => command('c' + i, `echo ${i === 7 ? 'the needle' : 'step ' + i}`, i % 997 ? 'ok ' + i : evil)).flat());
  await run.say([{ type: 'agent_message', data: { turn: 2, text: 'The very end. ' + evil } }], 'SUCCEEDED');
  await use('/runs/' + run.run_id, async (page) => {
    await page.getByText('The very end.').waitFor();
    await light(page);
    await page.getByRole('button', { name: 'Search this session' }).click();
    await page.keyboard.type('the needle');
    await page.getByRole('log').getByText('echo the needle').waitFor();
    await light(page);
  });
});

test('50 MB of output is shown in part, and leaves the page usable', async () => {
  const run = await ownRun(server, { prompt: 'Loud', title: 'Fifty megabytes' });
  const line = '\x1b[31m' + evil + '\x1b[0m ' + 'x'.repeat(900) + '\n';
  const output = line.repeat(Math.floor(180_000 / line.length));
  await run.say(Array.from({ length: 280 }, (_, i) => command('c' + i, 'cat /dev/urandom', output)).flat(), 'SUCCEEDED');
  await use('/runs/' + run.run_id, async (page) => {
    await page.getByText('cat /dev/urandom').last().waitFor();
    await page.getByRole('button', { name: /^Show all/ }).last().click();
    await page.getByRole('button', { name: 'Unfold everything' }).click();
    await page.getByLabel('Message to the agent').isEnabled();
    await light(page);
  });
});

test('100,000 runs are walked through by pages', () => use('/runs', async (page) => {
  const list = page.getByRole('list', { name: 'Runs' });
  await list.getByRole('listitem').first().waitFor();
  for (const wanted of [300, 600, 900]) {
    await until(`run ${wanted}`, async () => {
      await list.evaluate((pane) => pane.scrollTo(0, pane.scrollHeight));
      return (await list.evaluate((pane) => pane.scrollHeight)) > wanted * 50;
    });
    await light(page);
  }
}));

// The pages a browser finds on a server, with runs on it whose every word is hostile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { open, run, startBrowser, startServer } from './kit.mjs';

const hostile = '<img src=x onerror="window.owned=1;alert(1)"><script>window.owned=1</script>"\'><svg onload=alert(1)>';
let server, browser, ran;

before(async () => {
  [server, browser] = await Promise.all([startServer(), startBrowser()]);
  ran = await run(server, { prompt: hostile, title: hostile, metadata: { ticket: hostile } },
    { text: hostile, tool_calls: [{ name: 'bash', input: { command: `printf '%s' '<script>alert(2)</script>'` } }] },
    { text: '[click](javascript:alert(3)) ' + hostile });
  assert.equal(ran.state, 'SUCCEEDED', ran.status_message?.message);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Nothing that came from a run became part of the page. */
async function inert(page) {
  assert.equal(await page.evaluate(() => window.owned), undefined);
  assert.equal(await page.locator('[onerror], [onload], a[href^="javascript:"]').count(), 0);
}

test('the front page', () => open(browser, server, '/', 'home', inert));

test('the page of a run', () => open(browser, server, '/runs/' + ran.run_id, 'run', inert));

test('the page of a run nobody knows', () => open(browser, server, '/runs/01a1f96c-0000-7000-8000-4890d802a9b5', 'run-unknown', inert));

test('the reference', () => open(browser, server, '/docs', 'docs', async (page) => {
  await inert(page);
  assert.ok(await page.getByText('/agent/runs').count() > 0, 'the reference names no operation');
}));

test('the page an error names', async () => {
  const answer = await fetch(server.url + '/api/v1/agent/runs?limit=0', { headers: { authorization: 'Bearer ' + server.key } });
  const { type } = await answer.json();
  await open(browser, server, type, 'docs-error', inert);
});

test('an address made of markup', async () => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.on('dialog', (d) => assert.fail('dialog: ' + d.message()));
    for (const path of ['/runs/', '/docs/errors/', '/nowhere/', '/?q=', '/#']) {
      await page.goto(server.url + path + encodeURIComponent(hostile));
      await inert(page);
    }
  } finally {
    await context.close();
  }
});

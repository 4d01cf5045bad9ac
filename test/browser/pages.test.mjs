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

test('who is not signed in is sent to do that, and comes back', async () => {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    await page.goto(server.url + '/runs/' + ran.run_id);
    await page.waitForURL((u) => u.pathname === '/sign-in');
    assert.equal(new URL(page.url()).searchParams.get('next'), '/runs/' + ran.run_id);
  } finally {
    await context.close();
  }
});

test('the sign-in', () => open(browser, server, '/sign-in', 'sign-in', inert));

test('the reference', () => open(browser, server, '/docs', 'docs', async (page) => {
  await inert(page);
  assert.ok(await page.getByText('/agent/runs').count() > 0, 'the reference names no operation');
  // Every article is made by the same template: axe takes minutes for hundreds of them and learns nothing after a few.
  await page.evaluate(() => document.querySelectorAll('article:nth-of-type(n+5)').forEach((a) => a.remove()));
}));

test('the page an error names', async () => {
  const answer = await fetch(server.url + '/api/v1/agent/runs?limit=0', { headers: { authorization: 'Bearer ' + server.key } });
  const { type } = await answer.json();
  await open(browser, server, type, 'docs-error', inert);
});

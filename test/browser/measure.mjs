// Measures the console against a real server: node measure.mjs. What a viewer waits for, as numbers.
import { command, ownRun, signIn, startBrowser, startServer } from './kit.mjs';

const server = await startServer({ runs: 100_000 });
const browser = await startBrowser();
const state = await signIn(browser, server);

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const worst = (numbers, part) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * part)];
const say = (what, value) => console.log(what.padEnd(58) + value);
const ms = (n) => n.toFixed(n < 10 ? 1 : 0) + ' ms';

/** Opens a page as a first visit, nothing kept from another. */
async function visit(path, story) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, storageState: state });
  try {
    const page = await context.newPage();
    const begun = performance.now();
    await page.goto(server.url + path, { waitUntil: 'commit' });
    return await story(page, () => performance.now() - begun);
  } finally {
    await context.close();
  }
}

/** Repeats a visit and returns what each took. */
async function times(n, path, seen) {
  const took = [];
  for (let i = 0; i < n; i++) took.push(await visit(path, async (page, since) => (await seen(page), since())));
  return took;
}

try {
  const loaded = await visit('/runs', async (page) => {
    await page.getByRole('listitem').first().waitFor();
    return page.evaluate(() => performance.getEntriesByType('resource').filter((r) => r.name.endsWith('.js')).reduce((sum, r) => sum + r.encodedBodySize, 0));
  });
  say('JavaScript of a first visit to the runs, as sent', (loaded / 1024).toFixed(0) + ' KiB');
  say('first visit to the first of 100,000 runs, median of 7', ms(middle(await times(7, '/runs', (page) => page.getByRole('listitem').first().waitFor()))));

  const frames = await visit('/runs', async (page) => {
    await page.getByRole('listitem').first().waitFor();
    return page.getByRole('list', { name: 'Runs' }).evaluate((pane) => new Promise((done) => {
      const took = [];
      let last = performance.now();
      const step = (now) => {
        took.push(now - last);
        last = now;
        pane.scrollTop += 60;
        if (took.length < 600) requestAnimationFrame(step);
        else done({ took: took.slice(1), rows: Math.round(pane.scrollTop / 54) });
      };
      requestAnimationFrame(step);
    }));
  });
  say(`a frame while scrolling past ${frames.rows} runs, median and p99`, `${ms(middle(frames.took))}, ${ms(worst(frames.took, 0.99))}`);

  const long = await ownRun(server, { prompt: 'Long', title: 'Ten thousand entries' });
  await long.say(Array.from({ length: 5000 }, (_, i) => command('c' + i, 'echo ' + i, 'ok ' + i)).flat());
  await long.say([{ type: 'agent_message', data: { turn: 2, text: 'The very end' } }], 'SUCCEEDED');
  say('first visit to the end of a session of 10,000 entries', ms(middle(await times(7, '/runs/' + long.run_id, (page) => page.getByText('The very end').waitFor()))));

  const spoken = await ownRun(server, { prompt: 'Speak', title: 'Words' });
  await spoken.say([{ type: 'agent_message', data: { turn: 1, text: 'Ready to speak' } }]);
  const delays = await visit('/runs/' + spoken.run_id, async (page) => {
    await page.getByText('Ready to speak').waitFor();
    await page.evaluate(() => {
      window.painted = {};
      new MutationObserver(() => {
        const last = document.querySelector('[role=log]').innerText.match(/word\d+(?!.*word\d)/s)?.[0];
        if (last && !window.painted[last]) requestAnimationFrame(() => (window.painted[last] ??= Date.now()));
      }).observe(document.querySelector('[role=log]'), { subtree: true, childList: true, characterData: true });
    });
    const sent = {};
    let offset = 0;
    for (let i = 0; i < 60; i++) {
      const text = `word${i} `;
      sent['word' + i] = Date.now();
      await spoken.speak('m1', offset, text);
      offset += text.length;
      await new Promise((r) => setTimeout(r, 50));
    }
    await page.waitForFunction(() => window.painted.word59);
    const painted = await page.evaluate(() => window.painted);
    return Object.keys(painted).map((word) => painted[word] - sent[word]);
  });
  say('a word said by the runner to its paint, median and p95', `${ms(middle(delays))}, ${ms(worst(delays, 0.95))}`);
} finally {
  await browser.close();
  await server.stop();
}

// The HTML report in headless Chromium: what a reader sees and does. Screenshots are kept in out/browser/.
// Run by .ci/run after the build: node --test tests/browser/. CHROMIUM names the browser, else Debian's.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const root = resolve(import.meta.dirname, '../..');
const out = join(root, 'out/browser');
const policies = ['kvm-5.14', 'kvm-6.12', 'always-guest', 'always-current', 'never'];
let browser;
let results;

function nestsim(...words) {
  return execFileSync('dotnet', [join(root, 'Sim.Cli/bin/Release/net10.0/nestsim.dll'), ...words], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Opens a page, hands it to the body, and fails if the browser had anything to complain about or the page asked for anything. */
async function visit(file, options, body) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const complaints = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => request.url().startsWith('data:font/') || request.url() === pathToFileURL(file).href || complaints.push(`request: ${request.url()}`));
    await page.goto(pathToFileURL(file).href);
    await drawn(page, 1);
    await body(page);
  } finally {
    await context.close();
  }

  assert.deepEqual(complaints, []);
}

const drawn = (page, times) => page.waitForFunction((n) => Number(document.documentElement.dataset.drawn) >= n, times, { timeout: 10_000 });
const expectedCharts = (page) => page.evaluate(() => JSON.parse(document.getElementById('report-data').textContent).charts.map((chart) => chart.name));
const firstCells = (page, table) => page.$$eval(`${table} tbody tr:not([hidden])`, (rows) => rows.map((row) => row.cells[0].textContent));
const total = (run) => run.values.filter((value) => value.path.startsWith('cycles.')).reduce((sum, value) => sum + value.value, 0);

before(async () => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  nestsim('compare', 'traces/nested-sqlite-vpid-new.nst.gz', '--policies', policies.join(','), '--measure', '300000', '--interval', '10000', '--refill-curve', '-q', '-o', join(out, 'results'));
  nestsim('report', join(out, 'results/results.json'), '-o', join(out, 'report.html'));
  results = JSON.parse(readFileSync(join(out, 'results/results.json'), 'utf8'));
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});

after(() => browser?.close());

for (const [name, options] of Object.entries({
  desktop: {},
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
  dark: { colorScheme: 'dark' },
})) {
  test(`every chart is drawn and fits the page: ${name}`, () => visit(join(out, 'report.html'), options, async (page) => {
    const charts = await expectedCharts(page);
    assert.ok(charts.includes('cost-by-cause') && charts.length >= 8, `charts: ${charts}`);
    for (const chart of charts) {
      const plot = await page.$eval(`#chart-${chart} .plot`, (place) => ({
        marks: place.querySelectorAll('.mark-rect path, .mark-line path, .mark-symbol path').length,
        labels: place.querySelectorAll('.role-axis-label text').length,
        titles: place.querySelectorAll('.role-axis-title text').length,
        right: place.querySelector('svg').getBoundingClientRect().right - place.getBoundingClientRect().right,
      }));
      assert.ok(plot.marks > 0 && plot.labels > 1 && plot.titles > 0, `${chart}: ${JSON.stringify(plot)}`);
      assert.ok(plot.right <= 1, `${chart} sticks out by ${plot.right} px`);
    }

    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), options.viewport?.width ?? 1280);
    await page.screenshot({ path: join(out, `${name}-top.png`) });
    for (const part of ['findings', 'charts', 'tables', 'reproduce']) {
      await page.$eval(`#${part}`, (section) => section.scrollIntoView());
      await page.screenshot({ path: join(out, `${name}-${part}.png`) });
    }
  }));
}

test('the ground is dark for a reader who likes it dark, and ink is light', () => visit(join(out, 'report.html'), { colorScheme: 'dark' }, async (page) => {
  const brightness = (colour) => colour.match(/\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
  assert.ok(brightness(await page.$eval('body', (body) => getComputedStyle(body).backgroundColor)) < 40);
  assert.ok(brightness(await page.$eval('#chart-exits .role-axis-label text', (label) => getComputedStyle(label).fill)) > 150);
}));

test('the first screen answers the question: policy, cost, safety, reference', () => visit(join(out, 'report.html'), {}, async (page) => {
  const screen = await page.evaluate(() => [...document.querySelectorAll('h1, .lead, .about, .standings')].filter((e) => e.getBoundingClientRect().bottom <= innerHeight).map((e) => e.textContent).join('\n'));
  for (const expected of [/kvm-6\.12\b.*; (safe on this trace|safety was not exercised by this trace)/, /against kvm-5\.14/, /yardstick/]) {
    assert.match(screen, expected instanceof RegExp ? expected : new RegExp(expected));
  }
}));

test('a table sorts by its exact numbers, largest first, then smallest first', () => visit(join(out, 'report.html'), {}, async (page) => {
  const sorted = (direction) => [...results.runs].sort((a, b) => direction * (total(a) - total(b))).map((run) => run.run);
  const header = page.locator('.standings thead th').last();
  await header.locator('button').click();
  assert.deepEqual(await firstCells(page, '.standings'), sorted(-1));
  assert.equal(await header.getAttribute('aria-sort'), 'descending');
  await header.locator('button').click();
  assert.deepEqual(await firstCells(page, '.standings'), sorted(1));
}));

test('the filter keeps the rows that have every word', () => visit(join(out, 'report.html'), {}, async (page) => {
  await page.locator('summary', { hasText: 'All statistics' }).click();
  const section = page.locator('section.table', { has: page.locator('summary') });
  const all = await section.locator('tbody tr').count();
  await section.locator('input').fill('LANE[0] walk_cycles');
  const kept = await section.locator('tbody tr:not([hidden]) th').allTextContents();
  assert.ok(kept.length > 0 && kept.length < all && kept.every((name) => name.includes('walk_cycles')), kept.join());
  assert.equal(await section.locator('.count').textContent(), `${kept.length} of ${all} rows`);
  await section.locator('input').fill('no such statistic');
  assert.equal(await section.locator('tbody tr:not([hidden])').count(), 0);
  await section.locator('input').fill('');
  assert.equal(await section.locator('tbody tr:not([hidden])').count(), all);
}));

test('a tooltip tells the exact number under the pointer and goes away', () => visit(join(out, 'report.html'), {}, async (page) => {
  const plot = page.locator('#chart-misses-by-cause .plot');
  await plot.scrollIntoViewIfNeeded();
  await plot.locator('.mark-rect path[aria-label*="always-current"][aria-label*="flushed"]').hover();
  const flushed = results.runs.find((run) => run.run === 'always-current').values.filter((value) => value.path === 'lane[0].walks.flushed').reduce((sum, value) => sum + value.value, 0);
  const tip = page.locator('.tip');
  await tip.waitFor();
  assert.match(await tip.textContent(), new RegExp(`always-current.*flushed.*${flushed.toLocaleString('en')} walks`));
  await page.screenshot({ path: join(out, 'tooltip.png') });
  await page.mouse.move(5, 5);
  await tip.waitFor({ state: 'hidden' });
}));

test('a policy that is not wanted leaves charts and tables, and comes back', () => visit(join(out, 'report.html'), {}, async (page) => {
  const names = () => page.$$eval('#chart-cost-by-cause .role-axis-label text', (labels) => labels.map((label) => label.textContent));
  assert.ok((await names()).includes('never'));
  await page.locator('.runs label', { hasText: 'never' }).locator('input').uncheck();
  await drawn(page, 2);
  assert.ok(!(await names()).includes('never'));
  assert.deepEqual(await firstCells(page, '.standings'), policies.filter((name) => name !== 'never'));
  const columns = page.locator('section.table', { hasText: 'Cycles by activity' }).locator('thead th:not([hidden])');
  assert.equal(await columns.count(), policies.length);
  await page.locator('.runs label', { hasText: 'never' }).locator('input').check();
  await drawn(page, 3);
  assert.ok((await names()).includes('never'));
  assert.equal(await columns.count(), policies.length + 1);
}));

test('print is black on white, with the charts', () => visit(join(out, 'report.html'), { colorScheme: 'dark' }, async (page) => {
  writeFileSync(join(out, 'print.pdf'), await page.pdf({ format: 'A4' }));
  await page.emulateMedia({ media: 'print' });
  await page.evaluate(() => dispatchEvent(new Event('beforeprint')));
  await drawn(page, 3);
  assert.equal(await page.$eval('body', (body) => getComputedStyle(body).backgroundColor), 'rgb(255, 255, 255)');
  const light = await page.evaluate(() => JSON.parse(document.getElementById('report-data').textContent).themes.light.axis.labelColor);
  assert.equal(await page.$eval('#chart-exits .role-axis-label text', (label) => label.getAttribute('fill')), light);
}));

test('the policy of the page refuses code that is not its own', async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(pathToFileURL(join(out, 'report.html')).href);
  const refused = await page.evaluate(async () => {
    const directives = [];
    document.addEventListener('securitypolicyviolation', (violation) => directives.push(violation.effectiveDirective));
    const script = document.createElement('script');
    script.textContent = 'window.hit = 1';
    document.body.append(script);
    const button = document.createElement('button');
    button.setAttribute('onclick', 'window.hit = 1');
    document.body.append(button);
    button.click();
    const style = document.createElement('style');
    style.textContent = 'body { display: none }';
    document.body.append(style);
    const image = document.createElement('img');
    image.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';
    document.body.append(image);
    await fetch('https://example.com/').catch(() => {});
    await new Promise((done) => setTimeout(done, 50));
    return { hit: window.hit, display: getComputedStyle(document.body).display, directives: directives.sort() };
  });
  assert.deepEqual(refused, { hit: undefined, display: 'block', directives: ['connect-src', 'img-src', 'script-src-attr', 'script-src-elem', 'style-src-elem'] });
  assert.doesNotMatch(await page.$eval('meta[http-equiv="Content-Security-Policy"]', (meta) => meta.content), /unsafe/);
  await context.close();
});

const hostile = ['<img src=x onerror=window.hit=1>', '</script><script>window.hit=1</script>', '"><svg onload=window.hit=1>', '=1+1', "a\nb\r\tc", 'abc\u202Efdp.exe', '\u0000\u2028\u200F', "');window.hit=1;//"];

test('hostile labels stay text, in the page and in the charts', async () => {
  const bad = structuredClone(results);
  bad.runs.forEach((run, i) => { run.run = hostile[i]; run.policy = hostile[i]; });
  bad.provenance.reference = hostile[0];
  bad.provenance.trace.name = hostile[1];
  bad.provenance.trace.properties = Object.fromEntries(hostile.map((text, i) => [`${i}${text}`, text]));
  bad.provenance.profile = hostile[2];
  bad.session.command_line = hostile.join(' ');
  bad.runs[0].failed_vm_entries = [{ time: 1, lane: 0, vcpu: 0, vmcs12: 1, check: hostile[1] }];
  bad.runs[1].failure = { exit_code: 4, message: hostile[0] + hostile[5] };
  bad.runs[2].safety = { permitted_stale_uses: 0, findings: [{ kind: hostile[0], count: 3, story: [hostile[1], hostile[5]] }] };
  for (const run of bad.runs) {
    for (const value of run.values.filter((v) => v.path === 'lane[0].walks.flushed')) {
      value.label = `invalidation=${hostile[0]},transition=${hostile[1]},rule=${hostile[5]}`;
      break;
    }
  }

  writeFileSync(join(out, 'hostile.json'), JSON.stringify(bad));
  nestsim('report', join(out, 'hostile.json'), '-o', join(out, 'hostile.html'));
  await visit(join(out, 'hostile.html'), {}, async (page) => {
    const found = await page.evaluate(() => ({
      hit: window.hit,
      images: document.querySelectorAll('img').length,
      handlers: document.querySelectorAll('[onload], [onerror]').length,
      scripts: document.scripts.length,
      turned: /[\u202A-\u202E\u2066-\u2069]/.test(document.body.textContent.replace(document.getElementById('report-data').textContent, '')),
      shown: document.querySelector('.standings').textContent,
      axis: [...document.querySelectorAll('#chart-cost-by-cause .role-axis-label text')].map((label) => label.textContent).join(),
    }));
    assert.deepEqual({ ...found, shown: undefined, axis: undefined }, { hit: undefined, images: 0, handlers: 0, scripts: 2, turned: false, shown: undefined, axis: undefined });
    assert.ok(found.shown.includes(hostile[0]) && found.shown.includes('a\\u000ab'), found.shown);
    assert.ok(found.axis.includes('<img'), found.axis);
    await page.screenshot({ path: join(out, 'hostile.png') });
  });

  nestsim('report', join(out, 'hostile.json'), '--charts', 'svg', '-o', join(out, 'hostile-svg'));
  const context = await browser.newContext();
  const page = await context.newPage();
  for (const file of readdirSync(join(out, 'hostile-svg'))) {
    await page.goto(pathToFileURL(join(out, 'hostile-svg', file)).href);
    const found = await page.evaluate(() => ({ root: document.documentElement.tagName, hit: window.hit, live: document.querySelectorAll('script, img, foreignObject, [onload], [onerror]').length }));
    assert.deepEqual(found, { root: 'svg', hit: undefined, live: 0 }, file);
  }

  await context.close();
});

test('static charts: one SVG and one PNG for each chart with data, the same bytes again', () => {
  const charts = nestsim('report', join(out, 'results/results.json'), '--charts', 'json', '-o', join(out, 'json')).trim().split('\n').map((path) => path.match(/([^/]+)\.json$/)[1]);
  assert.ok(charts.length >= 8);
  for (const format of ['svg', 'png']) {
    for (const again of ['', '-again']) {
      nestsim('report', join(out, 'results/results.json'), '--charts', format, '-o', join(out, format + again));
    }

    for (const chart of charts) {
      const bytes = readFileSync(join(out, format, `${chart}.${format}`));
      assert.deepEqual(readFileSync(join(out, `${format}-again`, `${chart}.${format}`)), bytes);
      if (format === 'png') {
        assert.equal(bytes.subarray(0, 8).toString('latin1'), '\x89PNG\r\n\x1a\n');
        assert.ok(bytes.readUInt32BE(16) > 1280 && bytes.readUInt32BE(20) > 300, `${chart}: ${bytes.readUInt32BE(16)} x ${bytes.readUInt32BE(20)}`);
      } else {
        assert.match(bytes.toString('utf8'), /^<svg [\s\S]*<\/svg>\n$/);
      }
    }
  }
});

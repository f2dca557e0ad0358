import { expect, test } from 'vitest';
import type { RunReport, StreamReport } from '../engine/index.ts';
import { Recorder } from './recorder.ts';
import { runPage } from './run-page.ts';

const pipe = 'p';

test('a recording stays as small as it is, however long the run lasts, and its last sample holds all that came', () => {
  let now = 1000;
  const recorder = new Recorder(() => now, () => 7);
  for (let i = 0; i < 50_000; i++) {
    now += 90;
    const split = `s${i % 300}`;
    recorder.on({ type: 'progress', pipe, streams: ['a'], split, rows: 3, bytes: 10 });
    now += 10;
    recorder.on({ type: 'committed', pipe, streams: ['a'], split, rows: 3, rejected: 0, bytes: 10 });
    recorder.on({ type: 'note', level: 'info', message: `note ${i}` });
  }
  const { samples, commits, bars, remarks, durationMs } = recorder.end();
  expect(samples.length).toBeLessThanOrEqual(600);
  expect(samples.length).toBeGreaterThan(250);
  expect(samples.at(-1)).toEqual({ at: durationMs, rows: 150_000, bytes: 500_000, memory: 7 });
  expect(samples.map(({ at }) => at)).toEqual(samples.map(({ at }) => at).toSorted((a, b) => a - b));
  expect(commits.length).toBeLessThanOrEqual(2_000);
  expect(new Set(commits.map(({ ms }) => ms))).toEqual(new Set([10]));
  expect(bars).toHaveLength(200);
  expect(bars[0]).toMatchObject({ label: 's0', from: 90, rows: 501, commits: 167 });
  expect(remarks).toHaveLength(500);
});

test('a page loads nothing and runs nothing, whatever the names are', () => {
  const hostile = `"><script>alert(1)</script><img src=https://x/y onerror='z'>&`;
  const error = { kind: 'data', code: 'ETL-X-001', message: hostile, hint: hostile, location: { file: hostile, line: 1, column: 2 } } as const;
  const stream: StreamReport = { pipe: hostile, stream: hostile, table: hostile, sync: 'full', write: 'replace', outcome: 'failed', read: 3, written: 2, rejected: 1, bytes: 9, to: { at: hostile }, schemaChanges: [hostile], retries: 0, durationMs: 5, promise: hostile, continued: false, error };
  const report: RunReport = { runId: hostile, job: hostile, startedAt: hostile, durationMs: 9, streams: [stream], notes: [], outcome: 'failed', error };
  let now = 0;
  const recorder = new Recorder(() => now, () => 5);
  for (const rows of [1, 2]) {
    now += 200;
    recorder.on({ type: 'progress', pipe, streams: [hostile], split: hostile, rows, bytes: rows });
  }
  recorder.on({ type: 'note', level: 'warn', message: hostile });
  const page = runPage(report, recorder.end(), hostile);
  const tags = new Set([...page.matchAll(/<\/?([^\s>]+)/g)].map(([, tag]) => tag));
  expect(tags).toEqual(new Set(['!doctype', 'html', 'head', 'meta', 'title', 'style', 'body', 'h1', 'h2', 'p', 'table', 'thead', 'tbody', 'tr', 'th', 'td', 'div', 'br', 'span', 'code', 'svg', 'line', 'text', 'polyline', 'rect']));
  expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  expect(page).toContain("default-src 'none'");
  for (const part of ['Errors', 'Streams', 'Rows a second', 'Memory', 'Splits', 'Schema', 'What happened']) expect(page, part).toContain(part);
});

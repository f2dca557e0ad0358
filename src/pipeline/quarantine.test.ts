import { expect, test } from 'vitest';
import type { Normalizer } from '../normalize/normalizer.ts';
import type { Rejection } from '../sdk/contract.ts';
import { createQuarantine, type QuarantinePolicy, type StreamTally } from './quarantine.ts';

const bad = (count: number): Rejection[] => Array.from({ length: count }, (_, i) => ({ id: String(i), stream: 's', code: 'ETL-TST-010', reason: 'bad', row: {} }));

/** A normaliser that has seen so many rows so far. */
const seen = (rows: number): Normalizer => ({ counts: new Map([['s', { rows }]]), takeRejections: () => [] }) as unknown as Normalizer;

function quarantineOf(policy: Partial<QuarantinePolicy>, tally: StreamTally = { rows: 0, rejected: 0 }) {
  return createQuarantine(() => ({ badRows: 'quarantine', ...policy }), new Map([['s', tally]]));
}

test('rule 31: a percentage is judged from 10,000 rows of the stream on, or at the end of the split', () => {
  const policy = { maxBadRatio: 0.01 };
  expect(quarantineOf(policy).take(seen(9_999), bad(500), false)).toHaveLength(500);
  expect(() => quarantineOf(policy).take(seen(9_999), bad(500), true)).toThrow(/500 of 9999/);
  expect(() => quarantineOf(policy).take(seen(10_000), bad(101), false)).toThrow(/101 of 10000/);
  expect(quarantineOf(policy).take(seen(10_000), bad(100), true)).toHaveLength(100);
});

test('rule 31: the share is of all rows of the stream so far; a commit that failed counts nothing', () => {
  const tally = { rows: 9_000, rejected: 90 };
  const quarantine = quarantineOf({ maxBadRatio: 0.01 }, tally);
  quarantine.take(seen(1_000), bad(10), false);
  expect(tally, 'not committed yet').toEqual({ rows: 9_000, rejected: 90 });
  quarantine.settle();
  expect(tally).toEqual({ rows: 10_000, rejected: 100 });
  expect(() => quarantine.take(seen(1_100), bad(2), false), 'of 100 rows more').toThrow(/102 of 10100/);
});

test('a number of bad rows is judged at once, and bad_rows: fail takes none', () => {
  expect(() => quarantineOf({ maxBadRows: 2 }).take(seen(3), bad(3), false)).toThrow(/3 of 3/);
  expect(() => quarantineOf({ badRows: 'fail' }).take(seen(3), bad(1), false)).toThrow(/a row is refused/);
});

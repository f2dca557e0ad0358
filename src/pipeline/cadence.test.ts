import { expect, test } from 'vitest';
import { batchOf, memoryInUse, rows, type Batch, type Schema } from '../batch/index.ts';
import { testPorts } from '../sdk/testing/index.ts';
import { createCadence, createPace, type Cadence } from './cadence.ts';

const batch = (byteSize: number): Batch => ({ stream: 's', length: 1, byteSize }) as unknown as Batch;
const report = { accepted: () => undefined, committed: () => undefined };
const stop = new AbortController().signal;

async function admit(cadence: Cadence, one: Batch): Promise<readonly Batch[]> {
  const parts: Batch[] = [];
  for await (const part of cadence.admit(one, report)) parts.push(part);
  return parts;
}

test('rule 16: a transaction is committed in parts only where it is larger than the destination can hold', async () => {
  const { clock } = testPorts(1);
  const unlimited = createCadence({ intervalMs: 0, bytes: 1 }, clock, stop);
  await admit(unlimited, batch(1e9));
  expect(unlimited.mustSpill()).toBe(false);
  const limited = createCadence({ intervalMs: 0, bytes: 1, maxTransactionBytes: 100 }, clock, stop);
  await admit(limited, batch(99));
  expect(limited.mustSpill()).toBe(false);
  await admit(limited, batch(1));
  expect(limited.mustSpill()).toBe(true);
  limited.committed();
  expect(limited.mustSpill()).toBe(false);
});

test('a commit is due when its time or its bytes have come', async () => {
  const ports = testPorts(1);
  const cadence = createCadence({ intervalMs: 1000, bytes: 100 }, ports.clock, stop);
  expect(cadence.due()).toBe(false);
  ports.advance(1000);
  expect(cadence.due()).toBe(true);
  cadence.committed();
  expect(cadence.due()).toBe(false);
  await admit(cadence, batch(100));
  expect(cadence.due()).toBe(true);
});

const schema: Schema = { fields: [{ name: 'id', type: { kind: 'int32' }, nullable: false }], key: [] };
const rowsOf = (from: number, count: number): Batch => batchOf('s', schema, Array.from({ length: count }, (_, i) => ({ values: { id: from + i } })));

/** What two splits, each of some batches, hand on under one rate, and when, in ms. */
async function run(rowsPerSecond: number, batches: readonly number[], stopAfter = Infinity) {
  const { clock, advance } = testPorts(1);
  const pace = createPace(rowsPerSecond, clock);
  const stopping = new AbortController();
  const before = memoryInUse();
  const seen: { readonly at: number; readonly ids: readonly unknown[] }[] = [];
  let over = false;
  const splits = Promise.all([0, 1].map(async (split) => {
    const cadence = createCadence({ intervalMs: 0, bytes: 1 }, clock, stopping.signal, pace);
    for (const [i, count] of batches.entries()) {
      for await (const part of cadence.admit(rowsOf(split * 1e6 + i * 1e4, count), report)) {
        seen.push({ at: clock.monotonic(), ids: [...rows(part)].map(({ values }) => values['id']) });
        part.release();
        if (seen.length === stopAfter) stopping.abort();
      }
    }
  })).finally(() => { over = true; });
  for (;;) {
    await new Promise((resolve) => { setImmediate(resolve); });
    if (over) break;
    advance(10);
  }
  await splits;
  expect(memoryInUse()).toBe(before);
  return { ms: clock.monotonic(), seen };
}

test('a row rate holds within the first batch, over all splits, and no second has more rows than two seconds may have', async () => {
  const { ms, seen } = await run(100, [500, 30, 0, 1]);
  expect(ms).toBeGreaterThanOrEqual(2 * 531 * 10);
  expect(seen.flatMap(({ ids }) => ids).toSorted((a, b) => Number(a) - Number(b))).toEqual([0, 1e6].flatMap((split) => [500, 30, 0, 1].flatMap((count, i) => Array.from({ length: count }, (_, id) => split + i * 1e4 + id))));
  for (const { at } of seen) expect(seen.filter((other) => other.at >= at && other.at < at + 1000).reduce((sum, { ids }) => sum + ids.length, 0)).toBeLessThanOrEqual(200);
});

test('a rate below one row a second, and what is left after a stop goes at once', async () => {
  expect((await run(0.5, [2])).ms).toBeGreaterThanOrEqual(8000);
  const { ms, seen } = await run(10, [1000], 4);
  expect(seen.flatMap(({ ids }) => ids)).toHaveLength(2000);
  expect(ms).toBeLessThan(10_000);
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConnectorContext } from './connector.ts';
import type { Json, Source, SyncMode } from './contract.ts';
import { simpleSource, type SimplePage } from './simple-source.ts';
import { selectionFor, sourceAcceptance, testPorts } from './testing/index.ts';

const context: ConnectorContext = { ports: testPorts(1), directory: '.', maxBufferedBytes: 1 << 20, note: () => undefined };

async function* pages(from: Json | undefined): AsyncIterable<SimplePage> {
  for (let page = typeof from === 'number' ? from + 1 : 0; page < 5; page++) {
    yield { rows: [{ id: page * 2, name: `a${page}` }, { id: page * 2 + 1 }], position: page };
  }
}

async function* withoutPosition(): AsyncIterable<SimplePage> {
  yield { rows: [{ id: 1, name: null }] };
}

function make(read: (from: Json | undefined) => AsyncIterable<SimplePage>) {
  return simpleSource(context, { identity: 'test:1', streams: { things: { columns: { id: 'int64', name: 'text' }, key: ['id'], read } } });
}

const wanted = (sync: SyncMode) => [selectionFor('things', ['id'], { sync, write: 'merge' })];

for (const sync of ['full', 'incremental'] as const) {
  sourceAcceptance({ name: `simple ${sync}`, make: () => Promise.resolve(make(pages)), selection: () => wanted(sync) }, { describe, test, expect, beforeAll, afterAll });
}
sourceAcceptance({ name: 'simple full without positions', make: () => Promise.resolve(make(withoutPosition)), selection: () => wanted('full') }, { describe, test, expect, beforeAll, afterAll });

test('an incremental pass begins where the last one was committed, a rebuild at the beginning', async () => {
  await using source = make(pages);
  const planned = async (rebuild: boolean) => (await source.plan(wanted('incremental'), {
    runEpoch: 1, loads: [], streams: { things: { position: { v: 1, at: 3, done: true }, rebuild, incarnations: {} } },
  }, { maxSplits: 1, nextLoadId: () => 'L' }))[0];
  expect(await planned(false)).toMatchObject({ kind: 'live', staged: false, rebuild: false, splits: [{ detail: { after: 3 } }] });
  expect(await planned(true)).toMatchObject({ kind: 'live', staged: true, rebuild: true, splits: [{ detail: { after: null } }] });
});

/** All messages of a new incremental pass. */
async function read(source: Source): Promise<void> {
  const [load] = await source.plan(wanted('incremental'), { runEpoch: 1, loads: [], streams: {} }, { maxSplits: 1, nextLoadId: () => 'L' });
  const split = load?.splits[0];
  if (!split) throw new Error('no split');
  for await (const message of source.read({}, split, undefined, new AbortController().signal)) if (message.type === 'batch') message.batch.release();
}

test('rows that no position covers are refused in an incremental read', async () => {
  await using source = make(withoutPosition);
  await expect(read(source)).rejects.toMatchObject({ code: 'ETL-SDK-001' });
});

test.each<[string, unknown]>([
  ['position is null', null], ['position is NaN', NaN], ['position is Infinity', Infinity], ['position is a bigint', 5n], ['position is a Date', new Date(0)],
  ['position.since is NaN', { page: 1, since: NaN }], ['position.at[1].next is undefined', { at: ['a', { next: undefined }] }], ['position.last is a bigint', { last: 9n }],
])('%s: refused before its rows are given', async (fault, position) => {
  const given: string[] = [];
  await using source = make(async function* () {
    yield { rows: [{ id: 1 }], position: { v: [null, 'c1', true, -1.5] } };
    given.push('next');
    yield { rows: [{ id: 2 }], position: position as Json };
    given.push('more');
  });
  await expect(read(source)).rejects.toMatchObject({ code: 'ETL-SDK-003', message: expect.stringContaining(fault) as string });
  expect(given).toEqual(['next']);
});

test('a stored position that is null is refused, not read from the beginning', async () => {
  await using source = make(pages);
  const state = { runEpoch: 1, loads: [], streams: { things: { position: { v: 1, at: null }, rebuild: false, incarnations: {} } } };
  await expect((async () => source.plan(wanted('incremental'), state, { maxSplits: 1, nextLoadId: () => 'L' }))()).rejects.toMatchObject({ code: 'ETL-SDK-002' });
});

test('a request that the stop gives up ends the read without an error, and a position may be changed after it was given', async () => {
  const stop = new AbortController();
  const place = { page: 1 };
  await using source = make(async function* () {
    yield { rows: [{ id: 1, name: null }], position: place };
    place.page = 2;
    stop.abort();
    throw new DOMException('This operation was aborted', 'AbortError');
  });
  const [load] = await source.plan(wanted('incremental'), { runEpoch: 1, loads: [], streams: {} }, { maxSplits: 1, nextLoadId: () => 'L' });
  const split = load?.splits[0];
  if (!split) throw new Error('no split');
  const positions: unknown[] = [];
  for await (const message of source.read({}, split, undefined, stop.signal)) {
    if (message.type === 'batch') message.batch.release();
    if (message.type === 'checkpoint') positions.push(message.position);
  }
  expect(positions).toEqual([{ v: 1, at: { page: 1 } }]);
});

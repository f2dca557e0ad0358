import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EtlError } from '../errors/error.ts';
import type { ConnectorContext } from './connector.ts';
import type { Json, SyncMode } from './contract.ts';
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

test('rows that no position covers are refused in an incremental read', async () => {
  await using source = make(withoutPosition);
  const [load] = await source.plan(wanted('incremental'), { runEpoch: 1, loads: [], streams: {} }, { maxSplits: 1, nextLoadId: () => 'L' });
  const split = load?.splits[0];
  if (!split) throw new Error('no split');
  const read = async () => { for await (const message of source.read({}, split, undefined, new AbortController().signal)) if (message.type === 'batch') message.batch.release(); };
  await expect(read()).rejects.toSatisfy((error) => error instanceof EtlError && error.code === 'ETL-SDK-001');
});

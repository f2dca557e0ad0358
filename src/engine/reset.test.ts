import { expect, test } from 'vitest';
import type { Load, Split } from '../sdk/contract.ts';
import { emptyStore, memoryDestination, targetFor } from '../sdk/testing/index.ts';
import { resetStreams } from './reset.ts';

test('the reset of one stream of a live load leaves the others at what is committed', async () => {
  const store = emptyStore();
  const streams = ['a', 'b'];
  const split: Split = { id: 'live', streams, detail: null, live: true };
  const load: Load = {
    id: 'one', kind: 'live', streams, splits: [split], staged: false, rebuild: false, positions: {}, startedAt: '2026-01-01T00:00:00.000000Z', fingerprint: '', detail: null,
    targets: streams.map((stream) => targetFor(stream, ['id'], { write: 'append' })),
  };
  await using destination = memoryDestination({ store });
  await using run = await destination.claim('pipe', { job: 'job', runId: 'run', sourceIdentity: 'source', host: 'here', pid: 1 });
  await run.begin(load, { a: undefined, b: undefined });
  await using session = await run.open(load, split, new AbortController().signal);
  await session.commit({ type: 'checkpoint', position: { v: 1, at: 7 } }, await session.flush());
  await resetStreams(run, ['a']);
  expect(run.state.loads).toEqual([]);
  expect(run.state.streams['a']).toMatchObject({ rebuild: true });
  expect(run.state.streams['a']?.position).toBeUndefined();
  expect(run.state.streams['b']).toMatchObject({ rebuild: false, position: { v: 1, at: 7 } });
});

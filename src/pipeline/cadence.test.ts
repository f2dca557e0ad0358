import { expect, test } from 'vitest';
import type { Batch } from '../batch/batch.ts';
import { testPorts } from '../sdk/testing/index.ts';
import { createCadence } from './cadence.ts';

const batch = (byteSize: number): Batch => ({ stream: 's', length: 1, byteSize }) as unknown as Batch;
const report = { accepted: () => undefined, committed: () => undefined };
const stop = new AbortController().signal;

test('rule 16: a transaction is committed in parts only where it is larger than the destination can hold', async () => {
  const { clock } = testPorts(1);
  const unlimited = createCadence({ intervalMs: 0, bytes: 1 }, clock, stop);
  await unlimited.admit(batch(1e9), report);
  expect(unlimited.mustSpill()).toBe(false);
  const limited = createCadence({ intervalMs: 0, bytes: 1, maxTransactionBytes: 100 }, clock, stop);
  await limited.admit(batch(99), report);
  expect(limited.mustSpill()).toBe(false);
  await limited.admit(batch(1), report);
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
  await cadence.admit(batch(100), report);
  expect(cadence.due()).toBe(true);
});

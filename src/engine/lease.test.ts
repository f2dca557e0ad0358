import { expect, test } from 'vitest';
import type { Destination, Lease } from '../sdk/contract.ts';
import { testPorts } from '../sdk/testing/index.ts';
import { awaitLease, LEASE_EXPIRY_MS } from './lease.ts';

const LEASE: Lease = { runId: 'other', host: 'here', pid: 7, beat: 1, released: false };

/** Watches what `look` shows; returns how many ms of the watcher's own clock that took. */
async function watch(look: (looks: number) => Lease | undefined, more: { readonly waitLock?: boolean; readonly takeOver?: boolean; readonly alive?: boolean } = {}): Promise<number> {
  const { clock } = testPorts(1, { eager: true });
  let looks = 0;
  const destination = { lease: () => Promise.resolve(look(looks++)) } as unknown as Destination;
  await awaitLease(destination, 'pipe', {
    takeOver: more.takeOver ?? false, waitLock: more.waitLock ?? false, clock, stop: new AbortController().signal, host: 'here', alive: () => more.alive ?? true, note: () => undefined,
  });
  return clock.monotonic();
}

test('rule 8: a lease that is renewed ends the second start, one that stands still for one expiry does not', async () => {
  await expect(watch((looks) => ({ ...LEASE, beat: looks }))).rejects.toMatchObject({ kind: 'locked', code: 'ETL-RUN-030' });
  expect(await watch(() => LEASE)).toBeGreaterThanOrEqual(LEASE_EXPIRY_MS);
  expect(await watch(() => ({ ...LEASE, released: true }))).toBe(0);
  expect(await watch(() => undefined)).toBe(0);
  expect(await watch(() => LEASE, { takeOver: true }), '--take-over watches nothing').toBe(0);
});

test('rule 8: --wait-lock waits for one that is renewed until it is given back', async () => {
  expect(await watch((looks) => ({ ...LEASE, beat: looks, released: looks > 100 }), { waitLock: true })).toBeGreaterThan(LEASE_EXPIRY_MS);
});

test('rule 28: a run that rests for its `after` command renews nothing and holds its lease while its process is there', async () => {
  const resting = { ...LEASE, resting: true };
  await expect(watch(() => resting)).rejects.toMatchObject({ kind: 'locked', message: expect.stringContaining('after') as string });
  expect(await watch(() => resting, { alive: false })).toBeGreaterThanOrEqual(LEASE_EXPIRY_MS);
  expect(await watch(() => ({ ...resting, host: 'elsewhere' }))).toBeGreaterThanOrEqual(LEASE_EXPIRY_MS);
});

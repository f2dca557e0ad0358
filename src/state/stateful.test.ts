import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { testPorts } from '#testing';
import type { Destination, Load, Run, Session } from '../sdk/contract.ts';
import { withStateStore } from './stateful.ts';

let directory = '';
beforeEach(() => { directory = mkdtempSync(join(tmpdir(), 'etl-state-')); });
afterEach(() => { rmSync(directory, { recursive: true, force: true }); });

const load: Load = {
  id: 'l1', kind: 'parts', streams: ['s'], staged: false, rebuild: false, positions: { s: { at: 9 } }, startedAt: '', fingerprint: 'f', targets: [], detail: null,
  splits: [{ id: 'one', streams: ['s'], live: false, detail: null }],
};
const owner = (runId: string) => ({ job: 'j', runId, sourceIdentity: 'db', host: 'h', pid: 1 });

/** A sink that counts what was flushed to it, and may fail while committing. */
function sink(fails: () => boolean): { destination: Destination; flushed: () => number } {
  let flushed = 0;
  const session: Session = {
    committed: undefined, accept: async () => undefined,
    flush: async () => { flushed++; return []; },
    commit: async () => { if (fails()) throw new Error('the pipe broke'); return { revision: 0, rows: 5, rejected: 0, bytes: 50, schemaChanges: [] }; },
    [Symbol.asyncDispose]: async () => undefined,
  };
  const run = { open: async () => session } as unknown as Run;
  return { destination: { capabilities: { keepsState: false }, attach: async () => run } as unknown as Destination, flushed: () => flushed };
}

async function claimed(fails = () => false): Promise<Run> {
  return withStateStore(sink(fails).destination, { directory, ports: testPorts(1) }).claim('j/a->b', owner('r1'));
}

async function commit(run: Run, last: boolean): Promise<void> {
  const [split] = load.splits;
  if (!split) return;
  const session = await run.open(load, split, new AbortController().signal);
  await session.flush();
  await session.commit({ type: 'checkpoint', position: { at: 3 }, ...(last ? { last: true as const } : {}) }, []);
}

test('rule 18: the position is written after the flush, so a failed one leaves it where it was', async () => {
  const run = await claimed(() => true);
  await run.begin(load, {});
  await expect(commit(run, false)).rejects.toThrow('the pipe broke');
  expect((await claimed()).state.loads[0]?.splits['one']?.position).toBeUndefined();
});

test('rules 3, 13 and 29: a split moves its own position, publish the stream\'s, and not before the last part', async () => {
  const run = await claimed();
  await run.begin(load, {});
  await commit(run, false);
  await expect(run.publish(load, ['s'])).rejects.toThrow('not complete');
  await commit(run, true);
  expect(await run.publish(load, ['s'])).toBe('published');
  expect(await run.publish(load, ['s'])).toBe('already');
  expect((await claimed()).state.streams['s']?.position).toEqual({ at: 9 });
});

test('rule 7: an older run is fenced in begin, commit and publish', async () => {
  const old = await claimed();
  await old.begin(load, {});
  await claimed();
  await expect(commit(old, true)).rejects.toMatchObject({ kind: 'fenced', scope: 'run' });
  await expect(old.begin({ ...load, id: 'l2' }, { s: 'l1' })).rejects.toMatchObject({ kind: 'fenced' });
});

test('rule 4: begin compares with the last load', async () => {
  const run = await claimed();
  await run.begin(load, {});
  await expect(run.begin({ ...load, id: 'l2' }, {})).rejects.toMatchObject({ kind: 'fenced', scope: 'load' });
});

test('rule 22: another source behind the same pipe is refused until it is adopted', async () => {
  await claimed();
  const store = withStateStore(sink(() => false).destination, { directory, ports: testPorts(2) });
  await expect(store.claim('j/a->b', { ...owner('r2'), sourceIdentity: 'other' })).rejects.toMatchObject({ kind: 'state_lost' });
  await store.administer('j/a->b', { type: 'adopt', sourceIdentity: 'other', targets: [] });
  await expect(store.claim('j/a->b', { ...owner('r2'), sourceIdentity: 'other' })).resolves.toBeDefined();
});

test('a damaged state file is never taken for empty', async () => {
  await claimed();
  const folder = join(directory, '.etl', 'state');
  const [name] = readdirSync(folder).filter((file) => file.endsWith('.json'));
  writeFileSync(join(folder, name ?? ''), 'deadbeef\n{}');
  await expect(claimed()).rejects.toMatchObject({ kind: 'state_lost', code: 'ETL-STATE-001' });
});

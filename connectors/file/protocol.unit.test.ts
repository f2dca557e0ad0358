import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installFailpoints, type Load } from '#sdk';
import { nodeDisk } from '../_shared/commit-log/disk/node.ts';
import { PIPE, at, commit, destinationOn, hiddenNames, load, open, owner, schema, send, split, target, visibleIds } from '../../test/helpers/file-world.ts';
import { diskError } from './errors.ts';

const disk = nodeDisk(diskError);
let root = '';
let orders = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'etl-file-'));
  orders = join(root, 'orders');
});
afterEach(() => {
  installFailpoints(undefined);
  rmSync(root, { recursive: true, force: true });
});

let seed = 1;
const fresh = () => destinationOn(disk, root, seed++);
const start = async (one: Load, after: Record<string, string | undefined> = {}, runId = 'r1') => {
  const run = await fresh().claim(PIPE, owner(runId));
  await run.begin(one, { 'public.orders': undefined, ...after });
  return run;
};
/** Fails at the failpoint, once: what a kill there leaves, in this process. */
const breakAt = (name: string) => installFailpoints((met) => {
  if (met !== name) return;
  installFailpoints(undefined);
  throw new Error(`broken at ${name}`);
});

describe('append', () => {
  it('shows the rows of each commit, and publishes the position (rules 2, 3)', async () => {
    const one = load('L1');
    const run = await start(one);
    const session = await open(run, one);
    const receipt = await commit(session, target(), [1, 2], at(2));
    expect(receipt).toMatchObject({ revision: 1, rows: 2, rejected: 0 });
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    await commit(session, target(), [3], at(3, { last: true }));
    await session[Symbol.asyncDispose]();
    expect(run.state.streams['public.orders']?.position).toBeUndefined();
    expect(await run.publish(one, ['public.orders'])).toBe('published');
    expect(await run.publish(one, ['public.orders'])).toBe('already');
    expect((await fresh().state(PIPE)).streams['public.orders']).toMatchObject({ position: { done: 'L1' }, lastLoad: 'L1', rebuild: false });
    expect(await visibleIds(disk, orders)).toEqual([1, 2, 3]);
  });

  it('writes no file for a commit without rows, and still moves the position', async () => {
    const one = load('L1');
    const session = await open(await start(one), one);
    expect(await session.commit(at(9), await session.flush())).toMatchObject({ rows: 0 });
    expect((await fresh().state(PIPE)).loads[0]?.splits['s1']?.position).toEqual({ at: 9 });
    expect(await visibleIds(disk, orders)).toEqual([]);
  });

  it('rule 2: dispose commits nothing, and drops what no commit was sent for', async () => {
    const one = load('L1');
    const session = await open(await start(one), one);
    await send(session, target(), [1]);
    await session.flush();
    expect(await hiddenNames(disk, orders)).toHaveLength(1);
    await session[Symbol.asyncDispose]();
    expect(await hiddenNames(disk, orders)).toEqual([]);
    expect(await visibleIds(disk, orders)).toEqual([]);
  });

  it('rule 32: counts are those of all commits', async () => {
    const one = load('L1');
    const run = await start(one);
    await commit(await open(run, one), target(), [1, 2], at(2));
    await commit(await open(run, one), target(), [3, 13], at(4));
    expect(run.state.loads[0]?.splits['s1']).toMatchObject({ rows: 3, rejected: 1, splitEpoch: 2, revision: 1 });
  });
});

describe('replace', () => {
  it('rule 11: shows nothing before publish, then the new generation only', async () => {
    const to = target('replace');
    const first = load('L1', { targets: [to], staged: true });
    const run = await start(first);
    await commit(await open(run, first), to, [1, 2], at(2, { last: true }));
    expect(await visibleIds(disk, orders)).toEqual([]);
    await run.publish(first, ['public.orders']);
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    const second = load('L2', { targets: [to], staged: true });
    await run.begin(second, { 'public.orders': 'L1' });
    await commit(await open(run, second), to, [5], at(1, { last: true }));
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    await run.publish(second, ['public.orders']);
    expect(await visibleIds(disk, orders)).toEqual([5]);
  });

  it('rule 13: publish before the last part is refused; one that died after its record is finished by the next claim', async () => {
    const to = target('replace');
    const first = load('L1', { targets: [to], staged: true, splits: [split('a'), split('b')] });
    const run = await start(first);
    await commit(await open(run, first, split('a')), to, [1], at(1, { last: true }));
    await expect(run.publish(first, ['public.orders'])).rejects.toMatchObject({ code: 'ETL-LOG-007' });
    await commit(await open(run, first, split('b')), to, [2], at(1, { last: true }));
    await run.publish(first, ['public.orders']);
    const second = load('L2', { targets: [to], staged: true });
    await run.begin(second, { 'public.orders': 'L1' });
    await commit(await open(run, second), to, [7], at(1, { last: true }));
    breakAt('file.publish.recorded');
    await expect(run.publish(second, ['public.orders'])).rejects.toThrow('broken');
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    await fresh().claim(PIPE, owner('r2'));
    expect(await visibleIds(disk, orders)).toEqual([7]);
    expect(await hiddenNames(disk, orders)).toEqual([]);
  });

  it('rule 7: a run that slept while its files got their names, and whose successor has replaced them, is fenced', async () => {
    const to = target('replace');
    const first = load('L1', { targets: [to], staged: true });
    const run = await start(first);
    await commit(await open(run, first), to, [1, 2], at(2, { last: true }));
    installFailpoints(async (met) => {
      if (met !== 'file.name') return;
      installFailpoints(undefined);
      const successor = await fresh().claim(PIPE, owner('r2'));
      const second = load('L2', { targets: [to], staged: true });
      await successor.begin(second, { 'public.orders': 'L1' });
      await commit(await open(successor, second), to, [5], at(1, { last: true }));
      await successor.publish(second, ['public.orders']);
    });
    await expect(run.publish(first, ['public.orders'])).rejects.toMatchObject({ kind: 'fenced', scope: 'run' });
    expect(await visibleIds(disk, orders)).toEqual([5]);
  });

  it('rule 8: a reset load is staged and replaces the rows of an append', async () => {
    const one = load('L1');
    const run = await start(one);
    await commit(await open(run, one), target(), [1], at(1, { last: true }));
    await run.publish(one, ['public.orders']);
    await run.reset(['public.orders']);
    expect(run.state.streams['public.orders']).toMatchObject({ rebuild: true, lastLoad: 'L1' });
    const again = load('L2', { staged: true, rebuild: true });
    await run.begin(again, { 'public.orders': 'L1' });
    await commit(await open(run, again), target(), [4], at(1, { last: true }));
    expect(await visibleIds(disk, orders)).toEqual([1]);
    await run.publish(again, ['public.orders']);
    expect(await visibleIds(disk, orders)).toEqual([4]);
    expect(run.state.streams['public.orders']?.rebuild).toBe(false);
  });
});

describe('fences', () => {
  it('rule 7: a newer claim fences commit, begin, publish, reset, open and the lease', async () => {
    const one = load('L1');
    const old = await start(one);
    const session = await open(old, one);
    await send(session, target(), [1]);
    await session.flush();
    await fresh().claim(PIPE, owner('r2'));
    const fenced = { kind: 'fenced', scope: 'run' };
    await expect(session.commit(at(1), [])).rejects.toMatchObject(fenced);
    await expect(old.begin(load('L2'), { 'public.orders': 'L1' })).rejects.toMatchObject(fenced);
    await expect(old.publish(one, ['public.orders'])).rejects.toMatchObject(fenced);
    await expect(old.reset(['public.orders'])).rejects.toMatchObject(fenced);
    await expect(open(old, one)).rejects.toMatchObject(fenced);
    await expect(old.renewLease()).rejects.toMatchObject(fenced);
    expect(await visibleIds(disk, orders)).toEqual([]);
  });

  it('rule 7: a newer session fences an older one of the same run, whose files are swept', async () => {
    const one = load('L1');
    const run = await start(one);
    const older = await open(run, one);
    await send(older, target(), [1]);
    await older.flush();
    const newer = await open(run, one);
    expect(await hiddenNames(disk, orders)).toEqual([]);
    await expect(older.commit(at(1), [])).rejects.toBeDefined();
    await commit(newer, target(), [1], at(1));
    expect(await visibleIds(disk, orders)).toEqual([1]);
  });

  it('rule 7: the load is checked, though reset raises no split epoch', async () => {
    const one = load('L1');
    const run = await start(one);
    const session = await open(run, one);
    await commit(session, target(), [1], at(1));
    await run.reset(['public.orders']);
    await expect(session.commit(at(2), [])).rejects.toMatchObject({ kind: 'fenced', scope: 'load' });
  });

  it('rule 4: begin compares with the last load, open or ended, and ends what it replaces', async () => {
    const run = await start(load('L1'));
    await expect(run.begin(load('L2'), { 'public.orders': undefined })).rejects.toMatchObject({ kind: 'fenced' });
    await run.begin(load('L2'), { 'public.orders': 'L1' });
    await expect(open(run, load('L1'))).rejects.toMatchObject({ kind: 'fenced', scope: 'load' });
    await run.begin(load('L2'), { 'public.orders': 'L1' });
    expect(run.state.loads.map((one) => one.load.id)).toEqual(['L2']);
  });

  it('rule 8: no epoch ever falls: after reset and import it is higher', async () => {
    const one = load('L1');
    const run = await start(one);
    await open(run, one);
    await run.reset(['public.orders'], { 'public.orders': { at: 7 } });
    expect(run.state.streams['public.orders']?.position).toEqual({ at: 7 });
    const admin = fresh();
    await admin.administer(PIPE, { type: 'import', streams: { 'public.orders': { position: { at: 3 } } } });
    expect(await admin.state(PIPE)).toMatchObject({ runEpoch: 2, streams: { 'public.orders': { position: { at: 3 }, lastLoad: 'L1' } } });
    await expect(run.renewLease()).rejects.toMatchObject({ kind: 'fenced' });
  });

  it('attach takes part in the same run only', async () => {
    const one = load('L1');
    const run = await start(one);
    const worker = await fresh().attach(run.token);
    await commit(await open(worker, one), target(), [1], at(1));
    await fresh().claim(PIPE, owner('r2'));
    await expect(fresh().attach(run.token)).rejects.toMatchObject({ kind: 'fenced' });
  });
});

describe('what a dead writer left', () => {
  for (const place of ['file.data.synced', 'file.commit.prepared', 'log.record.synced']) {
    it(`rule 26: broken at ${place}, nothing shows and the next open takes the rows again`, async () => {
      const one = load('L1');
      const run = await start(one);
      const session = await open(run, one);
      await send(session, target(), [1]);
      breakAt(place);
      await expect(session.commit(at(1), await session.flush())).rejects.toThrow('broken');
      await session[Symbol.asyncDispose]();
      const again = await open(await fresh().claim(PIPE, owner('r2')), one);
      expect(again.committed).toBeUndefined();
      expect(await hiddenNames(disk, orders)).toEqual([]);
      await commit(again, target(), [1], at(1));
      expect(await visibleIds(disk, orders)).toEqual([1]);
    });
  }

  for (const place of ['log.record.linked', 'log.record.durable', 'file.commit.recorded', 'file.name']) {
    it(`rules 9, 26: broken at ${place}, the record holds, and open gives its files their names`, async () => {
      const one = load('L1');
      const run = await start(one);
      const session = await open(run, one);
      await send(session, target(), [1]);
      breakAt(place);
      await expect(session.commit(at(1), await session.flush())).rejects.toThrow('broken');
      await session[Symbol.asyncDispose]();
      const again = await open(run, one);
      expect(again.committed).toEqual({ position: { at: 1 }, complete: false });
      expect(await visibleIds(disk, orders)).toEqual([1]);
      await commit(again, target(), [2], at(2, { last: true }));
      expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    });
  }
});

describe('whose table it is', () => {
  it('rule 22: another source stops claim, until it is adopted', async () => {
    await start(load('L1'));
    await expect(fresh().claim(PIPE, owner('r2', 'pg:2'))).rejects.toMatchObject({ kind: 'state_lost', code: 'ETL-LOG-009' });
    await fresh().administer(PIPE, { type: 'adopt', sourceIdentity: 'pg:2', targets: [] });
    await fresh().claim(PIPE, owner('r2', 'pg:2'));
  });

  it('rule 22: a dropped folder with its state kept stops open, commit and publish', async () => {
    const one = load('L1');
    const run = await start(one);
    const session = await open(run, one);
    await commit(session, target(), [1], at(1));
    rmSync(orders, { recursive: true });
    await expect(session.commit(at(2), await session.flush())).rejects.toMatchObject({ kind: 'state_lost' });
    await expect(open(run, one)).rejects.toMatchObject({ kind: 'state_lost', code: 'ETL-FILE-010' });
    const adopt = fresh();
    await adopt.administer(PIPE, { type: 'adopt', targets: [target()] });
    expect((await adopt.state(PIPE)).streams['public.orders']?.incarnations).toEqual({});
    const next = await adopt.claim(PIPE, owner('r2'));
    await commit(await open(next, one), target(), [2], at(2));
    expect(await visibleIds(disk, orders)).toEqual([2]);
  });

  it('rule 22: publish compares too, and the staged files must be there', async () => {
    const one = load('L1');
    const run = await start(one);
    await commit(await open(run, one), target(), [1], at(1, { last: true }));
    rmSync(orders, { recursive: true });
    await expect(run.publish(one, ['public.orders'])).rejects.toMatchObject({ kind: 'state_lost' });
  });

  it('rule 22: a second job is refused by name, unless both share', async () => {
    const one = load('L1');
    const run = await start(one);
    await commit(await open(run, one), target(), [1], at(1));
    const other = await fresh().claim('other/pg->lake', owner('x'));
    await other.begin(one, { 'public.orders': undefined });
    await expect(send(await open(other, one), target(), [9])).rejects.toMatchObject({ kind: 'state_lost', code: 'ETL-FILE-011', message: expect.stringContaining(PIPE) as string });
    const shared = target('append', 'log', 'public.orders', { shared: true });
    const both = load('S', { targets: [shared] });
    await run.begin(both, { 'public.orders': 'L1' });
    await other.begin(both, { 'public.orders': 'L1' });
    await commit(await open(run, both), shared, [1], at(1));
    await commit(await open(other, both), shared, [2], at(1));
    expect((await visibleIds(disk, join(root, 'log'))).toSorted((a, b) => a - b)).toEqual([1, 2]);
  });

  it('rule 22: a folder of a job whose state was deleted stops, and nothing of it is swept', async () => {
    const one = load('L1');
    const run = await start(one);
    await commit(await open(run, one), target(), [1], at(1));
    rmSync(join(root, '_etl'), { recursive: true });
    await start(one);
    const again = await fresh().claim(PIPE, owner('r3'));
    await expect(send(await open(again, one), target(), [2])).rejects.toMatchObject({ kind: 'state_lost' });
    expect(await visibleIds(disk, orders)).toEqual([1]);
  });
});

describe('changes', () => {
  it('rule 16: a rebuild fills a shadow, and takes the place of the table in the commit that says so', async () => {
    const to = target();
    const live = load('L1', { kind: 'live', splits: [split('live', ['public.orders'], true)] });
    const run = await start(live);
    const session = await open(run, live);
    await commit(session, to, [1, 2], at(1));
    await session.accept({ type: 'rebuild', target: to, generation: 'g1' });
    await commit(session, to, [5], at(2));
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    await session[Symbol.asyncDispose]();
    const again = await open(run, live);
    expect(await hiddenNames(disk, orders)).toHaveLength(1);
    await again.accept({ type: 'schema', target: to, schema });
    await again.accept({ type: 'rebuild', target: to, generation: 'g1' });
    await send(again, to, [6]);
    await again.commit(at(3, { rebuilt: ['public.orders'] }), await again.flush());
    expect(await visibleIds(disk, orders)).toEqual([5, 6]);
    await commit(again, to, [7], at(4, { last: true }));
    expect(await visibleIds(disk, orders)).toEqual([5, 6, 7]);
    await run.publish(live, ['public.orders']);
    expect(run.state.streams['public.orders']?.position).toEqual({ at: 4 });
  });

  it('rule 13: a live load may be published at any commit, at its committed position', async () => {
    const live = load('L1', { kind: 'live', splits: [split('live', ['public.orders'], true)] });
    const run = await start(live);
    await commit(await open(run, live), target(), [1], at(8));
    await run.publish(live, ['public.orders']);
    expect(run.state).toMatchObject({ loads: [], streams: { 'public.orders': { position: { at: 8 } } } });
  });

  it('rule 31: a row that the format can not hold lies in quarantine once, whatever is replayed', async () => {
    const one = load('L1');
    const run = await start(one);
    const session = await open(run, one);
    await commit(session, target(), [1, 13, 2], at(3));
    await commit(session, target(), [13], at(4));
    expect(await visibleIds(disk, orders)).toEqual([1, 2]);
    const rejected = await fresh().quarantine(PIPE, { limit: 10 });
    expect(rejected).toMatchObject([{ stream: 'public.orders', code: 'ETL-TEST-001', column: 'id', key: { id: '13' }, row: { id: '13' }, load: 'L1' }]);
  });
});

describe('the log', () => {
  it('rule 24: every 256th record carries the fold, and a reader begins there', async () => {
    const one = load('L1');
    const run = await start(one);
    const session = await open(run, one);
    for (let place = 1; place <= 300; place++) await commit(session, target(), [place + 100], at(place));
    const reads: string[] = [];
    const counting = { ...disk, read: (path: string) => { reads.push(path); return disk.read(path); } };
    const state = await destinationOn(counting, root).state(PIPE);
    expect(state.loads[0]?.splits['s1']).toMatchObject({ rows: 300, revision: 300, position: { at: 300 } });
    expect(reads.length).toBeLessThan(60);
    expect(await fresh().claim(PIPE, owner('r2')).then((next) => next.state.runEpoch)).toBe(2);
    expect(await visibleIds(disk, orders)).toHaveLength(300);
  });

  it('rule 8: the lease grows with each beat, and is given back', async () => {
    const run = await start(load('L1'));
    const before = await fresh().lease(PIPE);
    await run.renewLease();
    expect(await fresh().lease(PIPE)).toMatchObject({ runId: 'r1', beat: (before?.beat ?? 0) + 1, released: false });
    await run[Symbol.asyncDispose]();
    expect(await fresh().lease(PIPE)).toMatchObject({ released: true });
    expect(await fresh().lease('nobody')).toBeUndefined();
  });

  it('state reads only: it makes no folder', async () => {
    await fresh().state(PIPE);
    expect(await disk.list(root)).toEqual([]);
  });
});

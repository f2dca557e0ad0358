import { describe, expect, it } from 'vitest';
import type { Position, Run } from '#sdk';
import { PIPE, at, commit, destinationOn, load, open, owner, target, visibleIds } from '../../test/helpers/file-world.ts';
import { Dead, VolatileDisk } from '../../test/helpers/volatile-disk.ts';
import { pipeFolder } from './layout.ts';
import type { Disk } from '../_shared/commit-log/disk/disk.ts';

/**
 * Rule 26 under a loss of power at every call, with every subset of what was not synced. What was acknowledged must be there, what is
 * visible must be committed, and the next run must be able to go on to the right end.
 */
type Skip = (call: string, path: string) => boolean;
const faultless = (): Skip => () => false;

const append = load('L1');
const replacing = target('replace');
const replace = (id: string) => load(id, { targets: [replacing], staged: true });
const STREAM = 'public.orders';
const FOLDER = '/lake/orders';
const LOG = `${pipeFolder('/lake', PIPE)}/log`;

/** What a writer may have told its source. */
interface Told {
  position: number;
  published: boolean;
}

async function appendRun(disk: Disk, told: Told, seed: number): Promise<void> {
  const run = await destinationOn(disk, '/lake', seed).claim(PIPE, owner(`r${seed}`));
  if (!run.state.streams[STREAM]?.lastLoad) await run.begin(append, { [STREAM]: undefined });
  if (run.state.loads.length > 0) await appendRest(run, told);
  told.published = true;
}

const placeOf = (position: Position | undefined): number => Number(position?.['at'] ?? 0);

async function appendRest(run: Run, told: Told): Promise<void> {
  const session = await open(run, append);
  let place = placeOf(session.committed?.position);
  told.position = Math.max(told.position, place);
  while (place < 2) {
    place++;
    await commit(session, target(), [place], at(place, place === 2 ? { last: true } : {}));
    told.position = Math.max(told.position, place);
  }
  await run.publish(append, [STREAM]);
}

async function attempt(work: Promise<void>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof Dead || (error instanceof Error && error.cause instanceof Dead)) return false;
    throw error;
  }
}

/** All subsets of a few, else none, all, each one alone and each one missing. */
function subsets(count: number): ((index: number) => boolean)[] {
  if (count <= 4) return Array.from({ length: 1 << count }, (_, bits) => (index: number) => (bits >> index & 1) === 1);
  const single = Array.from({ length: count }, (_, one) => [(index: number) => index === one, (index: number) => index !== one]);
  return [() => false, () => true, ...single.flat()];
}

async function afterPowerLoss(volatile: VolatileDisk, check: (disk: Disk, what: string) => Promise<void>): Promise<void> {
  const unsynced = volatile.unsynced();
  for (const kept of subsets(unsynced.length)) {
    const survived = volatile.powerLoss(kept);
    const what = `power lost, kept: ${unsynced.filter((_, index) => kept(index)).join(', ') || 'nothing unsynced'}`;
    try {
      await check(survived.process().disk, what);
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)}; ${what}`, { cause: error });
    }
  }
}

/** A missing number hides all that follows, until a writer fills it: then the past changes. */
async function mustHaveNoHoles(disk: Disk, what: string): Promise<void> {
  const names = (await disk.list(LOG)).filter((name) => name.endsWith('.json')).toSorted();
  names.forEach((name, index) => {
    if (Number.parseInt(name, 10) !== index + 1) throw new Error(`record ${name} rests on one that is gone; ${what}`);
  });
}

async function mustHold(disk: Disk, told: Told, what: string): Promise<void> {
  await mustHaveNoHoles(disk, what);
  const state = await destinationOn(disk, '/lake', 900).state(PIPE);
  const stream = state.streams[STREAM];
  const split = state.loads[0]?.splits['s1'];
  const position = stream?.position ? 2 : placeOf(split?.position);
  if (told.position > position) throw new Error(`acknowledged ${told.position}, the log says ${position}; ${what}`);
  const early = (await visibleIds(disk, FOLDER)).filter((id) => id > position);
  if (early.length > 0) throw new Error(`visible and not committed: ${early.join()}; ${what}`);
  if (told.published && (await visibleIds(disk, FOLDER)).join() !== '1,2') throw new Error(`told that it is published, not visible; ${what}`);
  await appendRun(disk, { position: 0, published: false }, 901);
  const seen = await visibleIds(disk, FOLDER);
  if (seen.join() !== '1,2') throw new Error(`in the end readers see ${seen.join() || 'nothing'}; ${what}`);
}

/** One writer, power lost before each of its calls. */
async function oneWriter(skip: () => Skip = faultless): Promise<number> {
  let checked = 0;
  for (let until = 0; ; until++) {
    const volatile = new VolatileDisk();
    const told: Told = { position: 0, published: false };
    const ended = await attempt(appendRun(volatile.process(until, skip()).disk, told, 1));
    await afterPowerLoss(volatile, async (disk, what) => {
      checked++;
      await mustHold(disk, told, `power lost before call ${until}; ${what}`);
    });
    if (ended) return checked;
  }
}

/** Killed after any other call, a process leaves what it would have left at one of these. */
const LEAVES = new Set(['link', 'rename', 'unlink', 'fsyncFolder', 'fsync']);

/** P is killed, Z goes on with what P left in the cache, and then the power fails. */
async function twoWriters(skip: () => Skip = faultless): Promise<number> {
  let checked = 0;
  for (let p = 1, endedP = false; !endedP; p++) {
    for (let z = 1, endedZ = false; !endedZ; z++) {
      const volatile = new VolatileDisk();
      const told: Told = { position: 0, published: false };
      const first = volatile.process(p, skip());
      endedP = await attempt(appendRun(first.disk, told, 1));
      if (!LEAVES.has(first.last())) break;
      const second = volatile.process(z, skip());
      endedZ = await attempt(appendRun(second.disk, told, 2));
      if (!LEAVES.has(second.last())) continue;
      await afterPowerLoss(volatile, async (disk, what) => {
        checked++;
        await mustHold(disk, told, `P killed before call ${p}, power lost before Z's call ${z}; ${what}`);
      });
    }
  }
  return checked;
}

describe('loss of power (rule 26)', () => {
  it('rule 26: what was acknowledged holds, what is visible is committed, at every call of one writer', async () => {
    expect(await oneWriter()).toBeGreaterThan(100);
  });

  it('rule 26: and when a successor goes on with what a killed writer left unsynced', async () => {
    expect(await twoWriters()).toBeGreaterThan(1000);
  }, 120_000);

  it('rules 11, 13, 26: a replace shows the old generation or the new one, whole, at every call', async () => {
    for (let until = 0; ; until++) {
      const volatile = new VolatileDisk();
      const first = await destinationOn(volatile.process().disk, '/lake', 1).claim(PIPE, owner('r1'));
      await first.begin(replace('L1'), { [STREAM]: undefined });
      await commit(await open(first, replace('L1')), replacing, [1, 2], at(1, { last: true }));
      await first.publish(replace('L1'), [STREAM]);
      const second = async (): Promise<void> => {
        const run = await destinationOn(volatile.process(until).disk, '/lake', 2).claim(PIPE, owner('r2'));
        await run.begin(replace('L2'), { [STREAM]: 'L1' });
        const session = await open(run, replace('L2'));
        await commit(session, replacing, [3], at(1));
        await commit(session, replacing, [4], at(2, { last: true }));
        await run.publish(replace('L2'), [STREAM]);
      };
      const ended = await attempt(second());
      await afterPowerLoss(volatile, async (disk, what) => {
        const seen = new Set(await visibleIds(disk, FOLDER));
        const whole = [[1, 2], [3, 4]].some((generation) => generation.every((id) => seen.has(id)));
        expect(whole, `readers see ${[...seen].join()}; power lost before call ${until}; ${what}`).toBe(true);
        if (ended) expect([...seen], what).toEqual([3, 4]);
        await destinationOn(disk, '/lake', 3).claim(PIPE, owner('r3'));
        const after = (await visibleIds(disk, FOLDER)).join();
        expect(['1,2', '3,4'], what).toContain(after);
      });
      if (ended) return;
    }
  }, 120_000);
});

describe('planted mistakes are found', () => {
  const isLog = (path: string): boolean => path.endsWith('/log');
  const planted: readonly [name: string, skip: () => Skip, find: (skip: () => Skip) => Promise<number>][] = [
    ['record before its data is synced', () => (call, path) => call === 'fsync' && path.endsWith('.pending'), oneWriter],
    ['record before the names of its data are synced', () => (call, path) => call === 'fsyncFolder' && path === FOLDER, oneWriter],
    ['record linked before it is synced', () => (call, path) => call === 'fsync' && path.endsWith('.tmp'), oneWriter],
    ['acknowledged before the fsync of the log folder', () => (call, path) => call === 'fsyncFolder' && isLog(path), oneWriter],
    ['record resting on an unsynced link', () => {
      let linked = false; // only the fsync that follows a link of one's own is left
      return (call, path) => {
        if (call === 'link' && path.includes('/log/')) linked = true;
        if (call !== 'fsyncFolder' || !isLog(path)) return false;
        const skipped = !linked;
        linked = false;
        return skipped;
      };
    }, twoWriters],
  ];
  for (const [name, skip, find] of planted) {
    it(`rule 26: ${name}`, async () => {
      await expect(find(skip)).rejects.toThrow(/power lost/);
    }, 120_000);
  }
});

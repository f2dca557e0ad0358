import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { installFailpoints, type Load, type Target } from '#sdk';
import { nodeDisk } from '../_shared/commit-log/disk/node.ts';
import { PIPE, at, commit, destinationOn, hiddenNames, load, open, owner, target, visibleIds } from '../../test/helpers/file-world.ts';
import { diskError } from './errors.ts';

const disk = nodeDisk(diskError);
let root = '';
let orders = '';
let seed = 1000;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'etl-adopt-'));
  orders = join(root, 'orders');
});
afterEach(() => {
  installFailpoints(undefined);
  rmSync(root, { recursive: true, force: true });
});

const fresh = () => destinationOn(disk, root, seed++);
const ids = async () => (await visibleIds(disk, orders)).toSorted((a, b) => a - b);
const adopt = (pipe = PIPE, to: Target = target()) => fresh().administer(pipe, { type: 'adopt', targets: [to] });

/** A whole load of a new run. */
async function deliver(values: readonly number[], more: Partial<Load> & { readonly pipe?: string } = {}): Promise<void> {
  const { pipe = PIPE, ...rest } = more;
  const one = load(`L${seed++}`, rest);
  const run = await fresh().claim(pipe, owner(`r${seed}`));
  await run.begin(one, { 'public.orders': run.state.streams['public.orders']?.lastLoad });
  const session = await open(run, one);
  await commit(session, one.targets[0] ?? target(), values, at(1, { last: true }));
  await session[Symbol.asyncDispose]();
  await run.publish(one, ['public.orders']);
}

const anew = { staged: true, rebuild: true };
const loseState = () => { rmSync(join(root, '_etl'), { recursive: true }); };
const GONE = { code: 'ETL-FILE-010', message: expect.stringContaining('the state (_etl) that knew its files is gone') as string, hint: expect.stringContaining('`etl state adopt JOB --yes`') as string };

it('after the log was lost, adopt makes a folder ours again: append goes on beside its rows, a full refresh replaces them', async () => {
  await deliver([1]);
  await deliver([2]);
  loseState();
  await expect(deliver([3])).rejects.toMatchObject(GONE);
  await expect(deliver([3], anew)).rejects.toMatchObject(GONE);
  await adopt();
  await deliver([3]);
  await deliver([4]);
  expect(await ids()).toEqual([1, 2, 3, 4]);
  await deliver([5], anew);
  expect(await ids()).toEqual([5]);
});

it('adopted before the first run after the loss, too, and twice: a replace takes the place of the rows', async () => {
  const to = target('replace');
  const whole = { staged: true, targets: [to] };
  await deliver([1, 2], whole);
  loseState();
  await adopt(PIPE, to);
  await adopt(PIPE, to);
  expect(await ids()).toEqual([1, 2]);
  await deliver([3], whole);
  expect(await ids()).toEqual([3]);
});

it('a folder that lost its mark, or holds an unreadable one, is adopted with its rows, or loaded anew', async () => {
  for (const spoil of [() => { rmSync(join(orders, '.etl-target')); }, () => { writeFileSync(join(orders, '.etl-target'), '{"v":1,'); }]) {
    await deliver([1], anew);
    spoil();
    await expect(deliver([2])).rejects.toMatchObject({ code: 'ETL-FILE-010' });
    await adopt();
    await deliver([2]);
    expect(await ids()).toEqual([1, 2]);
  }
  rmSync(join(orders, '.etl-target'));
  await deliver([3], anew);
  expect(await ids()).toEqual([3]);
});

it('a folder that was put back from a backup keeps its rows when it is adopted', async () => {
  await deliver([1]);
  cpSync(orders, join(root, 'backup'), { recursive: true });
  rmSync(orders, { recursive: true });
  await adopt();
  await deliver([2]);
  rmSync(orders, { recursive: true });
  cpSync(join(root, 'backup'), orders, { recursive: true });
  await expect(deliver([3])).rejects.toMatchObject({ code: 'ETL-FILE-010', hint: expect.stringContaining('accept it with `etl state adopt JOB --yes`') as string });
  await adopt();
  await deliver([3]);
  expect(await ids()).toEqual([1, 3]);
});

it('what the job before had committed and not shown yet is shown when its folder is taken over', async () => {
  const one = load('L1');
  const run = await fresh().claim('old/pg->lake', owner('old'));
  await run.begin(one, { 'public.orders': undefined });
  const session = await open(run, one);
  await commit(session, target(), [1], at(1));
  installFailpoints((met) => {
    if (met === 'file.commit.recorded') throw new Error('killed');
  });
  await expect(commit(session, target(), [2], at(2))).rejects.toThrow('killed');
  installFailpoints(undefined);
  expect(await ids()).toEqual([1]);
  await adopt();
  expect([await ids(), await hiddenNames(disk, orders)]).toEqual([[1, 2], []]);
  await expect(open(run, one)).rejects.toMatchObject({ kind: 'fenced' });
  await deliver([3]);
  expect(await ids()).toEqual([1, 2, 3]);
  await expect(deliver([4], { pipe: 'old/pg->lake', ...anew })).rejects.toMatchObject({ code: 'ETL-FILE-011', message: expect.stringContaining(PIPE) as string });
});

it('files of unknown origin are nobody\'s, also when they are adopted; what is not there is made by the next load', async () => {
  await adopt();
  expect((await fresh().state(PIPE)).streams).toEqual({});
  await disk.makeFolder(orders);
  writeFileSync(join(orders, 'by-hand.jsonl'), '{"id":9}\n');
  await adopt();
  await expect(deliver([1])).rejects.toMatchObject({ code: 'ETL-FILE-012' });
  expect(await ids()).toEqual([9]);
});

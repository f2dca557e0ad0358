import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Load, Owner, Split, Target } from '#sdk';
import { batchOf, type LogicalType, type RowInput, type Schema } from '#batch';
import { testPorts } from '../../src/sdk/testing/ports.ts';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { destination, destinationConfig } from './destination.ts';

let server: PostgresServer;
let seed = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(async () => { await server.stop(); });

const owner = (runId: string, sourceIdentity = 'source 1'): Owner => ({ job: 'job', runId, sourceIdentity, host: 'here', pid: 1 });
const context = () => ({ ports: testPorts(++seed), directory: '/', maxBufferedBytes: 1e7, note: () => undefined });
const create = () => destination.create(destinationConfig.parse({ url: server.url }), context());
const never = new AbortController().signal;

const T = (kind: 'int32' | 'int64' | 'text' | 'bool'): LogicalType => ({ kind });
const schema: Schema = { key: ['id'], fields: [{ name: 'id', type: T('int32'), nullable: false }, { name: 'v', type: T('text'), nullable: true }, { name: 'big', type: T('text'), nullable: true }] };

export function target(table: string, more: Partial<Target> = {}): Target {
  return { stream: `s.${table}`, table, write: 'merge', key: ['id'], deletes: 'hard', unavailable: 'error', addedColumns: [], evolve: { tables: true, columns: true, types: true }, shared: false, options: {}, ...more };
}
export function load(id: string, targets: readonly Target[], more: Partial<Load> = {}): Load {
  const streams = targets.map((each) => each.stream);
  const splits: Split[] = [{ id: '0', streams, detail: null, live: false }];
  return { id, kind: 'parts', streams, splits, staged: false, rebuild: false, positions: Object.fromEntries(streams.map((stream) => [stream, { at: id }])), startedAt: '2026-01-01T00:00:00.000000Z', fingerprint: 'f', targets, detail: null, ...more };
}
const row = (id: number, v: string | null, big: string | null = null): RowInput => ({ values: { id, v, big } });

/** One run: claim, begin, one split of these rows, publish. */
async function runOnce(pipe: string, it: Load, rows: readonly RowInput[], of: { schema?: Schema; after?: string } = {}) {
  await using to = await create();
  await using run = await to.claim(pipe, owner(`run of ${it.id}`));
  const begun = await run.begin(it, Object.fromEntries(it.streams.map((stream) => [stream, of.after])));
  const [split] = begun.splits;
  const [first] = it.targets;
  if (!split || !first) throw new Error('no split');
  const session = await run.open(begun, split, never);
  await session.accept({ type: 'schema', target: first, schema: of.schema ?? schema });
  if (rows.length > 0) await session.accept({ type: 'batch', target: first, batch: batchOf(first.stream, of.schema ?? schema, rows) });
  const rejections = await session.flush();
  const receipt = await session.commit({ type: 'checkpoint', position: { p: it.id }, last: true }, rejections);
  await session[Symbol.asyncDispose]();
  return { receipt, rejections, published: await run.publish(begun, it.streams), state: run.state };
}
const read = (table: string, order = 'id') => server.query(`select * from public.${table} order by ${order}`);

describe('the road', () => {
  it('replace: a new table, and again', async () => {
    const to = target('r', { write: 'replace' });
    const first = await runOnce('replace', load('1', [to], { staged: true }), [row(1, 'a'), row(2, null, 'x')]);
    expect(first.published).toBe('published');
    expect(first.receipt).toMatchObject({ revision: 1, rows: 2, rejected: 0 });
    expect(await read('r')).toEqual([{ id: 1, v: 'a', big: null }, { id: 2, v: null, big: 'x' }]);
    expect(first.state.streams['s.r']).toMatchObject({ position: { at: '1' }, lastLoad: '1', rebuild: false });
    await runOnce('replace', load('2', [to], { staged: true }), [row(3, 'c')], { after: '1' });
    expect(await read('r')).toEqual([{ id: 3, v: 'c', big: null }]);
    expect(await server.query("select 1 from pg_tables where tablename like '\\_etl\\_%'")).toEqual([]);
  });

  it('append: staged, and shown with each commit', async () => {
    const to = target('a', { write: 'append', key: [] });
    await runOnce('append', load('1', [to], { staged: true }), [row(1, 'a')]);
    await runOnce('append', load('2', [to], { staged: true }), [row(1, 'a')], { after: '1' });
    await runOnce('append', load('3', [to]), [row(2, 'b')], { after: '2' });
    expect(await read('a')).toEqual([{ id: 1, v: 'a', big: null }, { id: 1, v: 'a', big: null }, { id: 2, v: 'b', big: null }]);
  });

  it('merge: the last row of a key wins', async () => {
    const to = target('m');
    await runOnce('merge', load('1', [to]), [row(1, 'a'), row(2, 'b'), row(1, 'c')]);
    await runOnce('merge', load('2', [to]), [row(2, 'd'), row(3, 'e')], { after: '1' });
    expect(await read('m')).toEqual([{ id: 1, v: 'c', big: null }, { id: 2, v: 'd', big: null }, { id: 3, v: 'e', big: null }]);
  });
});

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { installFailpoints, type Load, type Owner, type Split, type Target } from '#sdk';
import { batchOf, UNAVAILABLE_VALUE, type LogicalType, type RowInput, type Schema } from '#batch';
import { seeded, testPorts } from '#testing';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { connect } from './connection.ts';
import { PostgresDatabase } from './database.ts';
import { destination, destinationConfig } from './destination.ts';

let server: PostgresServer;
let seed = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(async () => { await server.stop(); });

const owner = (runId: string, sourceIdentity = 'source 1'): Owner => ({ job: 'job', runId, sourceIdentity, host: 'here', pid: 1 });
const context = (ports?: { eager: boolean }) => ({ ports: testPorts(++seed, ports), directory: '/', maxBufferedBytes: 1e7, note: () => undefined });
const create = (ports?: { eager: boolean }) => destination.create(destinationConfig.parse({ url: server.url }), context(ports));
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
async function adopt(pipe: string, targets: readonly Target[]): Promise<void> {
  await using to = await create();
  await to.administer(pipe, { type: 'adopt', targets });
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

describe('changes', () => {
  interface Change { op: 'update' | 'delete' | 'truncate'; key: number; old?: number; row?: RowInput['values'] }
  const UN: typeof UNAVAILABLE_VALUE = UNAVAILABLE_VALUE;

  /** A random, well-formed history: what was sent, and the table that it leaves. */
  function historyOf(random: () => number, base: ReadonlyMap<number, { v: string; big: string }>, length: number) {
    const rows = new Map(base);
    const changes: Change[] = [];
    let next = 0;
    for (let i = 0; i < length; i++) {
      const keys = [1, 2, 3, 4];
      const key = keys[Math.floor(random() * keys.length)] ?? 1;
      const now = rows.get(key);
      const fresh = () => `n${next++}`;
      if (random() < 0.05) { changes.push({ op: 'truncate', key: 0 }); rows.clear(); continue; }
      if (!now) { const full = { v: fresh(), big: fresh() }; rows.set(key, full); changes.push({ op: 'update', key, row: { id: key, ...full } }); continue; }
      const free = keys.filter((each) => !rows.has(each));
      const to = free[Math.floor(random() * free.length)];
      const draw = random();
      if (draw < 0.2) { rows.delete(key); changes.push({ op: 'delete', key }); }
      else if (draw < 0.5 && to !== undefined) {
        const v = random() < 0.5 ? fresh() : undefined;
        rows.delete(key);
        rows.set(to, { v: v ?? now.v, big: now.big });
        changes.push({ op: 'update', key: to, old: key, row: { id: to, v: v ?? UN, big: UN } });
      } else {
        const full = { v: fresh(), big: now.big };
        rows.set(key, full);
        changes.push({ op: 'update', key, row: { id: key, v: full.v, big: UN } });
      }
    }
    return { changes, rows };
  }

  it.each(['hard', 'soft'] as const)('rule 15: the fold of any history equals one change after the other (%s deletes)', async (deletes) => {
    const random = seeded(7);
    await using destinationUnderTest = await create();
    for (let round = 0; round < 40; round++) {
      const to = target(`fold_${deletes}_${round}`, { deletes });
      const base = new Map([[1, { v: 'a', big: 'b' }], [2, { v: 'c', big: 'd' }]]);
      await using run = await destinationUnderTest.claim(to.table, owner(`fold ${round}`));
      const it = await run.begin(load('1', [to], { kind: 'live', splits: [{ id: '0', streams: [to.stream], detail: null, live: true }] }), { [to.stream]: undefined });
      const [split] = it.splits;
      if (!split) throw new Error('no split');
      await using session = await run.open(it, split, never);
      await session.accept({ type: 'schema', target: to, schema });
      await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [...base].map(([id, each]) => row(id, each.v, each.big))) });
      await session.commit({ type: 'checkpoint', position: { p: 0 } }, await session.flush());
      const { changes, rows } = historyOf(() => random.next(), base, 1 + round % 12);
      let batch: RowInput[] = [];
      const send = async () => { if (batch.length > 0) await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, batch) }); batch = []; };
      for (const change of changes) {
        if (change.op === 'truncate') { await send(); await session.accept({ type: 'truncate', target: to }); continue; }
        batch.push({ op: change.op, values: change.row ?? { id: change.key, v: null, big: null }, ...(change.old !== undefined && { oldKey: { id: change.old } }) });
        if (random.next() < 0.3) await send();
      }
      await send();
      await session.commit({ type: 'checkpoint', position: { p: 1 } }, await session.flush());
      const got = await server.query(`select id, v, big from ${to.table} ${deletes === 'soft' ? 'where not _etl_deleted' : ''} order by id`);
      expect(got, JSON.stringify(changes, (_, value: unknown) => (typeof value === 'symbol' ? '?' : value))).toEqual([...rows].sort(([a], [b]) => a - b).map(([id, each]) => ({ id, ...each })));
    }
  });
});

describe('commits that go wrong', () => {
  const stateOf = async (pipe: string) => {
    await using to = await create();
    return to.state(pipe);
  };

  it('rule 9: a commit without an answer is unknown, and the next open tells what it did', async () => {
    const to = target('unknown');
    await using destinationUnderTest = await create();
    await using run = await destinationUnderTest.claim('unknown', owner('1'));
    const it = await run.begin(load('1', [to]), { [to.stream]: undefined });
    const [split] = it.splits;
    if (!split) throw new Error('no split');
    const session = await run.open(it, split, never);
    await session.accept({ type: 'schema', target: to, schema });
    await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [row(1, 'a')]) });
    const [backend] = await server.query<{ backend: string }>(`select backend from _etl.splits where pipe = 'unknown'`);
    installFailpoints(async (name) => {
      if (name === 'postgres.commit.send') await server.endBackend(Number(backend?.backend.split('@')[0]));
    });
    const failed = await session.commit({ type: 'checkpoint', position: { p: 1 }, last: true }, await session.flush()).catch((error: unknown) => error);
    installFailpoints(undefined);
    expect(failed).toMatchObject({ kind: 'transient', code: expect.stringMatching(/-UNKNOWN$/) as string });
    await session[Symbol.asyncDispose]();
    await using again = await run.open(it, split, never);
    expect(again.committed).toBeUndefined();
    expect(await read('unknown')).toEqual([]);
    await again.accept({ type: 'schema', target: to, schema });
    await again.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [row(1, 'a')]) });
    await again.commit({ type: 'checkpoint', position: { p: 1 }, last: true }, await again.flush());
    expect(await read('unknown')).toEqual([{ id: 1, v: 'a', big: null }]);
    expect((await stateOf('unknown')).loads[0]?.splits['0']).toMatchObject({ splitEpoch: 2, revision: 1, complete: true, rows: 1 });
  });

  it('positions of twenty thousand streams are imported at once: more than the parameters of one statement', async () => {
    const streams = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [`s.${at}`, { position: { at } }]));
    await using to = await create();
    for (const runEpoch of [1, 2]) {
      await to.administer('many', { type: 'import', streams });
      const state = await to.state('many');
      expect(state).toMatchObject({ runEpoch, streams });
      expect(Object.keys(state.streams)).toHaveLength(20_000);
    }
  });

  it('rule 10: a first start that is paused while it makes the tables of state keeps no other start waiting', async () => {
    const url = await server.createDatabase('first_start');
    const start = () => destination.create(destinationConfig.parse({ url }), context({ eager: true }));
    await using paused = await start();
    await using next = await start();
    let wake = (): void => undefined;
    const held = new Promise<void>((done) => { wake = done; });
    const reached = new Promise<void>((done) => {
      installFailpoints((name) => {
        if (name !== 'postgres.commit.send') return Promise.resolve();
        installFailpoints(undefined);
        done();
        return held;
      });
    });
    const first = paused.claim('first', owner('1')).then((run) => run[Symbol.asyncDispose](), (error: unknown) => error);
    await reached;
    await using run = await next.claim('first', owner('2'));
    expect(run.token.runEpoch).toBe(2);
    wake();
    expect(await first).toMatchObject({ kind: expect.stringMatching(/fenced|transient/) as string });
  });

  it('statements that are sent together are answered in their order, and the first that fails is told', async () => {
    await using connection = await connect(destinationConfig.parse({ url: server.url }), '/');
    expect(await connection.queries([{ sql: 'select $1::int as a', params: [1] }, { sql: 'select 2 as b' }, { sql: 'select $1::text as c', params: ['x'] }])).toEqual([[{ a: 1 }], [{ b: 2 }], [{ c: 'x' }]]);
    // several streams ask on one connection
    const many = Array.from({ length: 30 }, (_, n) => [connection.query('select $1::int as n', [n]), connection.queries([{ sql: 'select $1::int as n', params: [n] }, { sql: `select ${n} as n` }])] as const);
    for (const [n, [one, two]] of many.entries()) expect([await one, await two]).toEqual([[{ n }], [[{ n }], [{ n }]]]);
    for (const wrong of [[0], [1], [2], [0, 2]]) {
      const statements = [0, 1, 2].map((at) => (wrong.includes(at) ? { sql: `select no_such_column_${at}` } : { sql: 'select $1::int as n', params: [at] }));
      await expect(connection.queries(statements)).rejects.toMatchObject({ code: 'ETL-PG-005', message: expect.stringContaining(`no_such_column_${wrong[0]}`) as string });
      expect(await connection.query('select 7 as again')).toEqual([{ again: 7 }]);
    }
    await expect(connection.queries([{ sql: 'select 1' }, { sql: 'select pg_terminate_backend(pg_backend_pid())' }, { sql: 'select 3' }])).rejects.toMatchObject({ kind: 'transient', code: 'ETL-PG-001' });
    expect(connection.broken).toBe(true);
  });

  it('a control connection that broke is made anew, and a successor knows the new one', async () => {
    const to = target('renewed');
    await using destinationUnderTest = await create();
    await using run = await destinationUnderTest.claim('renewed', owner('1'));
    const it = await run.begin(load('1', [to]), { [to.stream]: undefined });
    const backend = async () => (await server.query<{ backend: string }>(`select backend from _etl.leases where pipe = 'renewed'`))[0]?.backend ?? '';
    const before = await backend();
    await server.endBackend(Number(before.split('@')[0]));
    const [split] = it.splits;
    if (!split) throw new RangeError('no split');
    await run.open(it, split, never).catch((error: unknown) => { expect(error).toMatchObject({ kind: 'transient', code: 'ETL-PG-001' }); });
    await using session = await run.open(it, split, never);
    await session.accept({ type: 'schema', target: to, schema });
    await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [row(1, 'a')]) });
    await session.commit({ type: 'checkpoint', position: { p: 1 }, last: true }, await session.flush());
    expect(await run.publish(it, it.streams)).toBe('published');
    expect(await read('renewed')).toEqual([{ id: 1, v: 'a', big: null }]);
    const after = await backend();
    expect(after).not.toBe(before);
    expect(await server.query('select 1 as alive from pg_stat_activity where pid = $1', [Number(after.split('@')[0])])).toEqual([{ alive: 1 }]);
  });

  it('rule 10: a backend that is ended within a transaction is seen to be gone, and waited for no longer', async () => {
    await using database = new PostgresDatabase(destinationConfig.parse({ url: server.url }), '/', { statementMs: 0, idleInTransactionMs: 0, lockMs: 0 });
    const [control, before] = [await database.connect(), await database.connect()];
    await before.begin();
    await control.begin();
    const answers: number[] = [];
    await database.terminate({ queries: (statements) => control.queries(statements), change: (sql) => control.change(sql), query: async (sql, params) => {
      const rows = await control.query(sql, params);
      answers.push(rows.length);
      return rows;
    } }, before.backend ?? '');
    expect(answers.at(-1)).toBe(0); // and not: gave up waiting
    await control.close();
    await before.close();
  });

  it('rule 10: a run whose connections its successor has ended says that it is fenced, wherever it goes on', async () => {
    const to = target('ended');
    await using destinationUnderTest = await create();
    await using run = await destinationUnderTest.claim('ended', owner('1'));
    const it = await run.begin(load('1', [to]), { [to.stream]: undefined });
    const [split] = it.splits;
    if (!split) throw new RangeError('no split');
    const [lease] = await server.query<{ backend: string }>(`select backend from _etl.leases where pipe = 'ended'`);
    await using next = await create();
    await using successor = await next.claim('ended', owner('2'));
    await server.endBackend(Number(lease?.backend.split('@')[0]));
    const fenced = { kind: 'fenced', code: 'ETL-PG-110', scope: 'run' };
    await expect(run.open(it, split, never)).rejects.toMatchObject(fenced);
    await expect(run.renewLease()).rejects.toMatchObject(fenced);
    await expect(run.publish(it, it.streams)).rejects.toMatchObject(fenced);
    await expect(run.reset([to.stream])).rejects.toMatchObject(fenced);
    expect(successor.token.runEpoch).toBe(2);
  });

  it('rule 23: a commit waits for the disk whatever the database says, and a warning at COMMIT counts as unknown', async () => {
    await server.query("do $$ begin execute format('alter database %I set synchronous_commit = off', current_database()); end $$");
    const to = target('warned');
    await using destinationUnderTest = await create();
    await using run = await destinationUnderTest.claim('warned', owner('1'));
    const it = await run.begin(load('1', [to]), { [to.stream]: undefined });
    const [split] = it.splits;
    if (!split) throw new RangeError('no split');
    const session = await run.open(it, split, never);
    await session.accept({ type: 'schema', target: to, schema });
    await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [row(1, 'a')]) });
    const [stored] = await server.query<{ backend: string }>("select backend from _etl.splits where pipe = 'warned'");
    const backend = Number(stored?.backend.split('@')[0]);
    // a standby that never answers: COMMIT waits for it, and a cancelled wait is a warning
    await server.query("alter system set synchronous_standby_names = 'nobody'");
    await server.query('select pg_reload_conf()');
    let settled = false;
    const committed = (async () => session.commit({ type: 'checkpoint', position: { p: 1 }, last: true }, await session.flush()))().catch((error: unknown) => error).finally(() => { settled = true; });
    // not only COMMIT waits: a statement before it does where the server prunes a page of its catalogue on the way
    await vi.waitFor(async () => {
      await server.query("select pg_cancel_backend(pid) from pg_stat_activity where pid = $1 and wait_event = 'SyncRep'", [backend]);
      expect(settled, 'COMMIT has ended').toBe(true);
    }, { timeout: 60_000, interval: 500 });
    expect(await committed).toMatchObject({ kind: 'transient', code: expect.stringMatching(/-UNKNOWN$/) as string });
    await server.query('alter system reset synchronous_standby_names');
    await server.query('select pg_reload_conf()');
    await session[Symbol.asyncDispose]();
    await using again = await run.open(it, split, never);
    expect(again.committed, 'what it did is looked up').toEqual({ position: { p: 1 }, complete: true });
    expect(await read('warned')).toEqual([{ id: 1, v: 'a', big: null }]);
  });

  it.each(['sql.commit.held', 'postgres.commit.send', 'sql.publish.flip'])('rule 10: a run that is paused at %s, its locks held, holds up no successor, and is fenced when it wakes', async (place) => {
    const to = target('paused', { write: 'replace' });
    const pipe = `paused at ${place}`;
    await using destinationUnderTest = await create();
    let wake = (): void => undefined;
    const awake = new Promise<void>((resolve) => { wake = resolve; });
    const first = await destinationUnderTest.claim(pipe, owner('paused'));
    const paused = new Promise<void>((resolve) => {
      installFailpoints((name) => {
        if (name !== place) return undefined;
        installFailpoints(undefined);
        resolve();
        return awake;
      });
    });
    const work = (async () => {
      const begun = await first.begin(load(place, [to], { staged: true }), { [to.stream]: undefined });
      const [split] = begun.splits;
      if (!split) throw new RangeError('no split');
      await using session = await first.open(begun, split, never);
      await session.accept({ type: 'schema', target: to, schema });
      await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, [row(1, 'a')]) });
      await session.commit({ type: 'checkpoint', position: { p: 1 }, last: true }, await session.flush());
      return first.publish(begun, begun.streams);
    })();
    await paused;
    const began = performance.now();
    await using next = await (await create({ eager: true })).claim(pipe, owner('successor'));
    expect(performance.now() - began, 'ms for the claim').toBeLessThan(10_000);
    expect(next.token.runEpoch).toBe(2);
    wake();
    const outcome: unknown = await work.catch((error: unknown) => error);
    if (place !== 'postgres.commit.send') expect(outcome).toMatchObject({ kind: 'fenced', scope: 'run' });
    else expect(outcome, 'a commit was sent: unknown').toMatchObject({ kind: 'transient' });
    await expect(first.renewLease()).rejects.toMatchObject({ kind: 'fenced' });
    await first[Symbol.asyncDispose]();
  });

  it('rule 31: rows that the target would refuse are found one by one, with their reason', async () => {
    await server.query(`create table strict (id int primary key, v varchar(3) not null, big text check (big <> 'bad'))`);
    const { rejections, receipt } = await runOnce('strict', load('1', [target('strict')]), [row(1, 'abc', 'ok'), row(2, null), row(3, 'abcd'), row(4, 'a', 'bad'), row(5, 'b')]);
    expect(rejections.map((each) => [each.key?.['id'], each.reason]).sort(([a], [b]) => Number(a) - Number(b))).toEqual([
      ['2', 'v is NULL, which the target does not take'], ['3', 'v does not fit character varying(3)'], ['4', 'the row breaks the constraint strict_big_check'],
    ]);
    expect(receipt).toMatchObject({ rows: 2, rejected: 3 });
    expect(await read('strict')).toEqual([{ id: 1, v: 'abc', big: 'ok' }, { id: 5, v: 'b', big: null }]);
  });

  it('rule 13: what rests on a replaced table goes on: grants, views, foreign keys', async () => {
    const to = target('rested', { write: 'replace' });
    await runOnce('rested', load('1', [to], { staged: true }), [row(1, 'a')]);
    await server.query('create role reader; grant select on rested to reader');
    await runOnce('rested', load('2', [to], { staged: true }), [row(2, 'b')], { after: '1' });
    expect(await server.query(`select has_table_privilege('reader', 'rested', 'select') as may`)).toEqual([{ may: true }]);
    await server.query('create view resting as select v from rested');
    await runOnce('rested', load('3', [to], { staged: true }), [row(3, 'c')], { after: '2' });
    expect(await server.query('select * from resting')).toEqual([{ v: 'c' }]);
  });

  it.each([
    ['an index', 'create index on worn (v)', "select count(*)::int as n from pg_indexes where tablename = 'worn' and indexdef like '%(v)'"],
    ['a constraint', "alter table worn add constraint long check (v <> 'no')", "select 1 as n from pg_constraint where conname = 'long'"],
    ['NOT NULL', 'alter table worn alter v set not null', "select 1 as n from pg_attribute where attrelid = 'worn'::regclass and attname = 'v' and attnotnull"],
    ['a default', "alter table worn alter v set default 'x'", "select 1 as n from pg_attrdef where adrelid = 'worn'::regclass"],
    ['a column with a default', 'alter table worn add more int default 7', 'select distinct 1 as n from worn where more = 7'],
    ['a grant on a column', 'grant select (v) on worn to public', "select 1 as n from pg_attribute where attrelid = 'worn'::regclass and attacl is not null"],
    ['a comment on a column', "comment on column worn.v is 'said'", "select 1 as n from pg_description where objoid = 'worn'::regclass and objsubid > 0"],
    ['a setting of a column', 'alter table worn alter v set statistics 1000', "select 1 as n from pg_attribute where attrelid = 'worn'::regclass and attname = 'v' and attstattarget = 1000"],
    ['a setting of the table', 'alter table worn set (fillfactor = 70)', "select 1 as n from pg_class where oid = 'worn'::regclass and reloptions is not null"],
    ['its replica identity', 'alter table worn replica identity full', "select 1 as n from pg_class where oid = 'worn'::regclass and relreplident = 'f'"],
    ['its owner', 'create role of_worn; alter table worn owner to of_worn', "select 1 as n from pg_tables where tablename = 'worn' and tableowner = 'of_worn'"],
    ['a function of its rows', 'create function of_row(worn) returns text language sql return ($1).v', "select 1 as n from pg_proc where proname = 'of_row'"],
    ['a publication', 'create publication of_worn for table worn', "select 1 as n from pg_publication_tables where tablename = 'worn'"],
    ['row level security', 'alter table worn enable row level security', "select 1 as n from pg_class where oid = 'worn'::regclass and relrowsecurity"],
    ['statistics', 'create statistics of_worn on v, big from worn', "select 1 as n from pg_statistic_ext where stxname = 'of_worn'"],
  ])('a full load keeps what was put on its table, with new columns and wider types too: %s', async (what, put, found) => {
    const to = target('worn', { write: 'replace' });
    const more: Schema = { ...schema, fields: [{ name: 'id', type: T('int64'), nullable: false }, ...schema.fields.slice(1), { name: 'extra', type: T('text'), nullable: true }] };
    await runOnce(what, load('1', [to], { staged: true }), [row(1, 'a')]);
    await server.query(put);
    await runOnce(what, load('2', [to], { staged: true }), [row(2, 'b')], { after: '1' });
    await runOnce(what, load('3', [to], { staged: true }), [{ values: { id: 3n, v: 'c', big: null, extra: 'd' } }], { after: '2', schema: more });
    expect(await server.query(found)).toEqual([{ n: 1 }]);
    expect(await server.query('select id, v, extra from worn')).toEqual([{ id: '3', v: 'c', extra: 'd' }]);
    const key: Target = { ...to, key: ['v'] };
    await expect(runOnce(what, load('4', [key], { staged: true }), [row(4, 'e')], { after: '3' })).rejects.toMatchObject({ code: 'ETL-PG-117', message: expect.stringContaining('its key is to be (v)') as string });
    await server.query('drop table worn cascade; delete from _etl.owners');
  });

  it('a column that the target generates itself is not left out without a word', async () => {
    const to = target('made', { write: 'replace' });
    await runOnce('made', load('1', [to], { staged: true }), [row(1, 'a')]);
    await server.query("alter table made drop v; alter table made add v text generated always as ('own') stored");
    await expect(runOnce('made', load('2', [to], { staged: true }), [row(2, 'b')], { after: '1' })).rejects.toMatchObject({ message: expect.stringContaining('column "v"') as string });
    expect(await server.query('select id, v from made')).toEqual([{ id: 1, v: 'own' }]);
  });

  it('a full load takes the place of a table that bears nothing more, whatever its key, columns and grants', async () => {
    const to = target('bare', { write: 'replace', deletes: 'soft' });
    const oid = async () => (await server.query<{ oid: number }>("select 'bare'::regclass::oid::int as oid"))[0]?.oid;
    await runOnce('bare', load('1', [to], { staged: true }), [row(1, 'a')]);
    await server.query('grant select on bare to public; alter table bare add nothing text');
    const first = await oid();
    await runOnce('bare', load('2', [{ ...to, key: ['id', 'v'] }], { staged: true }), [row(2, 'b')], { after: '1' });
    expect(await oid()).not.toBe(first);
    expect(await read('bare')).toEqual([{ id: 2, v: 'b', big: null }]);
  });

  it('rule 22: a table is known by its mark, whatever a user says in its comment; made anew it is not', async () => {
    const to = target('marked');
    const comment = async () => (await server.query<{ comment: string }>("select obj_description('marked'::regclass) as comment"))[0]?.comment;
    let loads = 0;
    const run = (more: Partial<Load> = {}) => runOnce('marked', load(String(++loads), [to], more), [row(loads, 'a')], loads === 1 ? {} : { after: String(loads - 1) });
    await run();
    await server.query("comment on table marked is 'mine'");
    await run();
    expect(await comment()).toMatch(/^mine \[etl:[0-9a-f-]{36}\]$/);
    for (const how of ['another table in its place', 'filled anew']) {
      if (how === 'filled anew') await server.query('create view on_marked as select v from marked');
      await run({ staged: true, rebuild: true });
      expect(await comment(), how).toMatch(/^mine \[etl:/);
      await server.query("comment on table marked is 'mine'");
      await run();
    }
    await server.query("comment on table marked is null");
    await run();
    // a dump has the table's comment, and not that of its row type
    await server.query('comment on type marked is null');
    const restored = { code: 'ETL-PG-111', message: expect.stringContaining('it was restored from a dump, or is a copy') as string, hint: expect.stringContaining('If the whole database was restored or moved') as string };
    await expect(run()).rejects.toMatchObject(restored);
    await adopt('marked', [to]);
    await run();
    expect(await comment()).toMatch(/^\[etl:[0-9a-f-]{36}\]$/);
    await server.query("delete from _etl.streams where pipe = 'marked'; comment on type marked is null");
    loads = 0;
    await expect(run(), 'also where the state is gone').rejects.toMatchObject(restored);
    await adopt('marked', [to]);
    await server.query('drop table marked cascade; create table marked (id int primary key, v text, big text)');
    await expect(runOnce('marked', load('made anew', [to]), [row(9, 'a')], { after: '1' })).rejects.toMatchObject({ code: 'ETL-PG-111', message: expect.stringContaining('it was made anew.') as string });
  });

  it('columns that the job asked for are filled in a full load and in a merge', async () => {
    for (const [table, staged] of [['added_full', true], ['added_merge', false]] as const) {
      const to = target(table, { write: staged ? 'replace' : 'merge', addedColumns: ['_etl_loaded_at', '_etl_run_id'] });
      await runOnce(table, load('1', [to], { staged }), [row(1, 'a')]);
      expect(await server.query(`select _etl_run_id, _etl_loaded_at is not null as at from ${table}`)).toEqual([{ _etl_run_id: 'run of 1', at: true }]);
    }
  });

  it('pages that repeat a row: the last one stays', async () => {
    const to = target('pages', { write: 'replace' });
    await runOnce('pages', load('1', [to], { staged: true }), [row(1, 'a'), row(2, 'b'), row(1, 'c')]);
    expect(await read('pages')).toEqual([{ id: 1, v: 'c', big: null }, { id: 2, v: 'b', big: null }]);
  });
});

describe('triggers and rules of a target', () => {
  const isOdd = (event: string) => (table: string) => `create trigger odd before ${event} on ${table} for each row when (${event === 'insert' ? 'new' : 'old'}.id % 2 = 1) execute function leave_out()`;
  const everyRow = (event: string) => (table: string) => `create trigger every before ${event} on ${table} for each row execute function leave_out()`;
  const rows = [row(1, 'x'), row(2, 'x'), row(3, 'x'), row(4, 'x')];
  const before = [row(1, 'a'), row(2, 'a')];
  const gone = [{ op: 'delete', values: { id: 1, v: null, big: null } }, { op: 'delete', values: { id: 2, v: null, big: null } }] as const;
  beforeAll(() => server.query("create function leave_out() returns trigger language plpgsql as 'begin return null; end'"));

  it.each([
    { name: 'an append', how: {}, what: { write: 'append', key: [] }, trigger: isOdd('insert'), sent: rows, missing: 2 },
    { name: 'a full append', how: { staged: true }, what: { write: 'append', key: [] }, trigger: isOdd('insert'), sent: rows, missing: 2 },
    { name: 'an append by a rule', how: {}, what: { write: 'append', key: [] }, trigger: (table: string) => `create rule none as on insert to ${table} do instead nothing`, sent: rows, missing: 4 },
    { name: 'an append without a key', how: {}, what: { key: [] }, trigger: isOdd('insert'), sent: rows, missing: 2 },
    { name: 'a merge of new rows', how: {}, what: {}, trigger: isOdd('insert'), sent: [row(3, 'x'), row(3, 'y'), row(4, 'x')], missing: 1 },
    { name: 'a merge of rows that are there', how: {}, what: {}, trigger: isOdd('update'), sent: rows, missing: 1 },
    { name: 'a full merge', how: { staged: true }, what: {}, trigger: everyRow('update'), sent: rows, missing: 2 },
    { name: 'deletes', how: {}, what: {}, trigger: isOdd('delete'), sent: gone, missing: 1 },
    { name: 'soft deletes', how: {}, what: { deletes: 'soft' }, trigger: isOdd('update'), sent: gone, missing: 1 },
    { name: 'new versions', how: {}, what: { write: 'scd2' }, trigger: isOdd('insert'), sent: rows, missing: 2 },
    { name: 'versions that end', how: {}, what: { write: 'scd2' }, trigger: isOdd('update'), sent: rows, missing: 1 },
    { name: 'versions that a full load does not see', how: { staged: true }, what: { write: 'scd2' }, trigger: everyRow('update'), sent: [row(1, 'a')], missing: 1 },
    { name: 'a table that is emptied', how: { staged: true }, what: { write: 'replace' }, trigger: isOdd('delete'), sent: rows, missing: 1 },
    { name: 'a table that is filled anew', how: { staged: true }, what: { write: 'replace' }, trigger: isOdd('insert'), sent: rows, missing: 2 },
  ] as const)('that keep rows from being written fail the run: $name', async ({ name, how, what, trigger, sent, missing }) => {
    const to = target(name.replaceAll(' ', '_'), { ...what, key: 'key' in what ? what.key : ['id'] });
    await runOnce(name, load('1', [to], { staged: 'staged' in how }), before);
    await server.query(trigger(to.table));
    const stood = await read(to.table);
    await expect(runOnce(name, load('2', [to], how), sent, { after: '1' })).rejects.toMatchObject({ kind: 'data', code: 'ETL-PG-118', message: `A trigger or a rule of "public"."${to.table}" kept ${missing} rows from being written.` });
    expect(await read(to.table)).toEqual(stood);
  });

  it('that stand on a partition are seen too', async () => {
    await server.query('create table parted (id int primary key, v text, big text) partition by range (id); create table parted_low partition of parted for values from (0) to (3); create table parted_high partition of parted for values from (3) to (9)');
    await server.query(isOdd('insert')('parted_low'));
    await expect(runOnce('parted', load('1', [target('parted')]), rows)).rejects.toMatchObject({ code: 'ETL-PG-118', message: expect.stringContaining('kept 1 rows') as string });
  });

  it('that lose nothing are let be: values of their own, updates that change nothing, rows elsewhere besides', async () => {
    const to = target('let_be');
    await runOnce('let be', load('1', [to]), before);
    await server.query(`create function touch() returns trigger language plpgsql as 'begin new.big := ''touched''; return new; end'; create table log (id int);
      create trigger a_touch before insert on let_be for each row execute function touch(); create trigger same before update on let_be for each row execute function suppress_redundant_updates_trigger();
      create trigger gone before delete on let_be for each row when (false) execute function leave_out()`);
    await runOnce('let be', load('2', [to]), [row(1, 'a', 'touched'), row(2, 'b', 'touched'), row(3, 'c', 'touched'), row(3, 'd', 'touched')], { after: '1' });
    await runOnce('let be', load('3', [to]), [row(2, 'b', 'touched'), row(3, 'd', 'touched')], { after: '2' });
    expect(await read('let_be')).toEqual([{ id: 1, v: 'a', big: 'touched' }, { id: 2, v: 'b', big: 'touched' }, { id: 3, v: 'd', big: 'touched' }]);
    const log = target('logged', { write: 'append', key: [] });
    await runOnce('logged', load('1', [log]), before);
    await server.query('create rule also as on insert to logged do also insert into log values (new.id)');
    await runOnce('logged', load('2', [log]), rows, { after: '1' });
    expect(await server.query('select count(*)::int as n from logged union all select count(*)::int from log')).toEqual([{ n: 6 }, { n: 4 }]);
    const only: Schema = { key: ['id'], fields: schema.fields.slice(0, 1) };
    const keys = target('keys_only');
    await runOnce('keys', load('1', [keys]), [{ values: { id: 1 } }], { schema: only });
    await server.query(everyRow('update')('keys_only'));
    await runOnce('keys', load('2', [keys]), [{ values: { id: 1 } }, { values: { id: 2 } }], { schema: only, after: '1' });
    expect(await read('keys_only')).toEqual([{ id: 1 }, { id: 2 }]);
  });
});

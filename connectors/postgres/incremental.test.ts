import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonObject, Position } from '#sdk';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { incremental, merged, plan, readSplits, selection, SourceWorld, stateOf, token, type Outcome } from './source-world.ts';

/** What an incremental pass promises: the fourteen ways in which cursors lose or repeat rows, each tried. */

let server: PostgresServer;
let world: SourceWorld;
const open: SourceWorld['open'] = (...given) => world.open(...given);
const pass: SourceWorld['pass'] = (...given) => world.pass(...given);
beforeAll(async () => {
  server = await startPostgres({ settings: { max_prepared_transactions: '4' } });
  world = new SourceWorld(server.url);
});
afterAll(async () => server.stop());

test('guarantee 1: a late commit below the watermark comes with the next pass, once', async () => {
  await server.query(`create table late (id int generated always as identity primary key, at timestamptz not null default now(), t text)`);
  await server.query(`insert into late (t) values ('first')`);
  const writer = new pg.Client({ connectionString: server.url });
  await writer.connect();
  await writer.query('begin');
  await writer.query(`insert into late (t) values ('late')`);
  await server.query(`insert into late (t) values ('second')`);
  const one = await pass(incremental('public.late', 'at'));
  await writer.query('commit');
  await writer.end();
  const two = await pass(incremental('public.late', 'at'), one.load.positions['public.late']);
  expect(one.rows.map((row) => row[2])).toEqual(['first']);
  expect(new Set(two.rows.map((row) => row[2]))).toEqual(new Set(['late', 'second']));
  expect(two.rows.length).toBe(2);
  const three = await pass(incremental('public.late', 'at'), two.load.positions['public.late']);
  expect(three.rows).toEqual([]);
  expect(three.checkpoints).toMatchObject([{ last: true }]);
  expect(three.load.positions).toEqual(two.load.positions);
});

test('guarantee 2: an integer cursor waits for the transactions that were open, and names the one that stays', async () => {
  await server.query('create table counted (id int primary key, t text)');
  await server.query(`insert into counted values (2, 'two')`);
  const writer = new pg.Client({ connectionString: server.url, application_name: 'slow writer' });
  await writer.connect();
  await writer.query('begin');
  await writer.query(`insert into counted values (1, 'one')`);
  const wanted = incremental('public.counted', 'id');
  await expect(pass({ ...wanted, cursor: { column: 'id', maxWaitMs: 50 } })).rejects.toMatchObject({ code: 'ETL-PG-035', message: expect.stringContaining('slow writer') as string });
  const running = pass(wanted);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  await writer.query('commit');
  await writer.end();
  const one = await running;
  expect(one.rows.map((row) => Number(row[0])).sort((a, b) => a - b)).toEqual([1, 2]);
  await server.query(`insert into counted values (3, 'three')`);
  expect((await pass(wanted, one.load.positions['public.counted'])).rows).toEqual([['3', 'three']]);
});

test('guarantee 1: a snapshot of the same run does not hide a transaction that began after it', async () => {
  await server.query('create table beside (id int primary key, at timestamptz not null default now())');
  await using source = await open();
  await plan(source, selection('public.late'), stateOf());
  const writer = new pg.Client({ connectionString: server.url });
  await writer.connect();
  await writer.query('begin');
  await writer.query('insert into beside values (1)');
  await server.query('insert into beside values (2)');
  const { load, reading } = await plan(source, incremental('public.beside', 'at'), stateOf('public.beside'));
  await writer.query('commit');
  await writer.end();
  const one = await readSplits(source, load, reading);
  await source[Symbol.asyncDispose]();
  const two = await pass(incremental('public.beside', 'at'), load.positions['public.beside']);
  expect([...one.rows, ...two.rows].map((row) => Number(row[0])).sort((a, b) => a - b)).toEqual([1, 2]);
});

test('guarantee 1: a reader of ours that is about to leave holds no bound back', async () => {
  for (const table of ['left', 'right']) await server.query(`create table "${table}" as select i as id, clock_timestamp() - interval '1 h' as at from generate_series(1, 1000) i`);
  const quiet = new SourceWorld(server.url);
  await using source = await quiet.open();
  const streams = [incremental('public.left', 'at'), incremental('public.right', 'at')];
  const [left, right] = await source.plan(streams, stateOf(), { maxSplits: 1, nextLoadId: () => 'l' });
  if (!left || !right) throw new TypeError('no load');
  const { load: { splits: [split] }, reading } = await source.begin(left, token);
  if (!split) throw new TypeError('no split');
  let reader = 0;
  try {
    for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
      if (message.type === 'batch') message.batch.release();
      if (message.type !== 'checkpoint' || !message.last) continue;
      const [row] = await server.query<{ pid: number }>("select pid from pg_stat_activity where application_name = 'etl' and state = 'idle in transaction'");
      reader = row?.pid ?? 0;
      process.kill(reader, 'SIGSTOP'); // it hears the goodbye, and is slow to go
    }
    await source.begin(right, token);
  } finally {
    if (reader > 0) process.kill(reader, 'SIGCONT');
  }
  expect(reader).toBeGreaterThan(0);
  expect(quiet.notes).toEqual([]);
});

test('guarantees 3, 4 and rule 12: a pass goes on inside a table at a tie, and loses and repeats nothing', async () => {
  await server.query(`create table tied as select i as id, timestamptz '2024-01-01' + (i / 20000) * interval '1.000001 s' as at from generate_series(1, 50000) i`);
  await server.query('alter table tied add primary key (id)');
  await server.query('create index on tied (at)');
  await using source = await open();
  const { load, reading } = await plan(source, incremental('public.tied', 'at', { write: 'merge' }), stateOf('public.tied'));
  const first = await readSplits(source, load, reading, { stopAfter: 1 });
  const [checkpoint] = first.checkpoints;
  expect(checkpoint?.last).toBeUndefined();
  await using other = await open();
  const again = await other.resume(load, token);
  if (again === 'lost' || !checkpoint) throw new TypeError('lost');
  const rest = await readSplits(other, load, again, { from: checkpoint.position });
  expect(first.rows.length + rest.rows.length).toBe(50_000);
  expect(new Set([...first.rows, ...rest.rows].map((row) => row[0])).size).toBe(50_000);
});

test('guarantee 7: rows without a cursor fail, are reported or are read again', async () => {
  await server.query('create table holes (id int primary key, at timestamptz)');
  await server.query(`insert into holes values (1, null), (2, now())`);
  await expect(pass(incremental('public.holes', 'at'))).rejects.toMatchObject({ code: 'ETL-PG-031', message: expect.stringContaining('1 rows') as string });
  const skipped = await pass(incremental('public.holes', 'at', { cursor: { column: 'at', nulls: 'skip_reported' } }));
  expect(skipped.rows.map((row) => row[0])).toEqual(['2']);
  const reload = incremental('public.holes', 'at', { write: 'merge', cursor: { column: 'at', nulls: 'reload' } });
  expect((await pass(reload)).rows.map((row) => row[0])).toEqual(['1', '2']);
  await expect(pass({ ...reload, write: 'append' })).rejects.toMatchObject({ code: 'ETL-PG-034' });
});

test.each(['timestamptz', 'date'])('guarantee 7: rows at infinity, which no pass of a %s reaches, fail, are reported or are read again; those at -infinity come first', async (type) => {
  for (const [table, index] of [[`ends_${type}`, false], [`ends_indexed_${type}`, true]] as const) {
    await server.query(`create table ${table} (id int primary key, at ${type} not null)`);
    if (index) await server.query(`create index on ${table} (at)`);
    await server.query(`insert into ${table} values (1, 'infinity'), (2, '2024-01-01'), (3, '-infinity'), (4, 'infinity')`);
    const failing = pass(incremental(`public.${table}`, 'at'));
    await expect(failing).rejects.toMatchObject({ code: 'ETL-PG-039', message: `public.${table}: 2 rows have infinity as at, which no pass reaches.`, hint: expect.stringContaining('cursor.nulls') as string });
    const skipped = await pass(incremental(`public.${table}`, 'at', { cursor: { column: 'at', nulls: 'skip_reported' } }));
    expect(skipped.rows.map((row) => row[0])).toEqual(index ? ['3', '2'] : ['2', '3']);
    expect(world.notes.at(-1)).toContain('2 rows have infinity');
    const reload = incremental(`public.${table}`, 'at', { write: 'merge', cursor: { column: 'at', nulls: 'reload' } });
    const first = await pass(reload);
    expect(first.rows.map((row) => row[0]).toSorted()).toEqual(['1', '2', '3', '4']);
    await server.query(`insert into ${table} values (5, '2024-02-01')`);
    const second = await pass(reload, first.load.positions[`public.${table}`]);
    expect(second.rows.map((row) => row[0]).toSorted()).toEqual(['1', '4', '5']);
  }
});

test('guarantee 13: a cursor that went backwards or changed its type stops with both values', async () => {
  await server.query('create table back (id int primary key, at timestamptz not null, jb jsonb)');
  await server.query(`insert into back values (5, now())`);
  const ahead = { v: 1, mode: 'incremental', column: 'at', type: 'timestamptz', upTo: '2999-01-01 00:00:00+00' };
  await expect(pass(incremental('public.back', 'at'), ahead)).rejects.toMatchObject({ code: 'ETL-PG-032', message: expect.stringContaining('2999-01-01') as string });
  await expect(pass(incremental('public.back', 'id'), ahead)).rejects.toMatchObject({ code: 'ETL-PG-033' });
  await expect(pass(incremental('public.back', 'id'), { v: 1, mode: 'incremental', column: 'id', type: 'int4', upTo: '9' })).rejects.toMatchObject({ code: 'ETL-PG-032', message: expect.stringMatching(/9.*5/) as string });
  await expect(pass(incremental('public.back', 'jb'))).rejects.toMatchObject({ code: 'ETL-PG-030' });
});

test('start, lookback and range', async () => {
  await server.query(`create table days as select i as id, timestamptz '2024-01-01' + i * interval '1 day' as at from generate_series(0, 9) i`);
  const ids = (outcome: Outcome): string => outcome.rows.map((row) => row[0]).join();
  expect(ids(await pass(incremental('public.days', 'at', { cursor: { column: 'at', start: '2024-01-08 00:00:00+00' } })))).toBe('7,8,9');
  const upTo = { v: 1, mode: 'incremental', column: 'at', type: 'timestamptz', upTo: '2024-01-10 00:00:00+00' };
  expect(ids(await pass(incremental('public.days', 'at', { write: 'merge', key: ['id'], cursor: { column: 'at', lookbackMs: 86_400_000 } }), upTo))).toBe('8,9');
  const ranged = await pass(incremental('public.days', 'at', { write: 'merge', key: ['id'], range: { from: '2024-01-02', to: '2024-01-04' } }), upTo);
  expect(ids(ranged)).toBe('1,2');
  expect(ranged.load.positions).toEqual({ 'public.days': upTo });
});

test('guarantee 3: a second pass reads nothing of the last tie but what was written since', async () => {
  await server.query(`create table tie (id int primary key, at timestamptz not null, t text) partition by range (id)`);
  await server.query('create table tie_low partition of tie for values from (0) to (2); create table tie_high partition of tie for values from (2) to (100)');
  await server.query(`insert into tie select i, '2024-01-01', 'first' from generate_series(0, 4) i`);
  const one = await pass(merged('public.tie'));
  expect(one.rows.length).toBe(5);
  const two = await pass(merged('public.tie'), one.load.positions['public.tie']);
  expect(two.rows).toEqual([]);
  await server.query(`update tie set t = 'again' where id = 1; insert into tie values (9, '2024-01-01', 'late')`);
  const three = await pass(merged('public.tie'), two.load.positions['public.tie']);
  expect(three.rows.map(([id, , t]) => `${id} ${t}`).sort()).toEqual(['1 again', '9 late']);
  expect((await pass(merged('public.tie'), three.load.positions['public.tie'])).rows).toEqual([]);
});

test('guarantee 3: what a transaction writes at the last tie comes though it was open, in a subtransaction too, when the tie was read', async () => {
  await server.query(`create table open_tie (id int primary key, at timestamptz not null)`);
  await server.query(`insert into open_tie values (1, '2024-01-01')`);
  const writer = new pg.Client({ connectionString: server.url });
  await writer.connect();
  await writer.query('begin');
  await writer.query('savepoint a');
  await writer.query(`insert into open_tie values (2, '2024-01-01')`);
  await writer.query('release savepoint a');
  await server.query(`insert into open_tie values (3, '2024-01-01')`);
  const one = await pass(merged('public.open_tie'));
  await writer.query('commit');
  await writer.end();
  const two = await pass(merged('public.open_tie'), one.load.positions['public.open_tie']);
  expect(one.rows.map(([id]) => id)).toEqual(['1', '3']);
  expect(two.rows.map(([id]) => id), 'row 3 was written while the other was open: it is read again').toEqual(['2', '3']);
  expect((await pass(merged('public.open_tie'), two.load.positions['public.open_tie'])).rows).toEqual([]);
});

test('guarantee 3: the whole tie is read again where the server can not tell: a view, another server, a frozen row', async () => {
  await server.query('create view tie_view as select * from open_tie');
  const one = await pass(merged('public.open_tie'));
  const position = one.load.positions['public.open_tie'];
  if (!position) throw new TypeError('no position');
  expect((await pass(merged('public.open_tie'), { ...position, seen: { server: 'another/1', xid: '1' } })).rows.length).toBe(3);
  expect((await pass(merged('public.open_tie'), { ...position, seen: { ...(position['seen'] as JsonObject), xid: '999999999999' } })).rows.length).toBe(3);
  await server.query('vacuum (freeze) open_tie');
  expect((await pass(merged('public.open_tie'), position)).rows).toEqual([]);
  const view = incremental('public.tie_view', 'at', { write: 'merge', key: ['id'] });
  expect((await pass(view, (await pass(view)).load.positions['public.tie_view'])).rows.length).toBe(3);
});

test('guarantee 1: a cursor of whole seconds ends its pass before the second that still runs', async () => {
  await server.query(`create table seconds (id int primary key, at timestamptz(0) not null default now())`);
  const read: string[] = [];
  let position: Position | undefined;
  for (let id = 1; id <= 12; id++) {
    await server.query(`insert into seconds (id) values (${id})`);
    const one = await pass(incremental('public.seconds', 'at'), position);
    position = one.load.positions['public.seconds'];
    read.push(...one.rows.map((row) => row[0] ?? ''));
    await new Promise((resolve) => { setTimeout(resolve, 130); });
  }
  await new Promise((resolve) => { setTimeout(resolve, 1600); });
  read.push(...(await pass(incremental('public.seconds', 'at'), position)).rows.map((row) => row[0] ?? ''));
  expect(read.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
});

async function writerOf(options: pg.ClientConfig = {}): Promise<pg.Client> {
  const writer = new pg.Client({ connectionString: server.url, ...options });
  await writer.connect();
  return writer;
}

const idsOf = (...outcomes: readonly Outcome[]): number[] => outcomes.flatMap(({ rows }) => rows.map((row) => Number(row[0]))).sort((a, b) => a - b);

test('guarantee 1: a prepared transaction is waited for, and named', async () => {
  await server.query('create table prepared (id int primary key, at timestamptz not null default now())');
  const writer = await writerOf();
  await writer.query(`begin; insert into prepared values (1); prepare transaction 'in two steps'`);
  await writer.end();
  const wanted = incremental('public.prepared', 'at');
  await expect(pass({ ...wanted, cursor: { column: 'at', maxWaitMs: 50 } })).rejects.toMatchObject({ code: 'ETL-PG-035', message: expect.stringContaining('in two steps') as string });
  const running = pass(wanted);
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  await server.query(`commit prepared 'in two steps'`);
  const one = await running;
  expect(idsOf(one, await pass(wanted, one.load.positions['public.prepared']))).toEqual([1]);
});

test('guarantee 1: an append takes a day when it is over in every zone', async () => {
  await server.query('create table daily (id int primary key, day date not null)');
  await server.query(`insert into daily select i, (now() at time zone 'UTC')::date - i from generate_series(0, 3) i`);
  const one = await pass(incremental('public.daily', 'day'));
  const over = new Date().getUTCHours() < 12 ? [2, 3] : [1, 2, 3];
  expect(idsOf(one)).toEqual(over);
  expect(idsOf(await pass(merged('public.daily', 'day')))).toEqual([1, 2, 3]);
});

test('guarantee 2: rows come from one snapshot, which is younger than the bound; a lookback is refused where it would double rows', async () => {
  await server.query(`create table moving as select i as id, timestamptz '2024-01-01' + i * interval '1 s' as at from generate_series(1, 50000) i`);
  await server.query('alter table moving add primary key (id)');
  await server.query('create index on moving (at)');
  await using source = await open();
  const { load, reading } = await plan(source, merged('public.moving'), stateOf('public.moving'));
  await server.query(`insert into moving values (0, '2024-01-01')`);
  const ids: number[] = [];
  const [split] = load.splits;
  if (!split) throw new TypeError('no split');
  for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
    if (message.type !== 'batch') continue;
    ids.push(...Array.from({ length: message.batch.length }, (_, row) => new Int32Array(message.batch.columns[0]?.data.buffer ?? new ArrayBuffer(0), message.batch.columns[0]?.data.byteOffset)[row] ?? 0));
    message.batch.release();
    if (ids.length < 20_000) await server.query('update moving set at = now() where id > 49000'); // rows that the scan has not come to
  }
  expect(new Set(ids).size).toBe(50_001);
  expect(ids.length).toBe(50_001);
  const next = await pass(merged('public.moving'), load.positions['public.moving']);
  expect(idsOf(next)).toEqual(Array.from({ length: 1000 }, (_, i) => 49_001 + i));
  await expect(pass(incremental('public.moving', 'at', { cursor: { column: 'at', lookbackMs: 1000 } }))).rejects.toMatchObject({ code: 'ETL-PG-034' });
});

test('guarantee 6: a position keeps each digit of the source', async () => {
  await server.query('create table fine (id int primary key, n numeric not null, at timestamptz not null)');
  const digits = '12345678901234567890.000000000000000000001';
  await server.query(`insert into fine values (1, ${digits}, '2024-01-01 00:00:00.000001+00'), (2, ${digits} + 0.000000000000000000001, '2024-01-01 00:00:00.000002+00')`);
  for (const column of ['n', 'at']) {
    const one = await pass(incremental('public.fine', column));
    expect(one.load.positions['public.fine']?.['upTo']).toBe(column === 'n' ? '12345678901234567890.000000000000000000002' : '2024-01-01 00:00:00.000002+00');
    await server.query(`insert into fine values (3, ${digits} + 0.000000000000000000002, '2024-01-01 00:00:00.000003+00')`);
    expect(idsOf(await pass(incremental('public.fine', column), one.load.positions['public.fine']))).toEqual([3]);
    await server.query('delete from fine where id = 3');
  }
});

test('guarantee 8: a row that moves while a pass is broken off comes once, with the next pass', async () => {
  await server.query(`create table shifting as select i as id, timestamptz '2024-01-01' + i * interval '1 s' as at from generate_series(1, 50000) i`);
  await server.query('alter table shifting add primary key (id)');
  await server.query('create index on shifting (at)');
  await using source = await open();
  const { load, reading } = await plan(source, incremental('public.shifting', 'at'), stateOf('public.shifting'));
  const first = await readSplits(source, load, reading, { stopAfter: 1 });
  const place = first.checkpoints.at(-1)?.position;
  if (!place) throw new TypeError('no place');
  await server.query('update shifting set at = now() where id between 40001 and 40100; delete from shifting where id <= 100');
  const rest = await readSplits(source, load, await source.resume(load, token) as JsonObject, { from: place });
  const next = await pass(incremental('public.shifting', 'at'), load.positions['public.shifting']);
  expect(idsOf(next)).toEqual(Array.from({ length: 100 }, (_, i) => 40_001 + i));
  expect(idsOf(first, rest, next)).toEqual(Array.from({ length: 50_000 }, (_, i) => i + 1));
});

test('guarantee 9: a cursor without a time zone loses no late commit of a writer in another zone, and none of its rows waits for UTC', async () => {
  for (const zone of ['America/Chicago', 'Asia/Tokyo']) {
    await server.query('drop table if exists zoneless');
    await server.query('create table zoneless (id int primary key, at timestamp not null default now())');
    const writers = [await writerOf(), await writerOf()];
    for (const writer of writers) await writer.query(`set timezone = '${zone}'`);
    const [slow, quick] = writers;
    await slow?.query('begin; insert into zoneless values (1)');
    await quick?.query('insert into zoneless values (2)');
    const running = pass(incremental('public.zoneless', 'at'));
    await new Promise((resolve) => { setTimeout(resolve, 150); });
    await slow?.query('commit');
    const one = await running;
    await quick?.query('insert into zoneless values (3)');
    const two = await pass(incremental('public.zoneless', 'at'), one.load.positions['public.zoneless']);
    expect([idsOf(one), idsOf(two)], zone).toEqual([[1, 2], [3]]);
    await Promise.all(writers.map((writer) => writer.end()));
  }
});

test('guarantee 10: what zone and date style the account has changes neither rows nor positions', async () => {
  await server.query('create table account (id int primary key, at timestamptz not null, d date not null, local timestamp not null)');
  await server.query(`insert into account values (1, '2024-03-04 05:06:07.000008+00', '2024-03-04', '2024-03-04 05:06:07.000008')`);
  const seen: unknown[] = [];
  for (const setting of ['reset timezone', `set timezone = 'Asia/Kathmandu'`, `set datestyle = 'German'`]) {
    await server.query(`alter role postgres ${setting}`);
    for (const column of ['at', 'd', 'local']) {
      const one = await pass(incremental('public.account', column));
      const two = await pass(incremental('public.account', column), one.load.positions['public.account']);
      seen.push(JSON.stringify([one.rows, one.load.positions, two.rows]));
    }
  }
  await server.query('alter role postgres reset all');
  expect(new Set(seen).size).toBe(3);
});

test('guarantee 11: both hours of the night in which clocks are set back come once; without a zone a lookback brings them', async () => {
  await server.query(`create table night (id int primary key, at timestamptz not null, local timestamp not null)`);
  const hour = (id: number, utc: string): Promise<unknown> => server.query(`insert into night values (${id}, '2024-11-03 ${utc}+00', timestamptz '2024-11-03 ${utc}+00' at time zone 'America/Chicago')`);
  await hour(1, '06:30');
  const before = { at: await pass(incremental('public.night', 'at')), local: await pass(merged('public.night', 'local')) };
  await hour(2, '07:10'); // 01:10 again: before 01:30 on the wall
  const after = await pass(incremental('public.night', 'at'), before.at.load.positions['public.night']);
  expect([idsOf(before.at), idsOf(after)]).toEqual([[1], [2]]);
  const back = { ...merged('public.night', 'local'), cursor: { column: 'local', lookbackMs: 3_600_000 } };
  expect(idsOf(await pass(back, before.local.load.positions['public.night']))).toEqual([1, 2]);
});

test('guarantee 12: this machine\'s clock decides nothing', async () => {
  await server.query('create table skewed (id int primary key, at timestamptz not null default now())');
  await server.query('insert into skewed values (1)');
  let position: Position | undefined;
  const outcomes: Outcome[] = [];
  for (const hours of [-48, 48]) {
    const one = await pass(incremental('public.skewed', 'at'), position, () => Date.now() + hours * 3_600_000);
    position = one.load.positions['public.skewed'];
    outcomes.push(one);
    await server.query(`insert into skewed values (${hours + 100})`);
  }
  expect(outcomes.map((each) => idsOf(each))).toEqual([[1], [52]]);
  await using source = await open({}, () => Date.now() + 3_600_000);
  const items = await source.check([incremental('public.skewed', 'at')]);
  expect(items.find(({ what }) => what === 'clock')).toMatchObject({ level: 'warning', detail: expect.stringMatching(/36000\d\d ms behind|35999\d\d ms behind/) as string });
});

test('a cursor that was widened goes on from its position; a position from elsewhere or from the future is refused', async () => {
  await server.query('create table widened (id bigint primary key)');
  await server.query('insert into widened select generate_series(1, 5)');
  const at = (position: Position) => pass(incremental('public.widened', 'id'), position);
  expect((await at({ v: 1, mode: 'incremental', column: 'id', type: 'int4', upTo: '3' })).rows.map((row) => row[0])).toEqual(['4', '5']);
  await expect(at({ v: 1, mode: 'incremental', column: 'id', type: 'numeric', upTo: '3' })).rejects.toMatchObject({ code: 'ETL-PG-033' });
  for (const position of [{ v: 2, mode: 'incremental', column: 'id', type: 'int8', upTo: '3' }, { v: 1, mode: 'x' }, { id: 3 }]) await expect(at(position)).rejects.toMatchObject({ code: 'ETL-PG-037', kind: 'state_lost' });
});

test('what a person wrote of a cursor is read before a load rests on it', async () => {
  const start = incremental('public.widened', 'id', { cursor: { column: 'id', start: 'never' } });
  await expect(pass(start)).rejects.toMatchObject({ code: 'ETL-PG-038', message: 'public.widened: cursor.start is `never`, which is no int8.' });
  const range = (from: string, to: string) => pass(incremental('public.widened', 'id', { write: 'merge', range: { from, to } }));
  await expect(range('1', 'x')).rejects.toMatchObject({ code: 'ETL-PG-038', message: 'public.widened: --range TO is `x`, which is no int8.' });
  await expect(range('5', '2')).rejects.toMatchObject({ code: 'ETL-PG-038', message: 'public.widened: --range 5..2 holds nothing.' });
  expect((await range('2', '4')).rows.map((row) => row[0])).toEqual(['2', '3']);
});

test.each([['timestamptz', 'such rows are not read before that time'], ['timestamp', 'are never read']])('a %s cursor that is far in the future is told of', async (type, what) => {
  const table = `future_${type}`;
  await server.query(`create table ${table} (id int primary key, at ${type} not null); create index on ${table} (at); insert into ${table} values (1, now()), (2, now() + interval '20 hours')`);
  const wanted = incremental(`public.${table}`, 'at');
  await pass(wanted);
  expect(world.notes.splice(0).filter((note) => note.startsWith(`public.${table}:`))).toEqual([]);
  await server.query(`insert into ${table} values (3, '9999-12-31')`);
  await pass(wanted);
  expect(world.notes.filter((note) => note.startsWith(`public.${table}:`))).toEqual([expect.stringMatching(new RegExp(`^public.${table}: at reaches 9999-12-31 .* in the future: .*${what}`))]);
});

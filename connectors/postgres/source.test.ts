import { afterAll, beforeAll, expect, test } from 'vitest';
import { canonicalText, memoryInUse } from '#batch';
import type { JobState, JsonObject, Load, Position, Rejection, Selection, Source } from '#sdk';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import connector from './index.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres({ settings: { max_prepared_transactions: '4' } });
});
afterAll(async () => server.stop());

const notes: string[] = [];
async function open(config: Record<string, unknown> = {}): Promise<Source> {
  const role = connector.source;
  if (!role) throw new TypeError('no source');
  return role.create(role.config.parse({ url: server.url, ...config }), {
    directory: '/', maxBufferedBytes: 64e6, note: (_level, message) => notes.push(message),
    ports: {
      clock: { now: () => Date.now(), monotonic: () => performance.now(), sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }) },
      random: { next: () => 0.5, bytes: (length) => new Uint8Array(length), uuidv7: () => '0' },
    },
  });
}

function selection(stream: string, more: Partial<Selection> = {}): Selection {
  return { stream, sync: 'full', write: 'replace', key: [], immutableKey: false, asText: [], masked: [], fullRefresh: false, ...more };
}

const token = { pipe: 'p', runEpoch: 1, runId: 'r' };
function stateOf(stream?: string, position?: Position): JobState {
  return { runEpoch: 1, loads: [], streams: stream === undefined ? {} : { [stream]: { rebuild: false, incarnations: {}, ...(position ? { position } : {}) } } };
}

interface Outcome {
  readonly load: Load;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly rejected: readonly Rejection[];
  readonly checkpoints: readonly { position: Position; last?: true; rowsBefore: number }[];
}

async function readSplits(source: Source, load: Load, reading: JsonObject, options: { from?: Position; stopAfter?: number } = {}): Promise<Outcome> {
  const rows: (string | null)[][] = [];
  const rejected: Rejection[] = [];
  const checkpoints: { position: Position; last?: true; rowsBefore: number }[] = [];
  for (const split of load.splits) {
    for await (const message of source.read(reading, split, options.from, new AbortController().signal)) {
      if (message.type === 'batch') {
        for (let i = 0; i < message.batch.length; i++) rows.push(message.batch.columns.map((column) => canonicalText(column, i)));
        message.batch.release();
      } else if (message.type === 'rejected') rejected.push(...message.rejections);
      else if (message.type === 'checkpoint') checkpoints.push({ position: message.position, ...(message.last ? { last: true } : {}), rowsBefore: rows.length });
      if (options.stopAfter !== undefined && checkpoints.length >= options.stopAfter) break;
    }
  }
  return { load, rows, rejected, checkpoints };
}

async function plan(source: Source, wanted: Selection, state: JobState, maxSplits = 1): Promise<{ load: Load; reading: JsonObject }> {
  let id = 0;
  const [load] = await source.plan([wanted], state, { maxSplits, nextLoadId: () => `load-${id++}` });
  if (!load) throw new TypeError('no load');
  return source.begin(load, token);
}

async function pass(wanted: Selection, position?: Position): Promise<Outcome> {
  await using source = await open();
  const { load, reading } = await plan(source, wanted, stateOf(wanted.stream, position));
  return await readSplits(source, load, reading);
}

const TYPES = `create type mood as enum ('sad', 'ok');
create domain positive as int check (value > 0);
create table types (id int primary key, b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, d date, t time, ts timestamp, tz timestamptz, u uuid, x bytea,
 j json, jb jsonb, iv interval, n numeric, n9 numeric(9,2), n38 numeric(38,10), neg numeric(3,-2), m mood, p positive, c char(5), v varchar(7), ia int[], ta text[], na numeric(5,1)[],
 r int4range, ip inet, bits varbit, ttz timetz, mon money, x1 xml, ts1 tsvector, comp types_comp)`;

test('every type of the server arrives as its canonical text', async () => {
  await server.query('create type types_comp as (a int, b text)');
  await server.query(TYPES);
  await server.query(`insert into types values (1, true, -32768, -2147483648, 9223372036854775807, 1.5, -0.1, '2024-02-29', '24:00', '2024-03-31 02:30:00.123456', '2024-02-29 23:59:59.999999+00',
    '00000000-0000-0000-0000-0000000000ff', '\\x00ff5c27', '{"a":"x\\u0000y","a":12345678901234567890123.5}', '{"n": 123456789012345678901234567890.5}', '1 mon 2 days 3.5 s', '-12345678901234567890.0012300',
    -1234567.89, 1234567890123456789012345678.0123456789, 12345, 'ok', 7, 'ab', 'abcdefg', '{1,NULL,3}', array['a,b','c"d','NULL',null,''], '{1.5,-2}',
    '[1,5)', '10.1.2.3/8', B'1010001', '12:00:00.000001+05:30', 12.5, '<a/>', 'a b', row(1,'x'))`);
  await server.query(`insert into types (id, d, ts, tz, n, f8, f4) values (2, 'infinity', '-infinity', '0001-01-01 00:00:00+00 BC', 'NaN', 'NaN', '-Infinity'), (3, '0044-03-15 BC', 'infinity', '20000-01-01 00:00:00+00', '-Infinity', 5e-324, 0),
    (4, null, null, null, 0.00000000012300, null, null), (5, null, null, null, '1e100', null, null), (6, null, null, null, -0.0, null, null), (7, null, null, null, 1000000, null, null)`);
  const { rows, rejected } = await pass(selection('public.types'));
  expect(rejected).toEqual([]);
  expect(rows[0]).toEqual(['1', 'true', '-32768', '-2147483648', '9223372036854775807', '1.5', '-0.1', '2024-02-29', '24:00:00.000000', '2024-03-31T02:30:00.123456', '2024-02-29T23:59:59.999999Z',
    '00000000-0000-0000-0000-0000000000ff', '00ff5c27', '{"a":"x\\u0000y","a":12345678901234567890123.5}', '{"n": 123456789012345678901234567890.5}', 'P1M2DT3.5S', '-12345678901234567890.00123',
    '-1234567.89', '1234567890123456789012345678.0123456789', '12300', 'ok', '7', 'ab   ', 'abcdefg', '[1,null,3]', '["a,b","c\\"d","NULL",null,""]', '[1.5,-2]',
    '[1,5)', '10.1.2.3/8', '1010001', '12:00:00.000001+05:30', '$12.50', '<a/>', "'a' 'b'", '(1,x)']);
  const column = (name: number, at: number): string | null | undefined => rows[at]?.[name];
  expect([column(7, 1), column(9, 1), column(10, 1), column(16, 1), column(6, 1), column(5, 1)]).toEqual(['infinity', '-infinity', '0000-01-01T00:00:00.000000Z', 'NaN', 'NaN', '-Infinity']);
  expect([column(7, 2), column(9, 2), column(10, 2), column(16, 2), column(6, 2)]).toEqual(['-0043-03-15', 'infinity', '+20000-01-01T00:00:00.000000Z', '-Infinity', '5e-324']);
  expect([3, 4, 5, 6].map((at) => column(16, at))).toEqual(['0.000000000123', `1${'0'.repeat(100)}`, '0', '1000000']);
});

test('what a typed column has no place for is rejected by name, and exact as text', async () => {
  await server.query(`create table odd (id int primary key, n numeric(10,2), a int[], tz timestamptz)`);
  await server.query(`insert into odd values (1, 1.5, '{1}', now()), (2, 'NaN', null, null), (3, null, '{{1,2},{3,4}}', null), (4, null, '[0:1]={1,2}', null), (5, null, null, '294276-12-31 23:59:59+00'), (6, 2, '{}', null)`);
  const typed = await pass(selection('public.odd'));
  expect(typed.rows.map((row) => row[0])).toEqual(['1', '6']);
  expect(typed.rejected.map((each) => [each.key?.['id'], each.code, each.column])).toEqual([['2', 'ETL-PG-020', 'n'], ['3', 'ETL-PG-021', 'a'], ['4', 'ETL-PG-021', 'a'], ['5', 'ETL-PG-020', 'tz']]);
  const text = await pass(selection('public.odd', { asText: ['n', 'a', 'tz'] }));
  expect(text.rejected).toEqual([]);
  expect(text.rows.map((row) => row.slice(1)).slice(1, 5)).toEqual([['NaN', null, null], [null, '{{1,2},{3,4}}', null], [null, '[0:1]={1,2}', null], [null, null, '294276-12-31 23:59:59+00']]);
});

test('a large table in ctid ranges under one snapshot: each row once, and no memory left', async () => {
  await server.query(`create table big as select i as id, repeat('x', 1000) || i as t from generate_series(1, 160000) i`);
  const before = memoryInUse();
  {
    await using source = await open();
    const { load, reading } = await plan(source, selection('public.big'), stateOf(), 2);
    expect(load.splits.length).toBe(2);
    expect(load.staged).toBe(true);
    await server.query(`insert into big values (0, 'late')`);
    const { rows, checkpoints } = await readSplits(source, load, reading);
    expect(new Set(rows.map((row) => row[0])).size).toBe(160_000);
    expect(rows.length).toBe(160_000);
    expect(checkpoints.filter((each) => each.last).length).toBe(2);
    await using other = await open();
    expect(await other.resume(load, token)).toBe('lost');
  }
  expect(memoryInUse()).toBe(before);
});

test('values of megabytes pass, and past the cap the error is typed', async () => {
  await server.query(`create table fat as select i as id, repeat(chr(65 + i), 9000000) as t from generate_series(1, 3) i`);
  const { rows } = await pass(selection('public.fat'));
  expect(rows.map((row) => [row[0], row[1]?.length, row[1]?.[0]])).toEqual([['1', 9e6, 'B'], ['2', 9e6, 'C'], ['3', 9e6, 'D']]);
  await using source = await open({ max_row_bytes: 1_000_000 });
  const { load, reading } = await plan(source, selection('public.fat'), stateOf());
  await expect(readSplits(source, load, reading)).rejects.toMatchObject({ code: 'ETL-PG-007' });
});

test('hostile names, views, queries, excluded and chosen columns', async () => {
  await server.query(`create table "a""; drop table types; --" ("x"" y" int primary key, "B" text)`);
  await server.query(`insert into "a""; drop table types; --" values (1, 'b')`);
  await server.query(`create view seen as select * from "a""; drop table types; --"`);
  expect((await pass(selection('public.a"; drop table types; --'))).rows).toEqual([['1', 'b']]);
  expect((await pass(selection('public.seen', { exclude: ['B'] }))).rows).toEqual([['1']]);
  expect((await pass(selection('mine', { query: 'select 1 as one, now() - now() as nothing; ' }))).rows).toEqual([['1', 'PT0S']]);
  await using source = await open();
  const streams = await source.discover({ mine: 'select 1 as one' });
  expect(streams.find((each) => each.name === 'mine')?.schema.fields.map((field) => field.name)).toEqual(['one']);
  expect(streams.find((each) => each.name === 'public.types')?.schema.key).toEqual(['id']);
});

const incremental = (stream: string, column: string, more: Partial<Selection> = {}): Selection =>
  selection(stream, { sync: 'incremental', write: 'append', cursor: { column }, ...more });

test('guarantee 1: a late commit below the watermark comes with the next pass, once', async () => {
  await server.query(`create table late (id int generated always as identity primary key, at timestamptz not null default now(), t text)`);
  await server.query(`insert into late (t) values ('first')`);
  const { default: pg } = await import('pg');
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
  const { default: pg } = await import('pg');
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
  await plan(source, selection('public.odd'), stateOf());
  const { default: pg } = await import('pg');
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

test('what a role lacks, and what it has too much of, is named', async () => {
  await server.query(`create role reader login password 'secret'`);
  await server.query('grant select, delete on beside to reader');
  await using source = await open({ url: server.url.replace('postgres:secret', 'reader:secret') });
  const items = await source.check([incremental('public.beside', 'at'), selection('public.late')]);
  const levels = items.map((item) => `${item.what}: ${item.level}`);
  expect(levels).toEqual(expect.arrayContaining(['connection: ok', 'clock: ok', 'open transactions: warning', 'public.beside: warning', 'public.late: error']));
  expect(items.find((item) => item.level === 'error')?.hint).toBe('GRANT SELECT ON "public"."late" TO "reader"');
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

test('guarantee 13: a cursor that went backwards or changed its type stops with both values', async () => {
  await server.query('create table back (id int primary key, at timestamptz not null)');
  await server.query(`insert into back values (5, now())`);
  const ahead = { v: 1, mode: 'incremental', column: 'at', type: 'timestamptz', upTo: '2999-01-01 00:00:00+00' };
  await expect(pass(incremental('public.back', 'at'), ahead)).rejects.toMatchObject({ code: 'ETL-PG-032', message: expect.stringContaining('2999-01-01') as string });
  await expect(pass(incremental('public.back', 'id'), ahead)).rejects.toMatchObject({ code: 'ETL-PG-033' });
  await expect(pass(incremental('public.back', 'id'), { v: 1, mode: 'incremental', column: 'id', type: 'int4', upTo: '9' })).rejects.toMatchObject({ code: 'ETL-PG-032', message: expect.stringMatching(/9.*5/) as string });
  await expect(pass(incremental('public.types', 'jb'))).rejects.toMatchObject({ code: 'ETL-PG-030' });
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

test('a stop ends the read at once, and a wrong password is named', async () => {
  await using source = await open();
  const { load, reading } = await plan(source, selection('public.big'), stateOf());
  const stop = new AbortController();
  let batches = 0;
  for await (const message of source.read(reading, load.splits[0] ?? { id: '', streams: [], detail: null, live: false }, undefined, stop.signal)) {
    if (message.type === 'checkpoint') throw new TypeError('a stop is no end');
    if (message.type !== 'batch') continue;
    message.batch.release();
    if (++batches === 1) stop.abort();
  }
  expect(batches).toBe(1);
  const wrong = await open({ password: 'wrong' });
  await expect(wrong.identity()).rejects.toMatchObject({ code: 'ETL-PG-002', kind: 'auth' });
});

const KEYED = { key: ['shop', 'id'], immutableKey: true, write: 'replace' } as const;

test('rule 12: ranges of an immutable key hold each row once, and go on after the last key under another snapshot', async () => {
  await server.query(`create table keyed as select i / 1000 as shop, i as id, repeat('x', 900) || i as t from generate_series(1, 160000) i`);
  await server.query('alter table keyed add primary key (shop, id)');
  await server.query('analyze keyed');
  await using source = await open();
  const { load, reading } = await plan(source, selection('public.keyed', KEYED), stateOf(), 2);
  expect(load.splits.map(({ id }) => id)).toEqual(['public.keyed#0', 'public.keyed#1']);
  await server.query(`insert into keyed values (0, 0, 'late')`);
  const whole = await readSplits(source, load, reading);
  expect(new Set(whole.rows.map(([shop, id]) => `${shop} ${id}`)).size).toBe(160_000);
  expect(whole.rows.length, 'one snapshot covers both').toBe(160_000);
  const [split] = load.splits;
  const one = { ...load, splits: split ? [split] : [] };
  const first = await readSplits(source, one, reading, { stopAfter: 2 });
  const place = first.checkpoints.at(-1)?.position;
  expect(place?.['after']).toEqual([first.rows.at(-1)?.[0], first.rows.at(-1)?.[1]]);
  await using other = await open();
  notes.length = 0;
  const again = await other.resume(load, token);
  if (again === 'lost' || !place) throw new TypeError('lost');
  expect(notes).toEqual(['public.keyed: the load goes on by its key under another snapshot: the table is not of one instant.']);
  const rest = await readSplits(other, one, again, { from: place });
  const wanted = await server.query<{ shop: number; id: number }>('select shop, id from keyed where (shop, id) > (0, 0) order by shop, id');
  const found = [...first.rows, ...rest.rows].map(([shop, id]) => `${shop} ${id}`);
  expect(found).toEqual(wanted.slice(0, found.length).map(({ shop, id }) => `${shop} ${id}`));
});

test('rule 12: no key ranges where a table would be torn or a row missed: append, a key that may change, is masked, is not indexed or may be NULL', async () => {
  await server.query('create table loose (id int, other int not null); create index on loose (id)');
  await using source = await open();
  const by = async (wanted: Selection): Promise<unknown> => (await plan(source, wanted, stateOf())).load.splits.map(({ detail }) => (detail as JsonObject)['by']);
  expect(await by(selection('public.keyed', KEYED))).toEqual(['key']);
  expect(await by(selection('public.keyed', { ...KEYED, write: 'merge' }))).toEqual(['key']);
  for (const more of [{ write: 'append' }, { write: 'scd2' }, { immutableKey: false }, { masked: ['id'] }, { exclude: ['shop'] }] as const) {
    expect(await by(selection('public.keyed', { ...KEYED, ...more }))).toEqual(['blocks']);
  }
  expect(await by(selection('public.loose', { ...KEYED, key: ['id'] }))).toEqual(['blocks']);
  expect(await by(selection('public.loose', { ...KEYED, key: ['other'] }))).toEqual(['blocks']);
});

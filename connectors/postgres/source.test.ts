import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryInUse } from '#batch';
import type { JsonObject, Selection } from '#sdk';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { incremental, plan, readSplits, selection, SourceWorld, stateOf, token } from './source-world.ts';

let server: PostgresServer;
let world: SourceWorld;
const open: SourceWorld['open'] = (...given) => world.open(...given);
const pass: SourceWorld['pass'] = (...given) => world.pass(...given);
beforeAll(async () => {
  server = await startPostgres();
  world = new SourceWorld(server.url);
});
afterAll(async () => server.stop());

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

test('rows come as they lie, wherever another scan of the table stands', async () => {
  const other = new pg.Client({ connectionString: server.url });
  await other.connect();
  await other.query('begin');
  await other.query('declare half cursor for select id from big');
  await other.query('move 80000 from half');
  const [{ id } = { id: 0 }] = await server.query<{ id: number }>('select id from big limit 1');
  expect(id, 'a scan with the defaults of Postgres joins the other').toBeGreaterThan(1);
  const { rows } = await pass(selection('public.big', { columns: ['id'] }));
  await other.end();
  expect(rows.slice(0, 160_000).every((row, index) => row[0] === String(index + 1))).toBe(true);
});

test('values of megabytes pass, and past the cap the error is typed', async () => {
  await server.query(`create table fat as select i as id, repeat(chr(65 + i), 9000000) as t from generate_series(1, 3) i`);
  const { rows } = await pass(selection('public.fat'));
  expect(rows.map((row) => [row[0], row[1]?.length, row[1]?.[0]])).toEqual([['1', 9e6, 'B'], ['2', 9e6, 'C'], ['3', 9e6, 'D']]);
  await using source = await open({ max_row_bytes: 1_000_000 });
  const { load, reading } = await plan(source, selection('public.fat'), stateOf());
  await expect(readSplits(source, load, reading)).rejects.toMatchObject({ code: 'ETL-PG-007', hint: expect.stringContaining('Raise max_row_bytes') as string });
});

test('the memory of a huge row is given back once it is past', async () => {
  await server.query(`create table one_huge as select i as id, repeat('x', case when i = 20 then 60000000 else 200000 end) as t from generate_series(1, 60) i`);
  await using source = await open();
  const { load, reading } = await plan(source, selection('public.one_huge'), stateOf());
  const [split] = load.splits;
  if (!split) throw new TypeError('no split');
  const before = memoryInUse();
  const held: number[] = [];
  for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
    if (message.type !== 'batch') continue;
    message.batch.release();
    held.push(memoryInUse() - before);
  }
  expect(Math.max(...held)).toBeGreaterThan(60e6);
  expect(held.at(-1)).toBeLessThan(2e6);
});

test('hostile names, views, queries, excluded and chosen columns', async () => {
  await server.query(`create table "a""; drop table types; --" ("x"" y" int primary key, "B" text)`);
  await server.query(`insert into "a""; drop table types; --" values (1, 'b')`);
  await server.query(`create view seen as select * from "a""; drop table types; --"`);
  expect((await pass(selection('public."a""; drop table types; --"'))).rows).toEqual([['1', 'b']]);
  expect((await pass(selection('public.seen', { exclude: ['B'] }))).rows).toEqual([['1']]);
  expect((await pass(selection('mine', { query: 'select 1 as one, now() - now() as nothing; ' }))).rows).toEqual([['1', 'PT0S']]);
  await using source = await open();
  const streams = await source.discover({ queries: { mine: 'select 1 as one' } });
  expect(streams.find((each) => each.name === 'mine')?.schema.fields.map((field) => field.name)).toEqual(['one']);
  expect(streams.find((each) => each.name === 'public.types')?.schema.key).toEqual(['id']);
  const only = await source.discover({ only: ['public."a""; drop table types; --"', 'public.nowhere'] });
  expect(only).toEqual(streams.filter((each) => each.name === 'public."a""; drop table types; --"'));
  expect(await source.discover({ only: [] })).toEqual([]);
});

test('what a role lacks, and what it has too much of, is named', async () => {
  await server.query('create table beside (id int primary key, at timestamptz not null default now()); create table late (id int)');
  await server.query(`create role reader login password 'secret'`);
  await server.query('grant select, delete on beside to reader');
  await using source = await open({ url: server.url.replace('postgres:secret', 'reader:secret') });
  const items = await source.check([incremental('public.beside', 'at'), selection('public.late')]);
  const levels = items.map((item) => `${item.what}: ${item.level}`);
  expect(levels).toEqual(expect.arrayContaining(['connection: ok', 'clock: ok', 'open transactions: warning', 'public.beside: warning', 'public.late: error']));
  expect(items.find((item) => item.level === 'error')?.hint).toBe('GRANT SELECT ON "public"."late" TO "reader"');
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

test('a run of one split is read by one connection, which no time limit ends, and again by another when that one breaks', async () => {
  await server.query('create role hurried login password \'secret\' in role pg_read_all_data');
  await using source = await open({ user: 'hurried', password: 'secret', statement_timeout_ms: 1500 });
  const { load, reading } = await plan(source, selection('public.big'), stateOf());
  const [split] = load.splits;
  if (!split) throw new TypeError('no split');
  const connections = () => server.query<{ pid: number }>("select pid from pg_stat_activity where usename = 'hurried'");
  const slowly = async (): Promise<number> => {
    let rows = 0;
    let paused = false;
    for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
      if (message.type !== 'batch') continue;
      rows += message.batch.length;
      message.batch.release();
      if (paused) continue;
      paused = true;
      expect(await connections()).toHaveLength(1);
      await server.query('select pg_sleep(2)');
    }
    return rows;
  };
  const [{ count } = { count: 0 }] = await server.query<{ count: number }>('select count(*)::int as count from big');
  expect(await slowly()).toBe(count);

  const broken = async (): Promise<void> => {
    for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
      if (message.type !== 'batch') continue;
      message.batch.release();
      for (const { pid } of await connections()) await server.query('select pg_terminate_backend($1)', [pid]);
    }
  };
  await expect(broken()).rejects.toMatchObject({ kind: 'transient' });
  expect((await readSplits(source, load, reading)).rows.length).toBe(count);
  await expect(source.discover({ only: ['public.big'] })).resolves.toHaveLength(1);
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
  world.notes.length = 0;
  const again = await other.resume(load, token);
  if (again === 'lost' || !place) throw new TypeError('lost');
  expect(world.notes).toEqual(['public.keyed: the load goes on by its key under another snapshot: the table is not of one instant.']);
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

import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

let server: PostgresServer;
let world: World;
beforeAll(async () => {
  server = await startPostgres();
  world = await World.open(server, 'values');
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

const job = (target: string, streams: string): string => `version: 1
name: shop
connections: { shop: { type: postgres, url: "\${SRC}" }, to: ${target} }
source: shop
target: to
streams: ${streams}
`;

test.each([['duckdb', '{ type: duckdb, path: lake.duckdb }'], ['postgres', '{ type: postgres, url: "${DST}" }']])('rule 14: values that differ are versions, also where the database calls them equal, and the asked columns are filled: %s', async (place, target) => {
  await world.sql(`drop table if exists alike; create table alike (id int primary key, i interval, a interval[], f float8, j jsonb, r float4 default 0.1, n numeric(10, 2) default 1.5);
    insert into alike values (1, '30 days', null, 1, '{}'), (2, null, '{24:00}', 1, '{}'), (3, null, null, 0, '{}'), (4, null, null, 1, '{"x": 1}'), (5, '1 day', '{1 day}', 2, '{"y": 2}')`);
  world.write('job.yaml', job(target, '{ public.alike: { sync: full, write: scd2, add_columns: [_etl_loaded_at, _etl_run_id] } }'));
  expect((await world.etl('run', 'job.yaml')).exit).toBe(0);
  const widen = 'alter table alike alter r type double precision; alter table alike alter n type numeric(20, 4)'; // makes no version
  await (place === 'duckdb' ? world.duck(widen) : world.sql(widen, world.target));
  await world.sql(`update alike set i = '1 mon' where id = 1; update alike set a = '{1 day}' where id = 2; update alike set f = '-0' where id = 3; update alike set j = '{"x": 1.0}' where id = 4`);
  const said = await world.etl('run', 'job.yaml');
  expect(said.exit, said.err).toBe(0);
  const counted = `select count(*) || ' ' || sum(case when _etl_valid_to is null then 1 else 0 end) || ' ' || count(_etl_loaded_at) || ' ' || count(_etl_run_id) from alike`;
  expect(place === 'duckdb' ? await world.duck(counted) : (await valueOf(counted))).toBe('9 5 9 9');
});

test('a column keeps its name when the one that it met in it goes, and a newcomer does not get the name of one that is gone', async () => {
  await world.sql(`create table met (id int primary key, "userName" text, user_name text); insert into met values (1, 'camel', 'snake')`);
  world.write('met.yaml', job('{ type: duckdb, path: lake.duckdb }', '{ public.met: { sync: incremental, cursor: id, write: merge, normalize: { names: snake } } }'));
  const runs = [
    await world.etl('run', 'met.yaml'),
    await world.sql("alter table met drop user_name; insert into met values (2, 'camel')").then(() => world.etl('run', 'met.yaml')),
    await world.sql(`alter table met drop "userName"; alter table met add "UserName" text; insert into met values (3, 'pascal')`).then(() => world.etl('run', 'met.yaml')),
  ];
  expect(runs.map(({ exit }) => exit), runs.map(({ err }) => err).join('\n')).toEqual([0, 0, 0]);
  expect(await world.duck("select string_agg(column_name, ' ' order by column_index) from duckdb_columns() where table_name = 'met'")).toMatch(/^id user_name_([0-9a-f]{8}) user_name user_name_(?!\1)[0-9a-f]{8}$/);
  expect(await world.duck("select string_agg(concat_ws('|', *columns(*)), ' ' order by id) from met")).toBe('1|camel|snake 2|camel 3|pascal');
});

async function valueOf(sql: string): Promise<string> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: world.target });
  await client.connect();
  try {
    return Object.values<string>((await client.query<Record<string, string>>(sql)).rows[0] ?? {})[0] ?? '';
  } finally {
    await client.end();
  }
}

test('a rejected row is shown with the values of the source that had no place, but those that are masked', async () => {
  await world.sql(`create table odd (id int primary key, n numeric(10, 2), b numeric(30, 2), secret numeric(10, 2), t timestamptz, i int[], s text[], m numeric(4, 1)[]);
    insert into odd values (1, 'NaN', 'NaN', 'NaN', '294260-01-01 00:00:00.5+00', '{{1,2},{3,4}}', '[0:1]={a,"b c"}', '{1.5,NaN}'),
      (2, 1.5, 2, 3, 'infinity', '{1}', null, null), (3, null, null, null, null, null, '[2:3][0:0]={{NULL},{""}}', '{}')`);
  world.write('job.yaml', job('{ type: file, path: odd }', '{ public.odd: { target: { format: jsonl }, errors: { max_bad: 9 }, columns: { secret: { mask: { keep_last: 1 } } } } }'));
  expect((await world.etl('run', 'job.yaml')).exit).toBe(4);
  const { result } = JSON.parse((await world.etl('quarantine', 'list', 'job.yaml', '--json')).out) as { result: { row: Record<string, unknown> }[] };
  expect(result.map(({ row }) => row).sort((a, b) => Number(a['id']) - Number(b['id']))).toEqual([
    { id: '1', n: 'NaN', b: 'NaN', t: '+294260-01-01T00:00:00.500000Z', i: '{{1,2},{3,4}}', s: '[0:1]={a,"b c"}', m: '{1.5,NaN}' },
    { id: '3', n: null, b: null, t: null, i: null, s: '[2:3][0:0]={{NULL},{""}}', m: '[]' },
  ]);
});

test.each(['append', 'merge'])('what was read is what was written and what was rejected, by the job or by the target: %s', async (write) => {
  await world.sql('drop table if exists orders; create table orders (id int primary key, name varchar(6), at timestamptz)', world.target);
  world.write('job.yaml', `${job('{ type: postgres, url: "${DST}" }', `{ public.orders: { write: ${write}, checks: ["range(id, 2, 100)"], errors: { max_bad: 45 } } }`)}`.replace('name: shop', `name: ${write}`));
  await world.sql('drop schema if exists _etl cascade', world.target);
  const said = await world.etl('run', 'job.yaml', '--json');
  expect(said.exit, said.err).toBe(4);
  expect((JSON.parse(said.out) as { result: { streams: unknown } }).result.streams).toMatchObject([{ read: 50, written: 8, rejected: 42 }]);
});

test('preview shows the streams that are selected, and bytes as digits', async () => {
  await world.sql("create table bytes as select 1 as id, '\\xdeadbeef'::bytea as b");
  world.write('job.yaml', job('{ type: file, path: out }', '{ public.bytes: {}, public.orders: {} }'));
  const said = await world.etl('preview', 'job.yaml', '--select', 'public.bytes', '-o', 'jsonl');
  expect(said.out.trim()).toBe('{"id":1,"b":"deadbeef"}');
});

test('a value that a job would reject has no hash', async () => {
  world.env['PII'] = '0123456789abcdef0123456789abcdef';
  const said = await world.etl('hash', '--key', '${PII}', '--domain', 'd', '--normalizer', 'phone', '12345');
  expect(said.exit).toBe(1);
  expect(said.err).toContain('the value is no phone');
});

test('the key of a hash is printed nowhere', async () => {
  const key = 'literal-key-0123456789';
  world.write('job.yaml', job('{ type: file, path: out }', `{ public.orders: { columns: { name: { hash: hmac-sha256, key: ${key} } } } }`));
  for (const command of [['run', 'job.yaml', '--print-config'], ['lint', 'job.yaml'], ['plan', 'job.yaml'], ['run', 'job.yaml', '--json']]) {
    const said = await world.etl(...command);
    expect(said.out + said.err, command.join(' ')).not.toContain(key);
  }
});

test('a table that others inherit from has no key in common with them', async () => {
  await world.sql("create table parent (id int primary key, v text); create table child () inherits (parent); insert into parent select i, 'p' from generate_series(1, 10) i; insert into child select i, 'c' from generate_series(5, 20) i");
  world.write('job.yaml', job('{ type: postgres, url: "${DST}" }', '{ public.parent: {} }'));
  expect((await world.etl('run', 'job.yaml')).exit).toBe(0);
  expect(await valueOf("select count(*) || ' ' || sum(id) from parent")).toBe('26 255');
  world.write('job.yaml', job('{ type: postgres, url: "${DST}" }', '{ public.parent: { write: merge } }'));
  expect((await world.etl('run', 'job.yaml')).err).toContain('ETL-PLAN-004');
});

test.each([['parquet', '{ type: file, path: out }'], ['duckdb', '{ type: duckdb, path: lake.duckdb }'], ['postgres', '{ type: postgres, url: "${DST}" }']])('a table without columns, or of dropped ones, fails by name, and the other streams go on: %s', async (_, target) => {
  await world.sql('create table if not exists bare (); insert into bare default values; create table if not exists blind (id int); create table if not exists sound as select 1 as id');
  world.write('job.yaml', job(target, '{ public.bare: {}, public.blind: { columns: { "*": drop } }, public.sound: {} }').replace('name: shop', 'name: bare'));
  const nothing = (stream: string) => `public.${stream}: it has no column, or none that the job keeps, so there is nothing to deliver.`;
  const plan = await world.etl('plan', 'job.yaml');
  expect([plan.exit, plan.out], plan.err).toEqual([1, expect.stringContaining(nothing('bare'))]);
  const said = await world.etl('run', 'job.yaml');
  expect(said.exit, said.err).toBe(1);
  for (const stream of ['bare', 'blind']) expect(said.err).toContain(`error ETL-NRM-005 ${nothing(stream)}`);
  expect(said.err).toContain('next:  Leave the stream out (`public.bare: skip`)');
  expect(said.err).toContain('public.sound: published');
});

test('a full load that its target refused is read anew when it was corrected at the source, and its error shows no row', async () => {
  await world.sql("drop table if exists judged; create table judged as select 1 as id, 5 as n, 'private' as who");
  world.write('judged.yaml', job('{ type: postgres, url: "${DST}" }', '{ public.judged: { sync: full } }').replace('name: shop', 'name: judged'));
  expect((await world.etl('run', 'judged.yaml')).exit).toBe(0);
  await world.sql('alter table judged add check (n < 100)', world.target);
  await world.sql('update judged set n = 500');
  for (const _ of ['at first', 'again']) {
    const said = await world.etl('run', 'judged.yaml');
    expect([said.exit, said.err], said.err).toEqual([1, expect.stringContaining('violates check constraint')]);
    expect(said.err).not.toContain('private');
  }
  await world.sql('update judged set n = 7');
  const said = await world.etl('run', 'judged.yaml');
  expect(said.exit, said.err).toBe(0);
  expect(said.err).toContain('The table is read anew');
  expect(await valueOf('select n || who from judged')).toBe('7private');
});

test('an edited query goes on from its position, and that is said', async () => {
  const asking = (where: string): void => world.write('asked.yaml', job('{ type: duckdb, path: lake.duckdb }', `{ asked: { query: "select id, name from orders where id < ${where}", sync: incremental, cursor: id, key: [id] } }`));
  asking('10');
  expect((await world.etl('run', 'asked.yaml')).err).not.toContain('its query is another');
  asking('20');
  expect((await world.etl('run', 'asked.yaml')).err).toContain('asked: its query is another than at the last load');
  expect((await world.etl('run', 'asked.yaml')).err).not.toContain('its query is another');
});

/** Runs a job of one stream into each kind of destination; what queries in DuckDB and in the Postgres target then read from. */
async function everywhere(stream: string): Promise<{ readonly duck: readonly string[] }> {
  const file = (format: string): readonly [string, string] => [`{ type: file, path: ${format} }`, `, target: { use: to, format: ${format} }`];
  const targets = { parquet: file('parquet'), jsonl: file('jsonl'), duckdb: ['{ type: duckdb, path: lake.duckdb }', ''], postgres: ['{ type: postgres, url: "${DST}" }', ''] } as const;
  for (const [place, [target, format]] of Object.entries(targets)) {
    world.write('job.yaml', job(target, `{ public.${stream}: { sync: full${format} } }`));
    const said = await world.etl('run', 'job.yaml');
    expect(said.exit, `${place}: ${said.err}`).toBe(0);
  }
  return { duck: [`read_parquet('${world.path('parquet')}/${stream}/*.parquet')`, `read_json('${world.path('jsonl')}/${stream}/*.jsonl', maximum_object_size = 400000000)`, stream] };
}

test('a row with a value of 60 MB goes to every destination with the limits as they are', async () => {
  await world.sql(`create table huge as select i as id, case i when 2 then repeat('0123456789"' || chr(10), 5000000) else 'small' end as t from generate_series(1, 3) i`);
  const { duck } = await everywhere('huge');
  const read = (from: string): string => `select string_agg(length(t) || ' ' || md5(t), ', ' order by id) from ${from}`;
  const expected = await valueOf(read('huge'));
  expect(expected).toMatch(/^5 \w+, 60000000 \w+, 5 /);
  for (const from of duck) expect(await world.duck(read(from)), from).toBe(expected);
});

test('1,600 columns, all that a table can have, go to every destination with the limits as they are', async () => {
  const columns = Array.from({ length: 1600 }, (_, i) => ({ name: `c${i}`, isText: i % 2 === 1 }));
  await world.sql(`set jit = off; create table wide (${columns.map(({ name, isText }) => `${name} ${isText ? 'text' : 'int'}`).join(', ')});
    insert into wide select ${columns.map(({ isText }, i) => (isText ? (i % 100 === 1 ? `'t' || g % ${i}` : "''") : `g * ${i}`)).join(', ')} from generate_series(1, 500) g`);
  const { duck } = await everywhere('wide');
  const sums = (from: string): string => `select count(*) || ' ' || sum(c1598) || ' ' || count(distinct c1501) || ' ' || max(c1501) || ' ' || count(c1599) from ${from}`;
  const expected = '500 200149500 500 t99 500';
  for (const from of duck) expect(await world.duck(sums(from)), from).toBe(expected);
  expect(await valueOf(sums('wide'))).toBe(expected);
});

test('schemas and tables whose names hold dots are told apart, and keep their names', async () => {
  await world.sql(`create schema "a.b"; create table "a.b".c (id int); insert into "a.b".c values (1); create schema a; create table a."b.c" (id int); insert into a."b.c" values (2); create table a."say ""x""" (id int)`);
  world.write('job.yaml', job('{ type: duckdb, path: dots.duckdb }', `{ '"a.b".c': { target: { table: "{stream}2" } }, 'a."b.c"': {}, 'a."say ""x"""': {} }`).replace('target: to', 'target: { use: to, schema: "{schema}" }'));
  expect((await world.etl('check', 'job.yaml')).exit).toBe(0);
  const said = await world.etl('run', 'job.yaml', '--json');
  expect(said.exit, said.err).toBe(0);
  const { streams } = (JSON.parse(said.out) as { result: { streams: { stream: string; table: string; written: number }[] } }).result;
  expect(streams.map(({ stream, table, written }) => [stream, table, written]).sort()).toEqual([['"a.b".c', 'a.b.c2', 1], ['a."b.c"', 'a.b.c', 1], ['a."say ""x"""', 'a.say "x"', 0]]);
});

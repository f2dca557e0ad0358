/** Whatever a run says, writes and keeps: no secret of its job is in it, in any form that a reader could turn back. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World, PASSWORD } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

const ASKED = 't0ken-in-a-query';
const KEY = 'k3y-of-the-hash-0123456789abcdef';
let server: PostgresServer;
let world: World;
beforeAll(async () => {
  server = await startPostgres({ password: PASSWORD });
  world = await World.open(server, 'secrets');
  Object.assign(world.env, { HASH_KEY: KEY, QUERY_TOKEN: ASKED });
  await world.sql("create table broken (id int primary key, day date); insert into broken values (1, 'infinity')");
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

const formsOf = (secret: string): string[] => [secret, encodeURIComponent(secret), ...(['hex', 'base64', 'base64url'] as const).map((form) => Buffer.from(secret).toString(form).replace(/=+$/, ''))];
const FORMS = [PASSWORD, KEY, ASKED].flatMap(formsOf);

/** Every row of every table of a database, its comments too, as text. */
async function everyRow(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const tables = await client.query<{ name: string }>("select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')");
    const texts = [JSON.stringify((await client.query('select description from pg_description where objoid >= 16384')).rows)];
    for (const { name } of tables.rows) texts.push(`${name} ${JSON.stringify((await client.query(`select t::text from ${name} t`)).rows)}`);
    return texts.join('\n');
  } finally {
    await client.end();
  }
}

/** The same of a DuckDB file, whose own bytes are compressed. */
async function everyRowOfFile(path: string): Promise<string> {
  const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const tables = await connection.runAndReadAll('select schema_name, table_name, comment from duckdb_tables()');
    const texts = [JSON.stringify(tables.getRowsJson())];
    for (const [schema, table] of tables.getRowsJson()) texts.push(JSON.stringify((await connection.runAndReadAll(`select t::varchar from "${String(schema)}"."${String(table)}" t`)).getRowsJson()));
    return texts.join('\n');
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

const TARGETS = {
  postgres: 'type: postgres, url: "${DST}"',
  file: 'type: file, path: out',
  duckdb: 'type: duckdb, path: out.duckdb',
};

test.each(Object.entries(TARGETS))('into %s: neither output nor state, rows, reports and logs hold a secret', async (name, target) => {
  world.write(`${name}.yaml`, `version: 1
name: secrets-${name}
connections:
  shop: { type: postgres, url: "\${SRC}" }
  wh: { ${target} }
source: shop
target: wh
defaults: { write: append }
streams:
  public.orders: { sync: incremental, cursor: id, checks: ["range(id, 2, 100)"], errors: { max_bad: 5 }, columns: { name: { hash: hmac-sha256, key: "\${HASH_KEY}" } } }
  asked: { query: "select id, name from orders where name <> '\${QUERY_TOKEN}'", sync: incremental, cursor: id }
  asked_whole: { query: "select id, name from orders where name <> '\${QUERY_TOKEN}'", sync: full, write: replace }
  asked_broken: { query: "select id, 1 / (50 - id) as v from orders where name <> '\${QUERY_TOKEN}'", sync: incremental, cursor: id }
  public.broken: { sync: full, write: replace, columns: { day: { type: "int32" } } }
`);
  const runs = [];
  for (const more of [['--verbose', '--debug'], ['--verbose', '--debug', '--json', '--report', `${name}.html`], ['--print-config']]) runs.push(await world.etl('run', `${name}.yaml`, ...more));
  runs.push(await world.etl('state', 'show', `${name}.yaml`), await world.etl('state', 'export', `${name}.yaml`), await world.etl('quarantine', 'list', `${name}.yaml`), await world.etl('plan', `${name}.yaml`));
  expect(runs.map(({ exit }) => exit), runs[0]?.err).toEqual([1, 1, 0, 0, 0, 0, 0]); // one stream fails, the other has rejected rows
  const left = new Map<string, string>(runs.map(({ out, err }, index) => [`command ${index}`, out + err]));
  for (const entry of readdirSync(world.folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile() && !entry.name.endsWith('.yaml')) left.set(join(entry.parentPath, entry.name), readFileSync(join(entry.parentPath, entry.name), 'latin1'));
  }
  if (name === 'duckdb') left.set('rows of the file', await everyRowOfFile(world.path('out.duckdb')));
  if (name === 'postgres') left.set('database', await everyRow(world.target));
  expect(left.size).toBeGreaterThan(runs.length);
  expect([...left.values()].join('')).toContain('public.orders'); // what is looked through is what the runs left
  for (const [place, text] of left) for (const form of FORMS) expect(text.includes(form), `${place} holds ${form}`).toBe(false);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { readDuckdb, readPostgres } from './readers.ts';
import { move } from './route.ts';

let server: PostgresServer;
let root = '';
let source = '';
const long = 'n'.repeat(62);

beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-names-'));
  source = await server.createDatabase('source');
  const client = new pg.Client({ connectionString: source });
  await client.connect();
  await client.query(`create table "a""; drop table x; --" (id int primary key, v text); insert into "a""; drop table x; --" values (1, 'hostile');
    create table "${long}1" (id int primary key, v text); insert into "${long}1" values (1, 'first');
    create table "${long}2" (id int primary key, v text); insert into "${long}2" values (1, 'second');
    create table lasts (id int primary key, v interval); insert into lasts values (1, '1 day'), (2, 'infinity'), (3, '-infinity')`);
  await client.end();
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

test('a hostile name of a table is a name in Postgres', async () => {
  const target = await server.createDatabase('hostile');
  const { ended } = await move({ route: 'postgres', mode: 'replace', folder: join(root, 'hostile'), source, target, streams: `'public."a""; drop table x; --"': { sync: full, write: replace }` });
  expect(ended.code, ended.stderr).toBe(0);
  expect((await readPostgres(target, '"a""; drop table x; --"')).values.get(1)?.text).toBe('hostile');
});

test('two tables whose names are equal after the cut to 63 bytes become two tables, told apart by a digest', async () => {
  const target = await server.createDatabase('cut');
  const streams = `'public.${long}*': { sync: full, write: replace, target: { use: to, table: 'copy_{stream}' } }`;
  const { ended } = await move({ route: 'postgres', mode: 'replace', folder: join(root, 'cut'), source, target, streams });
  expect(ended.code, ended.stderr).toBe(0);
  const names = [...new Set(ended.stderr.match(/copy_n+_[0-9a-f]{8}/g))].toSorted();
  expect(names).toHaveLength(2);
  const texts = await Promise.all(names.map(async (name) => (await readPostgres(target, `public."${name}"`)).values.get(1)?.text));
  expect(texts.toSorted()).toEqual(['first', 'second']);
});

test('infinite intervals are rejected by DuckDB in a table that could be written without a stage', async () => {
  const folder = join(root, 'lasts');
  const { ended, rejected } = await move({ route: 'duckdb', mode: 'replace', folder, source, target: source, streams: 'public.lasts: { sync: full, write: replace, errors: { max_bad: 10 } }' });
  expect(ended.code, ended.stderr).toBe(4);
  expect(rejected.map(({ code, column }) => `${code} ${column ?? ''}`)).toEqual(['ETL-SQL-001 v', 'ETL-SQL-001 v']);
  expect([...await readDuckdb(join(folder, 'out.duckdb'), 'lasts')].map(([id, { text }]) => [id, text])).toEqual([[1, '1 day']]);
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { execute, startPostgres, type PostgresServer } from '../services/postgres.ts';
import { readPostgres } from './readers.ts';
import { move, type Mode } from './route.ts';

let server: PostgresServer;
let root = '';
let source = '';

/** Type at the source, and the type that the target's column gets; of one that it has not, in the second place. */
const COLUMNS: readonly (readonly [type: string, arrives: string, without?: string])[] = [
  ['numeric(12,2)', 'numeric(12,2)'], ['numeric(38,10)', 'numeric(38,10)'], ['numeric(50,5)', 'numeric(50,5)'], ['numeric(5,-2)', 'numeric(5,-2)'], ['numeric', 'numeric'],
  ['varchar(20)', 'character varying(20)'], ['varchar', 'character varying'], ['char(5)', 'character(5)'], ['char', 'character(1)'], ['name', 'name'], ['text', 'text'],
  ['json', 'json'], ['jsonb', 'jsonb'], ['bit(7)', 'bit(7)'], ['varbit(9)', 'bit varying(9)'], ['timetz(3)', 'time(3) with time zone'], ['inet', 'inet'], ['int4range', 'int4range'],
  ['positive', 'numeric(12,3)'], ['short_text', 'character varying(5)'], ['shorter', 'character varying(5)'], ['whole', 'integer'],
  ['mood', 'mood', 'text'], ['pair', 'pair', 'text'], ['numeric(10,2)[]', 'numeric(10,2)[]'], ['int[]', 'integer[]'], ['varchar(7)[]', 'character varying(7)[]'], ['mood[]', 'mood[]', 'text'],
  ['timestamp(3)', 'timestamp(3) without time zone'], ['timestamptz(0)', 'timestamp(0) with time zone'], ['time(2)', 'time(2) without time zone'], ['interval day to second(3)', 'interval day to second(3)'], ['interval(1)', 'interval(1)'], ['positive[]', 'numeric(12,3)[]'], ['timestamp(3)[]', 'timestamp(3) without time zone[]'], ['"char"', '"char"'], ['"a (5)"', '"a (5)"', 'text'], ['uuid', 'uuid'], ['bytea', 'bytea'], ['smallint', 'smallint'], ['real', 'real'], ['date', 'date'],
];
const TYPES = `create type mood as enum ('sad', 'happy'); create type pair as (x int, y text); create type "a (5)" as enum ('x (1)');`;
const DOMAINS = 'create domain positive as numeric(12, 3) check (value > 0); create domain short_text as varchar(5); create domain shorter as short_text check (length(value) < 4); create domain whole as int;';
const VALUES: Readonly<Record<string, string>> = { mood: "'happy'", pair: "'(1,a)'", 'mood[]': "'{sad,happy}'", whole: '7', positive: '1.250', 'numeric(10,2)[]': "'{1.50,NULL}'", 'numeric(5,-2)': '1200', 'numeric(12,2)': "'NaN'", 'timestamp(3)': "'2026-01-01 00:00:00.123'", 'positive[]': "'{1.5,NULL}'", 'varchar(7)[]': "'{abc,\"d e\"}'", '"a (5)"': "'x (1)'", '"char"': "'a'" };

beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-columns-'));
  source = await server.createDatabase('source');
  const columns = COLUMNS.map(([type], index) => `c${index} ${type}`);
  const rows = COLUMNS.flatMap(([type], index) => (VALUES[type] === undefined ? [] : [`insert into kinds (id, c${index}) values (${index + 100}, ${VALUES[type]});`]));
  await execute(source, `${TYPES} ${DOMAINS} create table kinds (id int primary key, at timestamptz default '2026-01-01', ${columns.join(', ')}); insert into kinds (id) values (1); ${rows.join(' ')}`);
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

async function arrive(name: string, mode: Mode, before: string): Promise<{ readonly code: number | null; readonly said: string; readonly types: Readonly<Record<string, string>>; readonly values: Readonly<Record<number, string>> }> {
  const target = await server.createDatabase(name);
  if (before) await execute(target, before);
  const streams = `public.kinds: { ${mode === 'replace' ? 'sync: full, write: replace' : `sync: incremental, write: ${mode}, cursor: { column: at }`} }`;
  const once = () => move({ route: 'postgres', mode, folder: join(root, name), source, target, streams });
  const first = await once();
  const { ended } = first.ended.code === 0 ? await once() : first;
  const { types, values } = await readPostgres(target, 'kinds');
  return { code: ended.code, said: ended.stderr, types, values: Object.fromEntries([...values].map(([id, { text }]) => [id, text])) };
}

const wanted = (known: boolean): Record<string, string> => Object.fromEntries(COLUMNS.map(([, arrives, without], index) => [`c${index}`, known ? arrives : without ?? arrives]));

for (const mode of ['replace', 'append', 'merge'] as const) {
  for (const known of [true, false]) {
    test(`${mode}: columns keep type and modifiers in a Postgres target that has ${known ? '' : 'not '}the source's own types, and a second run finds them fitting`, async () => {
      const { code, said, types, values } = await arrive(`${mode}_${String(known)}`, mode, known ? TYPES : '');
      expect(code, said).toBe(0);
      const { id: _, at: __, ...rest } = types;
      expect(rest).toEqual(wanted(known));
      const whatIs = (type: string) => values[100 + COLUMNS.findIndex(([name]) => name === type)];
      expect([whatIs('mood'), whatIs('positive'), whatIs('numeric(5,-2)'), whatIs('numeric(12,2)'), whatIs('mood[]')]).toEqual(['happy', '1.250', '1200', 'NaN', '{sad,happy}']);
    });
  }
}

async function copyMood(name: string, before: string): Promise<Awaited<ReturnType<typeof move>> & { readonly types: Readonly<Record<string, string>> }> {
  const target = await server.createDatabase(name);
  await execute(target, before);
  const moved = await move({ route: 'postgres', mode: 'append', folder: join(root, name), source, target, streams: 'public.kinds: { sync: full, write: append, errors: { max_bad: 10 }, columns: { "*": drop, id: keep, c22: keep } }' });
  return { ...moved, types: (await readPostgres(target, 'kinds')).types };
}

test('an enumeration of the same name that lacks a label of the source is not taken: the column is text, and no row is lost', async () => {
  const { ended, rejected, types } = await copyMood('labels', "create type mood as enum ('sad')");
  expect(ended.code, ended.stderr).toBe(0);
  expect(types).toEqual({ id: 'integer', c22: 'text' });
  expect(rejected).toEqual([]);
});

test('rule 31: a column that is there, of an enumeration that lacks a label: rows with that label are rejected by name', async () => {
  const { ended, rejected, types } = await copyMood('lacking', "create type mood as enum ('sad'); create table kinds (id int primary key, c22 mood)");
  expect(ended.code, ended.stderr).toBe(4);
  expect(types['c22']).toBe('mood');
  expect(rejected.map(({ code, column, row }) => `${code} ${column ?? ''} ${String(row?.['c22'])}`)).toEqual(['ETL-SQL-001 c22 happy']);
});

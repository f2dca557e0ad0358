import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { visibleFiles } from '../helpers/read-table.ts';
import { execute, startPostgres, type PostgresServer } from '../services/postgres.ts';
import { readPostgres, readTarget, withDuckdb, type Values } from './readers.ts';
import { move, ROUTES, type Mode, type Rejected, type Route } from './route.ts';
import { columnsTable, valuesTable, type Outcomes } from './tables.ts';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const sql = readFileSync(here('values.sql'), 'utf8');
const declared = JSON.parse(readFileSync(here('outcomes.json'), 'utf8')) as Outcomes;

let server: PostgresServer;
let root = '';
let source = '';
let values: Values;
let types: Readonly<Record<string, string>>;
let count = 0;

beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-golden-'));
  source = await server.createDatabase('source');
  await execute(source, sql);
  ({ values, types } = await readPostgres(source));
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

/** A target that knows the source's own types. */
async function target(): Promise<string> {
  const url = await server.createDatabase(`target_${++count}`);
  await execute(url, sql.slice(0, sql.indexOf('create table')));
  return url;
}

const sha256 = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** A long text by its digest. */
const shown = (text: string): string => (text.length < 1000 ? text : `sha256 ${sha256(text)}`);

/** What became of each value: its text at the target, or the code under which its row is in quarantine. */
function observe(arrived: Values, rejected: readonly Rejected[]): Record<string, string> {
  const codes = new Map(rejected.map((one) => [Number((one.key ?? one.row)?.['id']), `rejected: ${one.code} ${one.column ?? ''}`]));
  return Object.fromEntries([...values].map(([id, { column, text }]) => {
    const found = arrived.get(id);
    const code = codes.get(id);
    if (found && code !== undefined) return [id, 'both arrived and rejected'];
    if (!found) return [id, code ?? 'LOST'];
    if (found.column === 'id' && column !== 'id') return [id, 'NULL'];
    return [id, found.column === column ? (found.text === text ? 'exact' : shown(found.text)) : `in column ${found.column}`];
  }));
}

/** The declared outcome without its class: `exact`, the text that is read, or the rejection. */
function expected(route: Route): Record<string, string> {
  return Object.fromEntries(Object.entries(declared).map(([id, one]) => [id, one[route].replace(/^(?:exact|mapped): /, '')]));
}

async function run(route: Route, mode: Mode, zone = 'UTC'): Promise<{ folder: string; arrived: Values; rejected: readonly Rejected[] }> {
  const folder = join(root, `${route}-${mode}-${zone.replace('/', '-')}-${++count}`);
  const to = route === 'postgres' ? await target() : source;
  const { ended, rejected } = await move({ route, mode, folder, source, target: to, zone });
  expect([0, 4], ended.stderr).toContain(ended.code);
  return { folder, rejected, arrived: await readTarget(route, { folder, target: to, columns: Object.keys(types) }) };
}

test('every value of the table has its outcome on every route', () => {
  expect(Object.keys(declared)).toEqual([...values.keys()].toSorted((a, b) => a - b).map(String));
});

const MODES: Readonly<Record<Route, readonly Mode[]>> = { postgres: ['replace', 'append', 'merge'], duckdb: ['replace', 'append', 'merge'], parquet: ['replace', 'append'], jsonl: ['replace', 'append'] };
for (const route of ROUTES) {
  for (const mode of MODES[route]) {
    test(`${route}, ${mode}: each value exact, mapped as declared, or rejected by name`, async () => {
      const { arrived, rejected } = await run(route, mode);
      expect(observe(arrived, rejected)).toEqual(expected(route));
    });
  }
}

const digest = (folder: string, extension: string): string[] => visibleFiles(join(folder, 'out', 'golden'), extension).map((file) => sha256(readFileSync(file)));

test('under another time zone of process and server the bytes are the same', async () => {
  for (const route of ['parquet', 'jsonl'] as const) {
    const utc = await run(route, 'replace');
    await server.query("alter database source set timezone = 'America/Chicago'");
    try {
      const chicago = await run(route, 'replace', 'America/Chicago');
      expect(digest(chicago.folder, route)).toEqual(digest(utc.folder, route));
      expect(digest(utc.folder, route)).toHaveLength(1);
    } finally {
      await server.query('alter database source reset timezone');
    }
  }
});

const python = process.env['ETL_TEST_PYTHON'];

test.skipIf(python === undefined)('Parquet: DuckDB and pyarrow read the same, and find each value by a predicate', async () => {
  const { folder, arrived } = await run('parquet', 'replace');
  const files = visibleFiles(join(folder, 'out', 'golden'), 'parquet');
  const read = spawnSync(python ?? '', [here('read_values.py'), ...files], { encoding: 'utf8', maxBuffer: 1 << 26 });
  expect(read.status, read.stderr).toBe(0);
  const rows = JSON.parse(read.stdout) as Readonly<Record<string, { column: string; text: string; found: number | null }>>;
  expect(Object.keys(rows)).toEqual([...arrived].filter(([, { column }]) => column !== 'id').map(([id]) => String(id)));
  const counts = await withDuckdb(':memory:', async (connection) => {
    await connection.run(`create view golden as from read_parquet('${files[0] ?? ''}')`);
    const found: Record<string, number> = {};
    for (const [id, { column, found: python_ }] of Object.entries(rows)) {
      if (python_ === null) continue;
      const name = `"${column.replaceAll('"', '""')}"`;
      await connection.run(`set variable wanted = (select ${name} from golden where id = ${id})`);
      found[id] = Number((await connection.runAndReadAll(`select count(*)::int as n from golden where ${name} = getvariable('wanted')`)).getRowObjects()[0]?.['n']);
    }
    return found;
  });
  expect(counts).toEqual(Object.fromEntries(Object.entries(rows).filter(([, row]) => row.found !== null).map(([id, row]) => [id, row.found])));
  expect(Object.values(counts).every((found) => found >= 1)).toBe(true);
  const integers = await integersOf(files[0] ?? '', [...new Set(Object.values(rows).map(({ column }) => column))]);
  for (const [id, { column, text }] of Object.entries(rows)) {
    expect(column).toBe(arrived.get(Number(id))?.column);
    if (['txt', 'num', 'i8', 'n38', 'js', 'jb', 'iv'].includes(column)) expect(text).toBe(arrived.get(Number(id))?.text);
    if (integers.has(Number(id))) expect(text, `${column} of ${id}`).toBe(integers.get(Number(id)));
  }
  expect(integers.size).toBeGreaterThan(20);
});

/** Days and microseconds as DuckDB reads them: the years of Python's own dates end long before. */
async function integersOf(file: string, columns: readonly string[]): Promise<ReadonlyMap<number, string>> {
  return withDuckdb(':memory:', async (connection) => {
    await connection.run(`create view golden as from read_parquet('${file}')`);
    const described = (await connection.runAndReadAll('describe golden')).getRowObjects().map((row) => [String(row['column_name']), String(row['column_type'])] as const);
    const values = new Map<number, string>();
    for (const [name, type] of described) {
      const as = type === 'DATE' ? `"${name}" - date '1970-01-01'` : /^TIME[^[]*$/.test(type) ? `epoch_us("${name}")` : undefined;
      if (as === undefined || !columns.includes(name)) continue;
      for (const row of (await connection.runAndReadAll(`select id, (${as})::varchar as v from golden where "${name}" is not null`)).getRowObjects()) values.set(Number(row['id']), String(row['v']));
    }
    return values;
  });
}

test.skipIf(python === undefined)('Parquet: pyarrow finds by its statistics the rows that it finds without them, in the farthest years too', async () => {
  const { folder } = await run('parquet', 'replace');
  const read = spawnSync(python ?? '', [here('../python/read_parquet.py'), ...visibleFiles(join(folder, 'out', 'golden'), 'parquet')], { encoding: 'utf8', maxBuffer: 1 << 26 });
  expect(read.status, read.stderr + read.stdout).toBe(0);
  const [file] = JSON.parse(read.stdout) as readonly { readonly predicates: readonly { readonly where: string }[]; readonly columns: Readonly<Record<string, unknown>> }[];
  for (const column of ['d', 'ts', 'tstz', 'n38']) expect(file?.predicates.filter(({ where }) => where.startsWith(`${column} `)).length, column).toBeGreaterThan(0);
});

test('docs/types.md lists these outcomes', () => {
  const page = readFileSync(here('../../docs/types.md'), 'utf8');
  expect(page).toContain(columnsTable(declared));
  expect(page).toContain(valuesTable(declared));
});

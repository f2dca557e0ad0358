import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import pg from 'pg';
import { visibleFiles } from '../helpers/read-table.ts';
import type { Route } from './route.ts';

/** The text of the value that a row sets, by the row's id; of the row that sets none, nothing. */
export type Values = ReadonlyMap<number, { readonly column: string; readonly text: string }>;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function valuesOf(rows: readonly Readonly<Record<string, unknown>>[]): Values {
  const values = new Map<number, { column: string; text: string }>();
  for (const { id, at: _, ...row } of rows) {
    const set = Object.entries(row).filter(([, value]) => value !== null && value !== undefined);
    if (set.length > 1) throw new Error(`row ${String(id)} sets ${set.map(([name]) => name).join(', ')}`);
    if (values.has(Number(id))) throw new Error(`row ${String(id)} is there twice`);
    const [column, text] = set[0] ?? ['id', ''];
    values.set(Number(id), { column, text: String(text) });
  }
  return values;
}

/** Each value as the server prints it, and each column's type. */
export async function readPostgres(url: string, table = 'public.golden'): Promise<{ readonly values: Values; readonly types: Readonly<Record<string, string>> }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("set timezone = 'UTC'; set extra_float_digits = 1; set bytea_output = 'hex'; set intervalstyle = 'postgres'; set datestyle = 'ISO'");
    const columns = (await client.query<{ name: string; type: string }>(
      'select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum', [table])).rows;
    // char(5) loses its blanks on the way to text: bytes keep them
    const texts = columns.map(({ name, type }) => `${type.startsWith('character(') ? `convert_from(bpcharsend(${quoted(name)}), 'UTF8')` : `${quoted(name)}::text`} as ${quoted(name)}`);
    const { rows } = await client.query<Record<string, string | null>>(`select ${texts.join(', ')} from ${table}`);
    return { values: valuesOf(rows), types: Object.fromEntries(columns.map(({ name, type }) => [name, type])) };
  } finally {
    await client.end();
  }
}

/** Every column as DuckDB casts it to text, of a relation. As hexadecimal: the driver drops a byte order mark at a text's beginning. */
export async function readDuckdb(path: string, from: string): Promise<Values> {
  return withDuckdb(path, async (connection) => {
    const names = (await connection.runAndReadAll(`describe select * from ${from}`)).getRowObjects().map((row) => String(row['column_name']));
    const rows = (await connection.runAndReadAll(`select ${names.map((name) => `hex(encode(cast(${quoted(name)} as varchar))) as ${quoted(name)}`).join(', ')} from ${from}`)).getRowObjects();
    return valuesOf(rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, hex]) => [name, typeof hex === 'string' ? textOf(hex, path === ':memory:') : null]))));
  });
}

/** In a DuckDB file the sign of a zero is not told apart: its compression of a column may drop it. */
function textOf(hex: string, signed: boolean): string {
  const text = Buffer.from(hex, 'hex').toString('utf8');
  return text === '-0.0' && !signed ? '0.0' : text;
}

export async function withDuckdb<T>(path: string, work: (connection: DuckDBConnection) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(path, path === ':memory:' ? {} : { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    await connection.run("set timezone = 'UTC'");
    return await work(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Each value as it stands in its line: a parser would already have rounded numbers. The rest of a line is checked to the byte. */
function readLines(folder: string, columns: readonly string[]): Values {
  const rows = visibleFiles(folder, 'jsonl').flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(0, -1)).map((line) => {
    const parsed = JSON.parse(line) as Record<string, unknown>;
    if (Object.keys(parsed).join() !== columns.join()) throw new Error(`columns of a line: ${line}`);
    const set = columns.findIndex((name) => !['id', 'at'].includes(name) && parsed[name] !== null);
    const pair = (name: string): string => `${JSON.stringify(name)}:${JSON.stringify(parsed[name])}`;
    const head = columns.slice(0, Math.max(set, 0)).map((name) => `${pair(name)},`).join('');
    const tail = columns.slice(set + 1).map((name) => `,${pair(name)}`).join('');
    const name = columns[set];
    if (name === undefined) return { id: parsed['id'] };
    const before = `{${head}${JSON.stringify(name)}:`;
    if (!line.startsWith(before) || !line.endsWith(`${tail}}`)) throw new Error(`a line of another form: ${line}`);
    return { id: parsed['id'], [name]: line.slice(before.length, line.length - tail.length - 1) };
  });
  return valuesOf(rows);
}

export interface Place { readonly folder: string; readonly target: string; readonly columns: readonly string[] }

/** What a route has brought. */
export async function readTarget(route: Route, { folder, target, columns }: Place): Promise<Values> {
  const data = join(folder, 'out', 'golden');
  switch (route) {
    case 'postgres': return (await readPostgres(target)).values;
    case 'duckdb': return readDuckdb(join(folder, 'out.duckdb'), 'golden');
    case 'parquet': return readDuckdb(':memory:', `read_parquet('${data}/*.parquet')`);
    case 'jsonl': return readLines(data, columns);
  }
}

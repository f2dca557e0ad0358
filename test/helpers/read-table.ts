import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

export type TextRow = Readonly<Record<string, string | null>>;

/** What DuckDB reads from a folder's visible Parquet or JSON lines, as canonical texts, in the order of writing. */
export async function readTable(folder: string, format: 'parquet' | 'jsonl' = 'parquet'): Promise<TextRow[]> {
  const files = visibleFiles(folder, format);
  if (files.length === 0) return [];
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run("set timezone = 'UTC'");
    const rows: TextRow[] = [];
    for (const file of files) {
      const from = format === 'parquet' ? `read_parquet('${file}', file_row_number = true)` : `read_json('${file}', format = 'newline_delimited')`;
      const described = (await connection.runAndReadAll(`describe select * from ${from}`)).getRowObjects();
      const columns = described.map((row) => ({ name: String(row['column_name']), type: String(row['column_type']) })).filter(({ name }) => name !== 'file_row_number');
      const texts = columns.map(({ name, type }) => `${textOf(`"${name.replaceAll('"', '""')}"`, type)} as "${name.replaceAll('"', '""')}"`);
      const order = format === 'parquet' ? ' order by file_row_number' : '';
      rows.push(...(await connection.runAndReadAll(`select ${texts.join(', ')} from ${from}${order}`)).getRowObjects() as TextRow[]);
    }
    return rows;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** As `*.parquet` shows them. */
export function visibleFiles(folder: string, format: string): string[] {
  let names: string[] = [];
  try {
    names = readdirSync(folder);
  } catch { /* no table yet */ }
  return names.filter((name) => !name.startsWith('.') && name.endsWith(`.${format}`)).toSorted().map((name) => join(folder, name));
}

function textOf(column: string, type: string): string {
  if (type.startsWith('DECIMAL') && !type.endsWith(',0)')) return `rtrim(rtrim(cast(${column} as varchar), '0'), '.')`;
  switch (type) {
    case 'TIMESTAMP WITH TIME ZONE': return `strftime(${column} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')`;
    case 'TIMESTAMP': return `strftime(${column}, '%Y-%m-%dT%H:%M:%S.%f')`;
    case 'BLOB': return `lower(hex(${column}))`;
    default: return `cast(${column} as varchar)`;
  }
}

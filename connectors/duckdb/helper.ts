import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectorContext, Destination } from '#sdk';
import { testPorts, type TableRow } from '#testing';
import { DuckdbFile } from './connection.ts';
import { createDestination } from './destination.ts';

/** For tests: a folder with a database file in it. */
export interface Scratch {
  readonly path: string;
  destination(): Promise<Destination>;
  query(sql: string): Promise<readonly Record<string, unknown>[]>;
  /** Rows as canonical texts, in the order in which they were written. */
  table(name: string): Promise<readonly TableRow[]>;
  remove(): void;
}

let seeds = 0;

export function scratch(): Scratch {
  const folder = mkdtempSync(join(tmpdir(), 'etl-duckdb-'));
  const path = join(folder, 'test.duckdb');
  const context: ConnectorContext = { ports: testPorts(++seeds), directory: folder, maxBufferedBytes: 1 << 24, note: () => undefined };
  const query = async (sql: string) => {
    const file = new DuckdbFile({ path, settings: {} });
    try {
      const session = await file.connect();
      return await session.query(sql);
    } finally {
      await file[Symbol.asyncDispose]();
    }
  };
  return {
    path, query,
    destination: () => createDestination({ path: 'test.duckdb', memory_limit: '512MB', threads: 2 }, context),
    table: async (name) => {
      const columns = await query(`select column_name as name, data_type as type from duckdb_columns() where table_name = '${name}' and schema_name = 'main' order by column_index`);
      if (columns.length === 0) return [];
      return (await query(`select ${columns.map((column) => canonical(String(column['name']), String(column['type']))).join(', ')} from "${name}" order by rowid`)) as unknown as TableRow[];
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function canonical(name: string, type: string): string {
  if (type === 'TIMESTAMP WITH TIME ZONE') return `strftime("${name}" at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') as "${name}"`;
  if (type.startsWith('DECIMAL')) return `regexp_replace(regexp_replace("${name}"::varchar, '(\\.\\d*?)0+$', '\\1'), '\\.$', '') as "${name}"`;
  return `"${name}"::varchar as "${name}"`;
}

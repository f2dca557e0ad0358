import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DuckdbFile, type DuckdbSession } from '../../connectors/duckdb/connection.ts';
import { duckdbCapabilities } from '../../connectors/duckdb/config.ts';
import { createDestination } from '../../connectors/duckdb/destination.ts';
import type { Target } from '#sdk';
import type { TableRow } from '#testing';
import { contextFor, failpointsOf, type PlaceKind } from './places.ts';

/** One file, which one process holds at a time. */
export function duckdbKind(): PlaceKind {
  let seed = 0;
  return {
    name: 'duckdb',
    make: (at) => {
      const path = join(at, 'round.duckdb');
      return Promise.resolve({
        capabilities: duckdbCapabilities(),
        ordered: true,
        open: () => createDestination({ path, memory_limit: '256MB', threads: 1 }, contextFor(at, ++seed)),
        readTables: (targets) => readTables(path, targets),
        failpoints: failpointsOf('duckdb', 'sql'),
        deliverLate: () => undefined,
        remove: () => {
          rmSync(at, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  };
}

async function readTables(path: string, targets: readonly Target[]): Promise<readonly (readonly TableRow[])[]> {
  const file = new DuckdbFile({ path, settings: {} });
  try {
    const session = await file.connect();
    const tables: TableRow[][] = [];
    for (const target of targets) tables.push(await readTable(session, target.table));
    return tables;
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

async function readTable(session: DuckdbSession, table: string): Promise<TableRow[]> {
  const columns = await session.query(`select column_name as name, data_type as type from duckdb_columns() where table_name = '${table}' and schema_name = 'main' order by column_index`);
  if (columns.length === 0) return [];
  const texts = columns.map((column) => canonical(String(column['name']), String(column['type'])));
  return (await session.query(`select ${texts.join(', ')} from "${table}" order by rowid`)) as unknown as TableRow[];
}

function canonical(name: string, type: string): string {
  if (type === 'TIMESTAMP WITH TIME ZONE') return `strftime("${name}" at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') as "${name}"`;
  if (type.startsWith('DECIMAL')) return `regexp_replace(regexp_replace("${name}"::varchar, '(\\.\\d*?)0+$', '\\1'), '\\.$', '') as "${name}"`;
  return `"${name}"::varchar as "${name}"`;
}

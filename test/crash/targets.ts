import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import type { Row } from './source.ts';

export const ROUTES = ['postgres-parquet', 'postgres-duckdb', 'postgres-postgres'] as const;
export type Route = (typeof ROUTES)[number];
export interface Mode { readonly sync: 'full' | 'incremental'; readonly write: 'append' | 'merge' | 'replace' | 'scd2' }

const EVERY: readonly Mode[] = [{ sync: 'full', write: 'replace' }, { sync: 'full', write: 'append' }, { sync: 'incremental', write: 'append' }];
const SQL_MODES: readonly Mode[] = [...EVERY, { sync: 'incremental', write: 'merge' }, { sync: 'incremental', write: 'scd2' }, { sync: 'full', write: 'merge' }];
export const modesOf = (route: Route): readonly Mode[] => (route === 'postgres-parquet' ? EVERY : SQL_MODES);

export interface DeliveredRow extends Row { readonly validFrom?: string | null; readonly validTo?: string | null }

/** The destination as any other reader sees it. */
export interface TargetReader {
  /** Lines of the job under `connections`. */
  readonly connection: string;
  /** Lines of the job under `target`. */
  readonly options: string;
  /** May it be read while `etl` runs? */
  readonly shared: boolean;
  rows(table: string, write: Mode['write']): Promise<readonly DeliveredRow[]>;
  /** Distinct ids; undefined where the table is not there, or files went while they were listed. */
  ids(table: string): Promise<number | undefined>;
  close(): Promise<void>;
}

const versions = (write: Mode['write']): string => (write === 'scd2' ? ', cast(_etl_valid_from as varchar) as "validFrom", cast(_etl_valid_to as varchar) as "validTo"' : '');
const duckRow = (write: Mode['write']): string => `cast(id as varchar) as id, cast(version as varchar) as version, payload, cast(epoch_us(updated_at) as varchar) as at${versions(write)}`;

async function withDuckdb<T>(path: string, use: (query: (sql: string) => Promise<readonly Record<string, unknown>[]>) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(path, { threads: '2' });
  const connection = await instance.connect();
  try {
    return await use(async (sql) => (await connection.runAndReadAll(sql)).getRowObjects());
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function parquetReader(folder: string): TargetReader {
  const root = join(folder, 'lake');
  const list = (table: string): string[] => (existsSync(join(root, table)) ? readdirSync(join(root, table)).filter((name) => !name.startsWith('.') && name.endsWith('.parquet')).map((name) => `'${join(root, table, name)}'`) : []);
  const read = async (table: string, select: string): Promise<readonly Record<string, unknown>[]> => {
    const files = list(table);
    return files.length === 0 ? [] : withDuckdb(':memory:', (query) => query(`select ${select} from read_parquet([${files.join(', ')}])`));
  };
  return {
    connection: `{ type: file, path: lake }`, options: 'format: parquet, rollBytes: 262144, rowGroupBytes: 65536', shared: true,
    rows: async (table, write) => (await read(table, duckRow(write))) as unknown as readonly DeliveredRow[],
    ids: async (table) => {
      try {
        const found = await read(table, 'count(distinct id)::int as ids');
        return found[0] === undefined ? undefined : Number(found[0]['ids']);
      } catch {
        return undefined; // a file of the old generation went between the list and its reading
      }
    },
    close: () => Promise.resolve(),
  };
}

function duckdbReader(folder: string): TargetReader {
  const path = join(folder, 'target.duckdb');
  const has = `select 1 from information_schema.tables where table_schema = 'main' and table_name = `;
  return {
    connection: `{ type: duckdb, path: target.duckdb, threads: 2 }`, options: '', shared: false,
    rows: async (table, write) => (existsSync(path) ? withDuckdb(path, async (query) => ((await query(`${has}'${table}'`)).length === 0 ? [] : query(`select ${duckRow(write)} from ${table}`))) : []) as unknown as readonly DeliveredRow[],
    ids: async (table) => (existsSync(path) ? withDuckdb(path, async (query) => ((await query(`${has}'${table}'`)).length === 0 ? undefined : Number((await query(`select count(distinct id)::int as ids from ${table}`))[0]?.['ids']))) : undefined),
    close: () => Promise.resolve(),
  };
}

function postgresReader(url: string): TargetReader {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  pool.on('error', () => undefined);
  const missing = (error: unknown): boolean => (error as { code?: string }).code === '42P01';
  return {
    connection: `{ type: postgres, url: "\${TARGET_URL}" }`, options: '', shared: true,
    rows: async (table, write) => (await pool.query<DeliveredRow>(`select id::text, version::text, payload, (extract(epoch from updated_at) * 1000000)::bigint::text as at${versions(write)} from ${table}`).catch((error: unknown) => {
      if (missing(error)) return { rows: [] };
      throw error;
    })).rows,
    ids: async (table) => (await pool.query<{ ids: number }>(`select count(distinct id)::int as ids from ${table}`).catch((error: unknown) => {
      if (missing(error)) return { rows: [] };
      throw error;
    })).rows[0]?.ids,
    close: async () => pool.end(),
  };
}

export function openTarget(route: Route, folder: string, url: string): TargetReader {
  if (route === 'postgres-parquet') return parquetReader(folder);
  return route === 'postgres-duckdb' ? duckdbReader(folder) : postgresReader(url);
}

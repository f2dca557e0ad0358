import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { further, NOWHERE, type DeliveredRow, type Faults, type Look, type Mode, type Reach } from './oracle.ts';
import { reachOf, type Place, type Target } from './targets.ts';

type Query = (sql: string) => Promise<readonly Record<string, unknown>[]>;

/** What differs between the two databases. */
interface Words {
  readonly microseconds: (column: string) => string;
  /** Order in which rows of an append came; versions that were closed since have moved. */
  readonly order: string;
}

const STATE = ['format', 'leases', 'loads', 'owners', 'pipes', 'quarantine', 'splits', 'stages', 'streams'];
const ALL_TABLES = `select table_schema as schema, table_name as name from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')`;

async function tablesOf(query: Query): Promise<ReadonlySet<string>> {
  return new Set((await query(ALL_TABLES)).map((row) => (row['schema'] === '_etl' ? `_etl.${String(row['name'])}` : String(row['name']))));
}

async function rowsOf(query: Query, table: string, { words, write }: { words: Words; write: Mode['write'] }): Promise<DeliveredRow[]> {
  const versions = write === 'scd2' ? `, ${words.microseconds('_etl_valid_from')} as valid_from, ${words.microseconds('_etl_valid_to')} as valid_to` : '';
  const rows = await query(`select id::int as id, version, hash, payload, ${words.microseconds('updated_at')} as at${versions} from ${table} order by ${write === 'scd2' ? '_etl_valid_from, version' : words.order}`);
  const time = (value: unknown): number | null => (value === null ? null : Number(value));
  return rows.map((row) => ({
    id: Number(row['id']), version: Number(row['version']), hash: row['hash'] as string | null, payload: row['payload'] as string | null, at: Number(row['at']),
    ...(write === 'scd2' ? { validFrom: time(row['valid_from']), validTo: time(row['valid_to']) } : {}),
  }));
}

/** The published position, or that of a pass that goes on. */
async function reachIn(query: Query, table: string): Promise<Reach> {
  const stream = `public.${table}`;
  const positions = [
    ...await query(`select position from _etl.streams where stream = '${stream}'`),
    ...await query(`select s.position from _etl.splits s join _etl.loads l on l.pipe = s.pipe and l.load = s.load where s.split = '${stream}'`),
  ];
  return positions.map((row) => reachOf(JSON.parse(String(row['position'])))).reduce(further, NOWHERE);
}

/** Rows and state of one instant: `query` runs inside one transaction. */
async function lookIn(query: Query, table: string, as: { words: Words; write: Mode['write'] }): Promise<Look> {
  const there = await tablesOf(query);
  const rows = there.has(table) ? await rowsOf(query, table, as) : [];
  const reach = there.has('_etl.splits') ? await reachIn(query, table) : NOWHERE;
  return { rows, before: reach, after: reach, faults: [] };
}

async function contentIn(query: Query, tables: readonly string[]): Promise<string> {
  const there = await tablesOf(query);
  const hash = createHash('sha256');
  for (const table of tables) {
    const rows = there.has(table) ? await query(`select cast(t as varchar) as line from ${table} t`) : [];
    hash.update(`${table}\n${rows.map((row) => String(row['line'])).toSorted().join('\n')}\n`);
  }
  return hash.digest('hex');
}

async function leftoversIn(query: Query, tables: readonly string[]): Promise<string[]> {
  const known = new Set([...tables, ...STATE.map((name) => `_etl.${name}`)]);
  const faults = [...await tablesOf(query)].filter((name) => !known.has(name)).map((name) => `ORPHAN: table ${name}`);
  for (const name of ['loads', 'splits', 'stages']) {
    const [row] = await query(`select count(*)::int as count from _etl.${name}`);
    if (Number(row?.['count']) > 0) faults.push(`ORPHAN: ${Number(row?.['count'])} rows in _etl.${name}`);
  }
  const [lease] = await query('select released from _etl.leases');
  if (lease?.['released'] !== true) faults.push('ORPHAN: the lease was not given back');
  return faults;
}

// ── postgres ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const POSTGRES: Words = { microseconds: (column) => `(extract(epoch from ${column}) * 1000000)::bigint::float8`, order: 'xmin::text::bigint, ctid' };
/** How long a server may take to notice that a killed client is gone. */
const SESSIONS_END_MS = 20_000;

export function postgresTarget({ url, tables }: Place): Target {
  const pool = new pg.Pool({ connectionString: url, max: 2, application_name: 'crash-oracle' });
  pool.on('error', () => undefined);
  const atOnce = async <T>(work: (query: Query) => Promise<T>): Promise<T> => {
    const client = await pool.connect();
    try {
      await client.query('begin isolation level repeatable read, read only');
      const result = await work(async (sql) => (await client.query<Record<string, unknown>>(sql)).rows);
      await client.query('commit');
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  };
  return {
    connection: '{ type: postgres, url: "${TARGET_URL}", connect_timeout_ms: 60000 }', options: '', shared: true,
    look: async (table, { write }) => atOnce((query) => lookIn(query, table, { words: POSTGRES, write })).catch((error: unknown) => {
      // a table that was flipped between the list of tables and its reading
      if (['42P01', '40001'].includes((error as { code?: string }).code ?? '')) return undefined;
      throw error;
    }),
    content: () => atOnce((query) => contentIn(query, tables)),
    leftovers: async () => [...await atOnce((query) => leftoversIn(query, tables)), ...await sessionsLeft(pool)],
    close: () => pool.end(),
  };
}

/** Of a killed process the server keeps nothing either. */
async function sessionsLeft(pool: pg.Pool): Promise<string[]> {
  for (let waited = 0; ; waited += 100) {
    const { rows } = await pool.query<{ pid: number; state: string; query: string }>("select pid, state, left(query, 100) as query from pg_stat_activity where application_name = 'etl'");
    if (rows.length === 0) return [];
    if (waited >= SESSIONS_END_MS) return rows.map((row) => `ORPHAN: session ${row.pid}, ${row.state}: ${row.query}`);
    await sleep(100);
  }
}

// ── duckdb ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const DUCKDB: Words = { microseconds: (column) => `epoch_us(${column})`, order: 'rowid' };
const FILE = 'target.duckdb';
const WAL = `${FILE}.wal`;

/** A copy of the file as it was at one moment, opened. */
interface Copy {
  readonly stamp: string;
  readonly query: Query;
  close(): void;
}

async function copyOf(folder: string, stamp: string): Promise<Copy> {
  const scratch = mkdtempSync(join(folder, 'copy-'));
  for (const name of [FILE, WAL]) if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(scratch, name));
  const instance = await DuckDBInstance.create(join(scratch, FILE), { threads: '1' });
  const connection = await instance.connect();
  return {
    stamp, query: async (sql) => (await connection.runAndReadAll(sql)).getRowObjects(),
    close: () => {
      connection.closeSync();
      instance.closeSync();
      rmSync(scratch, { recursive: true });
    },
  };
}

/** Reads a copy: opening the file itself would do the recovery that the next run has to do, and its lock may be held. */
export function duckdbTarget({ folder, tables }: Place): Target {
  let open: Copy | undefined;
  const query: Query = async (sql) => {
    const stamp = [FILE, WAL].map((name) => statSync(join(folder, name), { throwIfNoEntry: false })).map((stat) => `${stat?.mtimeMs} ${stat?.size}`).join();
    if (open?.stamp !== stamp) {
      open?.close();
      open = await copyOf(folder, stamp);
    }
    return open.query(sql);
  };
  return {
    connection: `{ type: duckdb, path: ${FILE}, threads: 2 }`, options: '', shared: false,
    look: (table, { write }) => lookIn(query, table, { words: DUCKDB, write }),
    content: () => contentIn(query, tables),
    leftovers: async () => [...await leftoversIn(query, tables), ...filesLeft(folder)],
    close: () => {
      open?.close();
      return Promise.resolve();
    },
  };
}

function filesLeft(folder: string): Faults {
  return readdirSync(folder).filter((name) => name.startsWith(FILE) && name !== FILE).map((name) => `ORPHAN: file ${name}`);
}

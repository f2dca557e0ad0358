import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { applyRecord, emptyFold, type Fold } from '../../connectors/_shared/commit-log/fold.ts';
import type { LogRecord } from '../../connectors/_shared/commit-log/records.ts';
import { further, NOWHERE, type DeliveredRow, type Look, type Reach } from './oracle.ts';
import { reachOf, type Place, type Target } from './targets.ts';

const hidden = (name: string): string => `.${name}.pending`;

/** The files of a table by the log, now and before the last record that changed them. */
interface Listing {
  readonly listed: readonly string[];
  readonly previous: readonly string[];
  /** How often it was changed. */
  readonly changes: number;
}

/** The commit log, read on from where the last look ended. */
class LogReader {
  /** Every name that a record has listed. */
  readonly everListed = new Set<string>();
  private readonly fold: Fold = emptyFold();
  private readonly listings = new Map<string, Listing>();
  private readonly root: string;
  private next = 1;

  constructor(root: string) {
    this.root = root;
  }

  get folder(): string | undefined {
    const state = join(this.root, '_etl');
    const [pipe] = existsSync(state) ? readdirSync(state) : [];
    return pipe === undefined ? undefined : join(state, pipe);
  }

  listing(table: string): Listing {
    this.readOn();
    return this.listings.get(table) ?? { listed: [], previous: [], changes: 0 };
  }

  /** The published position, or that of a pass that goes on. */
  reach(table: string): Reach {
    const stream = `public.${table}`;
    const passes = [...this.fold.loads.values()].map(({ splits }) => splits.get(stream)?.position);
    return [this.fold.streams.get(stream)?.position, ...passes].map(reachOf).reduce(further, NOWHERE);
  }

  private readOn(): void {
    const { folder } = this;
    if (folder === undefined) return;
    for (;; this.next++) {
      const path = join(folder, 'log', `${String(this.next).padStart(11, '0')}.json`);
      if (!existsSync(path)) return;
      const record = JSON.parse(readFileSync(path, 'utf8')) as LogRecord;
      applyRecord(this.fold, record);
      if (record.body.type === 'commit') for (const { name } of record.body.files) this.everListed.add(name);
      if (record.body.type === 'commit' || record.body.type === 'publish') this.noteChanges();
    }
  }

  private noteChanges(): void {
    for (const [table, files] of this.fold.files) {
      const before = this.listings.get(table) ?? { listed: [], previous: [], changes: 0 };
      const listed = files.map(({ name }) => name).toSorted();
      if (listed.join() !== before.listed.join()) this.listings.set(table, { listed, previous: before.listed, changes: before.changes + 1 });
    }
  }
}

export function parquetTarget({ folder, tables }: Place): Target {
  const root = join(folder, 'lake');
  const log = new LogReader(root);
  const duckdb = openDuckdb();
  return {
    connection: '{ type: file, path: lake }', options: ', format: parquet, roll_bytes: 262144, row_group_bytes: 65536', shared: true,
    look: async (table) => lookAt({ folder: join(root, table), table, log, duckdb: await duckdb }),
    content: () => Promise.resolve(contentOf(tables.map((table) => join(root, table)))),
    leftovers: () => Promise.resolve([...tables.flatMap((table) => filesLeft(join(root, table), log.listing(table).listed)), ...stateLeft(log.folder)]),
    close: async () => { (await duckdb).closeSync(); },
  };
}

async function openDuckdb(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  return instance.connect();
}

const namesIn = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder) : []);
const visibleIn = (folder: string): string[] => namesIn(folder).filter((name) => !name.startsWith('.') && name.endsWith('.parquet'));

interface Where {
  readonly folder: string;
  readonly table: string;
  readonly log: LogReader;
  readonly duckdb: DuckDBConnection;
}

/** By its log a table is exact at each instant. Whoever lists `*.parquet` sees nothing uncommitted, and never less than one generation. */
async function lookAt({ folder, table, log, duckdb }: Where): Promise<Look | undefined> {
  const before = log.listing(table);
  const reach = log.reach(table);
  const visible = new Set(visibleIn(folder));
  const rows = await readFiles(duckdb, folder, before.listed);
  const after = log.listing(table);
  const steps = after.changes - before.changes;
  if (rows === undefined && steps > 0) return undefined; // swept, since a newer generation is published
  const faults = rows === undefined ? ['LOST: a listed file is not there'] : [];
  for (const name of visible) if (!log.everListed.has(name)) faults.push(`UNCOVERED: ${name} shows, and no record lists it`);
  const whole = [before.listed, before.previous, after.listed].some((names) => names.every((name) => visible.has(name)));
  if (!whole && steps <= 1) faults.push('LOST: no generation shows whole');
  return { rows: rows ?? [], before: reach, after: log.reach(table), faults };
}

/** The rows of these files in order, whether they bear their name already or are still to get it; undefined: one is not there. */
async function readFiles(duckdb: DuckDBConnection, folder: string, names: readonly string[]): Promise<DeliveredRow[] | undefined> {
  if (names.length === 0) return [];
  for (let attempt = 1; attempt <= 3; attempt++) {
    const paths = names.map((name) => [name, hidden(name), name].map((each) => join(folder, each)).find((path) => existsSync(path)));
    if (paths.includes(undefined)) return undefined;
    const list = `[${paths.map((path) => `'${path ?? ''}'`).join(', ')}]`;
    try {
      const read = await duckdb.runAndReadAll(`select id::int as id, version, hash, payload, epoch_us(updated_at) as at from read_parquet(${list}, filename = true, file_row_number = true) order by list_position(${list}, filename), file_row_number`);
      return read.getRowObjects().map((row) => ({ id: Number(row['id']), version: Number(row['version']), hash: row['hash'] as string | null, payload: row['payload'] as string | null, at: Number(row['at']) }));
    } catch (error) {
      if (paths.every((path) => existsSync(path ?? ''))) throw error; // not one that got its name or went meanwhile
    }
  }
  return undefined;
}

function contentOf(folders: readonly string[]): string {
  const hash = createHash('sha256');
  for (const folder of folders) for (const name of visibleIn(folder).toSorted()) hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest('hex');
}

function filesLeft(folder: string, listed: readonly string[]): string[] {
  const names = namesIn(folder);
  return [
    ...names.filter((name) => name !== '.etl-target' && !listed.includes(name)).map((name) => `ORPHAN: file ${name}`),
    ...listed.filter((name) => !names.includes(name)).map((name) => `LOST: ${name} is listed and does not show`),
  ];
}

function stateLeft(folder: string | undefined): string[] {
  if (folder === undefined) return ['LOST: there is no state'];
  return [
    ...namesIn(folder).filter((name) => !['log', 'lease.json', 'quarantine'].includes(name)),
    ...namesIn(join(folder, 'log')).filter((name) => !/^\d{11}\.json$/.test(name)), ...namesIn(join(folder, 'quarantine')),
  ].map((name) => `ORPHAN: file ${name} of the state`);
}

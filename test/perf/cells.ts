import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Content } from './content.ts';
import { SOURCE, TARGET, type World } from './data.ts';
import { etl, root } from './jobs.ts';
import type { Command } from './measure.ts';
import type { Peers } from './peers.ts';

/** One contestant of one route. */
export interface Contestant {
  readonly name: string;
  /** Undefined: it isn't on this machine. */
  readonly command: Command | undefined;
  readonly prepare?: () => Promise<void> | void;
  readonly check?: () => Promise<void>;
}

export interface Cell {
  readonly name: string;
  readonly title: string;
  readonly rows: number;
  /** Rounds; each runs every contestant once, forwards and then backwards. */
  readonly rounds: number;
  readonly contestants: readonly Contestant[];
}

export interface Setting { readonly world: World; readonly content: Content; readonly peers: Peers; readonly folder: string; readonly short: number; readonly long: number }

const FULL = { sync: 'full', write: 'replace' };
const bare: Contestant = { name: 'node -e 0', command: { argv: [process.execPath, '-e', '0'] } };

export function cells(setting: Setting): Cell[] {
  return [start(setting), oneRow(setting), incremental(setting), toParquet(setting), wide(setting), toPostgres(setting), withKey(setting), toDuckdb(setting), hash(setting), memory(setting)];
}

function start({ short }: Setting): Cell {
  return { name: 'help', title: 'etl --help', rows: 0, rounds: short, contestants: [bare, { name: 'etl', command: { argv: [process.execPath, join(root, 'bin/etl.js'), '--help'] } }] };
}

/** A job of ours into a folder that is empty before each run. */
function ourFolder({ world, content, folder }: Setting, stream: string, shape: 'mixed' | 'wide', extra: { name?: string; columns?: object; unchecked?: boolean } = {}): Contestant {
  const name = extra.name ?? `etl_${stream}`;
  const path = join(folder, name);
  return {
    name: extra.name ?? 'etl',
    command: etl(folder, { name, source: world.url(SOURCE), target: { type: 'file', path }, stream, settings: { ...FULL, ...(extra.columns ? { columns: extra.columns } : {}) } }),
    prepare: () => rmSync(path, { recursive: true, force: true }),
    ...(extra.unchecked ? {} : { check: () => content.parquet(`${path}/**/*.parquet`, shape, stream) }),
  };
}

function duckdb({ world, peers }: Setting, table: string, kind: string, place: string): Command | undefined {
  return peers.duckdbPython === undefined ? undefined : { argv: [peers.duckdbPython, join(root, 'test/perf/peer-duckdb.py'), world.url(SOURCE), table, kind, place] };
}

function duckdbParquet(setting: Setting, table: 'mixed' | 'wide'): Contestant {
  const file = join(setting.folder, `duckdb_${table}.parquet`);
  return { name: 'DuckDB', command: duckdb(setting, table, 'parquet', file), prepare: () => rmSync(file, { force: true }), check: () => setting.content.parquet(file, table) };
}

function psql({ world, peers }: Setting, table: string): Contestant {
  const argv = [peers.psql ?? '', '-qX', world.url(SOURCE), '-c', `copy ${table} to stdout (format binary)`];
  return { name: 'psql COPY', command: peers.psql === undefined ? undefined : { argv, discard: true } };
}

function oneRow(setting: Setting): Cell {
  return { name: 'one', title: 'one-row postgres→Parquet', rows: 1, rounds: setting.short, contestants: [bare, ourFolder(setting, 'one', 'mixed')] };
}

function toParquet(setting: Setting): Cell {
  const file = join(setting.folder, 'obvious.parquet');
  const obvious = { name: 'pg-cursor + hyparquet-writer', command: { argv: [process.execPath, join(root, 'test/perf/obvious.mjs'), setting.world.url(SOURCE), file] }, check: () => setting.content.parquet(file, 'mixed').catch(ignoreMilliseconds) };
  return { name: 'mixed', title: 'mixed postgres→Parquet', rows: setting.world.rows.mixed, rounds: setting.long, contestants: [psql(setting, 'mixed'), ourFolder(setting, 'mixed', 'mixed'), duckdbParquet(setting, 'mixed'), obvious] };
}

/** It keeps milliseconds only: all sums but the last, that of the instants, must be right. */
function ignoreMilliseconds(error: unknown): void {
  const [, actual, expected] = /holds (\S+)\/\d+, the source (\S+)\/\d+$/.exec(error instanceof Error ? error.message : '') ?? [];
  if (actual === undefined || actual !== expected) throw error;
}

function wide(setting: Setting): Cell {
  return { name: 'wide', title: 'wide postgres→Parquet', rows: setting.world.rows.wide, rounds: setting.long, contestants: [ourFolder(setting, 'wide', 'wide'), duckdbParquet(setting, 'wide')] };
}

function ourPostgres({ world, content, folder }: Setting, table: string, settings: object): Contestant {
  return {
    name: 'etl', prepare: () => world.empty(TARGET), check: () => content.postgres(TARGET, `public.${table}`),
    command: etl(folder, { name: `pg_${table}`, source: world.url(SOURCE), target: { type: 'postgres', url: world.url(TARGET) }, stream: table, settings: { ...FULL, ...settings } }),
  };
}

function toPostgres(setting: Setting): Cell {
  const { world, content } = setting;
  const peer: Contestant = { name: 'DuckDB', prepare: () => world.empty(TARGET), command: duckdb(setting, 'heap', 'postgres', world.url(TARGET)), check: () => content.postgres(TARGET, 'heap') };
  return { name: 'pg-heap', title: 'postgres→postgres, no key', rows: world.rows.mixed, rounds: setting.long, contestants: [ourPostgres(setting, 'heap', {}), peer] };
}

function withKey(setting: Setting): Cell {
  const { world, content, peers } = setting;
  const argv = [peers.ingestr ?? '', 'ingest', '--yes', '--progress', 'log', '--source-uri', `${world.url(SOURCE)}?sslmode=disable`, '--source-table', 'public.mixed', '--dest-uri', `${world.url(TARGET)}?sslmode=disable`, '--dest-table', 'public.mixed'];
  const peer: Contestant = {
    name: 'ingestr', prepare: () => world.empty(TARGET), check: () => content.postgres(TARGET, 'public.mixed'),
    command: peers.ingestr === undefined ? undefined : { argv, env: { INGESTR_DISABLE_TELEMETRY: 'true', DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: '1' } },
  };
  return { name: 'pg-key', title: 'postgres→postgres, key and swap', rows: world.rows.mixed, rounds: setting.long, contestants: [ourPostgres(setting, 'mixed', { key: ['id'] }), peer] };
}

function toDuckdb(setting: Setting): Cell {
  const { world, content, folder } = setting;
  const ours = join(folder, 'ours.duckdb');
  const theirs = join(folder, 'theirs.duckdb');
  const clear = (file: string) => () => { for (const end of ['', '.wal']) rmSync(file + end, { force: true }); };
  return { name: 'duckdb', title: 'postgres→DuckDB file', rows: world.rows.mixed, rounds: setting.long, contestants: [
    { name: 'etl', prepare: clear(ours), check: () => content.duckdb(ours, 'main.mixed'), command: etl(folder, { name: 'to_duckdb', source: world.url(SOURCE), target: { type: 'duckdb', path: ours }, stream: 'mixed', settings: FULL }) },
    { name: 'DuckDB', prepare: clear(theirs), check: () => content.duckdb(theirs, 'main.mixed'), command: duckdb(setting, 'mixed', 'duckdb', theirs) },
  ] };
}

function hash(setting: Setting): Cell {
  const key = Buffer.alloc(32, 7).toString('hex');
  const plain = ourFolder(setting, 'mixed', 'mixed', { name: 'etl_plain' });
  const hashed = ourFolder(setting, 'mixed', 'mixed', { name: 'etl_hashed', columns: { email: { hash: 'hmac-sha256', key } }, unchecked: true });
  const hmac: Contestant = { name: 'createHmac', command: { argv: [process.execPath, join(root, 'dist/test/perf/hmac.js'), String(setting.world.rows.mixed)] } };
  const none: Contestant = { name: 'createHmac, values only', command: { argv: [process.execPath, join(root, 'dist/test/perf/hmac.js'), String(setting.world.rows.mixed), 'values-only'] } };
  return { name: 'hash', title: 'one hashed column of e-mails', rows: setting.world.rows.mixed, rounds: setting.long, contestants: [plain, hashed, none, hmac] };
}

function incremental(setting: Setting): Cell {
  const { world, content, folder, peers } = setting;
  const targets = { ours: 'bench_merge_etl', sling: 'bench_merge_sling' };
  const argv = [peers.sling ?? '', 'run', '--src-conn', `${world.url(SOURCE)}?sslmode=disable`, '--src-stream', 'public.growing', '--tgt-conn', `${world.url(targets.sling)}?sslmode=disable`, '--tgt-object', 'public.growing', '--mode', 'incremental', '--primary-key', 'id', '--update-key', 'ts'];
  return { name: 'merge', title: '10 new rows merged into 1 M', rows: 10, rounds: setting.short, contestants: [
    bare,
    { name: 'etl', prepare: () => world.grow(), check: () => content.postgres(targets.ours, 'public.growing', 'growing'),
      command: etl(folder, { name: 'merge', source: world.url(SOURCE), target: { type: 'postgres', url: world.url(targets.ours) }, stream: 'growing', settings: { sync: 'incremental', write: 'merge', key: ['id'], cursor: 'ts' } }) },
    { name: 'Sling', prepare: () => world.grow(), check: () => content.postgres(targets.sling, 'public.growing', 'growing'),
      command: peers.sling === undefined ? undefined : { argv, env: { SLING_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: '1' } } },
  ] };
}

function memory(setting: Setting): Cell {
  return { name: 'tenfold', title: '10 × mixed postgres→Parquet', rows: setting.world.rows.mixed * 10, rounds: 1, contestants: [ourFolder(setting, 'tenfold', 'mixed')] };
}

/** Before the rounds of `merge`: both targets hold what the source holds, through their own first run. */
export async function warmMerge(setting: Setting, cell: Cell, run: (command: Command, log: string) => Promise<unknown>): Promise<void> {
  if (cell.name !== 'merge') return;
  for (const database of ['bench_merge_etl', 'bench_merge_sling']) await setting.world.empty(database);
  for (const contestant of cell.contestants.slice(1)) if (contestant.command) await run(contestant.command, join(setting.folder, `first_${contestant.name}.log`));
}

export function freshFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

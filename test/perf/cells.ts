import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Content } from './content.ts';
import { SOURCE, TARGET, type World } from './data.ts';
import { OBVIOUS } from './gates.ts';
import { etl, root } from './jobs.ts';
import { measure, type Command } from './measure.ts';
import type { Peers } from './peers.ts';

/** One contestant of one route. */
export interface Contestant {
  readonly name: string;
  /** Undefined: it isn't on this machine. */
  readonly command: Command | undefined;
  readonly prepare?: () => Promise<void> | void;
  readonly check?: () => Promise<void>;
  /** When it moves another number of rows than the cell says. */
  readonly rows?: number;
}

export interface Cell {
  readonly name: string;
  readonly title: string;
  readonly rows: number;
  /** Rounds; each runs every contestant once, forwards and then backwards. */
  readonly rounds: number;
  readonly contestants: readonly Contestant[];
  /** Around all rounds. */
  readonly before?: () => Promise<void>;
  readonly after?: () => Promise<void>;
}

export interface Setting {
  readonly world: World;
  readonly content: Content;
  readonly peers: Peers;
  readonly folder: string;
  readonly short: number;
  readonly long: number;
}

const FULL = { sync: 'full', write: 'replace' };
const bare: Contestant = { name: 'node -e 0', command: { argv: [process.execPath, '-e', '0'] } };

export function cells(setting: Setting): Cell[] {
  return [start, oneRow, incremental, toParquet, overTls, wide, toPostgres, withKey, toDuckdb, hash, memory].map((cell) => cell(setting));
}

function start({ short }: Setting): Cell {
  return { name: 'help', title: 'etl --help', rows: 0, rounds: short, contestants: [bare, { name: 'etl', command: { argv: [process.execPath, join(root, 'bin/etl.js'), '--help'] } }] };
}

interface FolderJob {
  /** Table and content of the source. */
  readonly stream: string;
  readonly shape: 'mixed' | 'wide';
  readonly name?: string;
  readonly source?: string;
  readonly columns?: object;
  readonly concurrency?: number;
}

/** A job of ours into a folder that is empty before each run. */
function ourFolder({ world, content, folder }: Setting, job: FolderJob): Contestant {
  const { stream, shape, columns, concurrency } = job;
  const name = job.name ?? 'etl';
  const id = `${name}_${stream}`.replaceAll(/\W+/g, '_');
  const path = join(folder, id);
  return {
    name,
    command: etl(folder, { name: id, source: job.source ?? world.url(SOURCE), target: { type: 'file', path }, stream, settings: { ...FULL, ...(columns && { columns }) }, ...(concurrency !== undefined && { concurrency }) }),
    prepare: () => rmSync(path, { recursive: true, force: true }),
    check: () => content.parquet(`${path}/**/*.parquet`, shape, { table: stream, hashed: columns !== undefined }),
  };
}

function duckdb({ world, peers }: Setting, table: string, kind: string, place: string): Command | undefined {
  return peers.duckdbPython === undefined ? undefined : { argv: [peers.duckdbPython, join(root, 'test/perf/peer-duckdb.py'), world.url(SOURCE), table, kind, place] };
}

function duckdbParquet(setting: Setting, table: 'mixed' | 'wide'): Contestant {
  const file = join(setting.folder, `duckdb_${table}.parquet`);
  return { name: 'DuckDB', command: duckdb(setting, table, 'parquet', file), prepare: () => rmSync(file, { force: true }), check: () => setting.content.parquet(file, table) };
}

function psql({ world, peers }: Setting, mode: 'disable' | 'require' = 'disable'): Contestant {
  const argv = [peers.psql ?? '', '-qX', `${world.url(SOURCE)}?sslmode=${mode}`, '-c', 'copy mixed to stdout (format binary)'];
  return { name: 'psql COPY', command: peers.psql === undefined ? undefined : { argv, discard: true } };
}

function oneRow(setting: Setting): Cell {
  return { name: 'one', title: 'one-row postgres→Parquet', rows: 1, rounds: setting.short, contestants: [bare, ourFolder(setting, { stream: 'one', shape: 'mixed' })] };
}

function toParquet(setting: Setting): Cell {
  const { world, content, folder, peers } = setting;
  const file = join(folder, 'obvious.parquet');
  const obvious: Contestant = {
    name: OBVIOUS, prepare: () => rmSync(file, { force: true }), check: () => content.parquet(file, 'mixed').catch(ignoreMilliseconds),
    command: peers.parquetjs === undefined ? undefined : { argv: [process.execPath, join(root, 'test/perf/obvious.mjs'), world.url(SOURCE), file, peers.parquetjs] },
  };
  return { name: 'mixed', title: 'mixed postgres→Parquet', rows: world.rows.mixed, rounds: setting.long, contestants: [psql(setting), ourFolder(setting, { stream: 'mixed', shape: 'mixed' }), duckdbParquet(setting, 'mixed'), obvious] };
}

function overTls(setting: Setting): Cell {
  const { world, long } = setting;
  const source = world.tlsUrl(SOURCE);
  const ours: Contestant = source === undefined ? { name: 'etl', command: undefined } : ourFolder(setting, { stream: 'mixed', shape: 'mixed', source });
  const plain = ourFolder(setting, { stream: 'mixed', shape: 'mixed', name: 'etl, no TLS' });
  return {
    name: 'tls', title: 'mixed postgres→Parquet over TLS, certificate verified', rows: world.rows.mixed, rounds: long, contestants: source === undefined ? [ours] : [psql(setting, 'require'), ours, plain],
    before: () => world.switchTls(true), after: () => world.switchTls(false),
  };
}

/** It keeps milliseconds only: all sums but the last, that of the instants, must be right. */
function ignoreMilliseconds(error: unknown): void {
  const [, actual, expected] = /holds (\S+)\/\d+, the source (\S+)\/\d+$/.exec(error instanceof Error ? error.message : '') ?? [];
  if (actual === undefined || actual !== expected) throw error;
}

function wide(setting: Setting): Cell {
  return { name: 'wide', title: 'wide postgres→Parquet', rows: setting.world.rows.wide, rounds: setting.long, contestants: [ourFolder(setting, { stream: 'wide', shape: 'wide' }), duckdbParquet(setting, 'wide')] };
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
  const plain = ourFolder(setting, { stream: 'mixed', shape: 'mixed', name: 'etl, plain' });
  const hashed = ourFolder(setting, { stream: 'mixed', shape: 'mixed', name: 'etl, hashed', columns: { email: { hash: 'hmac-sha256', key } } });
  const hmac: Contestant = { name: 'createHmac', command: { argv: [process.execPath, join(root, 'dist/test/perf/hmac.js'), String(setting.world.rows.mixed)] } };
  const none: Contestant = { name: 'createHmac, values only', command: { argv: [process.execPath, join(root, 'dist/test/perf/hmac.js'), String(setting.world.rows.mixed), 'values-only'] } };
  return { name: 'hash', title: 'one hashed column of e-mails', rows: setting.world.rows.mixed, rounds: setting.long, contestants: [plain, hashed, none, hmac] };
}

function incremental(setting: Setting): Cell {
  const { world, content, folder, peers } = setting;
  const targets = { ours: 'bench_merge_etl', sling: 'bench_merge_sling' };
  const argv = [peers.sling ?? '', 'run', '--src-conn', `${world.url(SOURCE)}?sslmode=disable`, '--src-stream', 'public.growing', '--tgt-conn', `${world.url(targets.sling)}?sslmode=disable`, '--tgt-object', 'public.growing', '--mode', 'incremental', '--primary-key', 'id', '--update-key', 'ts'];
  const contestants: Contestant[] = [
    bare,
    { name: 'etl', prepare: () => world.grow(), check: () => content.postgres(targets.ours, 'public.growing', 'growing'),
      command: etl(folder, { name: 'merge', source: world.url(SOURCE), target: { type: 'postgres', url: world.url(targets.ours) }, stream: 'growing', settings: { sync: 'incremental', write: 'merge', key: ['id'], cursor: 'ts' } }) },
    { name: 'Sling', prepare: () => world.grow(), check: () => content.postgres(targets.sling, 'public.growing', 'growing'),
      command: peers.sling === undefined ? undefined : { argv, env: { SLING_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: '1' } } },
  ];
  /** Both targets hold what the source holds, through their own first run. */
  const before = async (): Promise<void> => {
    for (const database of Object.values(targets)) await world.empty(database);
    for (const { name, command } of contestants.slice(1)) if (command) await measure(command, join(folder, `first_${name}.log`));
  };
  return { name: 'merge', title: `10 new rows merged into ${world.rows.mixed}`, rows: 10, rounds: setting.short, contestants, before };
}

function memory(setting: Setting): Cell {
  const once = ourFolder(setting, { stream: 'mixed', shape: 'mixed', name: 'etl, one split', concurrency: 1 });
  const tenfold = ourFolder(setting, { stream: 'tenfold', shape: 'mixed', name: 'etl, ten times the rows', concurrency: 1 });
  return { name: 'memory', title: 'memory: mixed postgres→Parquet in one split, and ten times the rows', rows: setting.world.rows.mixed, rounds: Math.min(3, setting.long), contestants: [once, { ...tenfold, rows: setting.world.rows.mixed * 10 }] };
}

export function freshFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

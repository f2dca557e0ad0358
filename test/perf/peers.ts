import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where other tools live: not in the product, and kept from run to run. */
const cache = process.env.ETL_BENCH_CACHE ?? join(homedir(), '.cache/etl-bench');
const venv = join(cache, 'venv');
const modules = join(cache, 'npm');

/** The last wheels that carry the programs themselves; later ones fetch them from elsewhere. */
const WHEELS = [
  ['duckdb==1.5.5', 'duckdb-extensions==1.5.5', 'duckdb-extension-postgres-scanner==1.5.5'],
  ['ingestr==1.1.22'],
  ['sling-linux-amd64==1.4.11'],
];
const PARQUETJS = '@dsnp/parquetjs@1.8.8';

export const VERSIONS = 'DuckDB 1.5.5 with its postgres scanner (Python), ingestr 1.1.22, Sling 1.4.11, @dsnp/parquetjs 1.8.8';

export interface Peers {
  readonly psql: string | undefined;
  readonly duckdbPython: string | undefined;
  readonly ingestr: string | undefined;
  readonly sling: string | undefined;
  readonly parquetjs: string | undefined;
}

/** Fetches what is missing; what can't be had is said, and the others are fetched all the same. */
export function installPeers(): boolean {
  mkdirSync(modules, { recursive: true });
  const python = existsSync(join(venv, 'bin/pip')) || run('python3', ['-m', 'venv', venv]);
  const wheels = WHEELS.map((names) => python && run(join(venv, 'bin/pip'), ['install', '--quiet', '--disable-pip-version-check', ...names]));
  const parquetjs = run('npm', ['install', '--prefix', modules, '--no-save', '--no-audit', '--no-fund', '--loglevel', 'error', PARQUETJS]);
  const found = Object.entries(findPeers());
  for (const [name, path] of found) process.stdout.write(`${name.padEnd(13)} ${path ?? 'MISSING'}\n`);
  return [...wheels, parquetjs].every(Boolean) && found.every(([, path]) => path !== undefined);
}

function run(command: string, args: readonly string[]): boolean {
  const result = spawnSync(command, args, { stdio: 'inherit', timeout: 600_000 });
  if (result.status === 0) return true;
  process.stderr.write(`${command} ${args.join(' ')} failed: this peer will be missing\n`);
  return false;
}

export function findPeers(): Peers {
  const packages = existsSync(join(venv, 'lib')) ? readdirSync(join(venv, 'lib')).map((python) => join(venv, 'lib', python, 'site-packages')) : [];
  const first = (paths: readonly string[]) => paths.find((path) => existsSync(path));
  const onPath = (name: string) => first((process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name)));
  const scanner = first(packages.map((folder) => join(folder, 'duckdb_extension_postgres_scanner')));
  return {
    psql: onPath('psql'),
    duckdbPython: scanner === undefined ? undefined : first([join(venv, 'bin/python')]),
    ingestr: first([join(venv, 'bin/ingestr')]),
    sling: first(packages.map((folder) => join(folder, 'sling_linux_amd64/bin/sling-linux-amd64'))),
    parquetjs: first([join(modules, 'node_modules/@dsnp/parquetjs')]),
  };
}

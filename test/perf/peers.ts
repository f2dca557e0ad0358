import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where other tools live: not in the product, and kept from run to run. */
const cache = process.env.ETL_BENCH_CACHE ?? join(homedir(), '.cache/etl-bench');
const venv = join(cache, 'venv');

/** The last wheels that carry the programs themselves; later ones fetch them from elsewhere. */
const WHEELS = [
  ['duckdb==1.5.5', 'duckdb-extensions==1.5.5', 'duckdb-extension-postgres-scanner==1.5.5'],
  ['ingestr==1.1.22'],
  ['sling-linux-amd64==1.4.11'],
];

export interface Peers {
  readonly psql: string | undefined;
  readonly duckdbPython: string | undefined;
  readonly ingestr: string | undefined;
  readonly sling: string | undefined;
}

export function installPeers(): void {
  mkdirSync(cache, { recursive: true });
  if (!existsSync(venv)) run('python3', ['-m', 'venv', venv]);
  for (const wheels of WHEELS) run(join(venv, 'bin/pip'), ['install', '--quiet', ...wheels]);
}

function run(command: string, args: readonly string[]): void {
  const result = spawnSync(command, args, { stdio: 'inherit', timeout: 600_000 });
  if (result.status !== 0) process.stderr.write(`${command} ${args.join(' ')} failed: this peer will be missing\n`);
}

export function findPeers(): Peers {
  const packages = existsSync(join(venv, 'lib')) ? readdirSync(join(venv, 'lib')).map((python) => join(venv, 'lib', python, 'site-packages')) : [];
  const first = (paths: readonly string[]) => paths.find((path) => existsSync(path));
  const scanner = first(packages.map((folder) => join(folder, 'duckdb_extension_postgres_scanner')));
  const onPath = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'psql'));
  return {
    psql: first(onPath),
    duckdbPython: scanner === undefined ? undefined : first([join(venv, 'bin/python')]),
    ingestr: first([join(venv, 'bin/ingestr')]),
    sling: first(packages.map((folder) => join(folder, 'sling_linux_amd64/bin/sling-linux-amd64'))),
  };
}

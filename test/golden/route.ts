import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROUTES = ['postgres', 'duckdb', 'parquet', 'jsonl'] as const;
export type Route = (typeof ROUTES)[number];
export type Mode = 'replace' | 'append' | 'merge';

export interface Move {
  readonly route: Route;
  readonly mode: Mode;
  readonly folder: string;
  readonly source: string;
  /** Of a Postgres target. */
  readonly target: string;
  /** Of the job's process. */
  readonly zone?: string;
  /** Default: the table of values. */
  readonly streams?: string;
  /** More keys of the target. */
  readonly options?: string;
}

export interface Rejected {
  readonly stream: string;
  readonly code: string;
  readonly column?: string;
  readonly key?: Readonly<Record<string, string>>;
  readonly row?: Readonly<Record<string, unknown>>;
}

interface Ended { readonly code: number | null; readonly stdout: string; readonly stderr: string }

const etl = fileURLToPath(new URL('../../bin/etl.js', import.meta.url));

/** The command line as a user has it: the built product in a process of its own. */
function command(args: readonly string[], { folder, source, target, zone = 'UTC' }: Move): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [etl, ...args], { cwd: folder, env: { ...process.env, TZ: zone, GOLDEN_SOURCE: source, GOLDEN_TARGET: target, NODE_OPTIONS: '' } });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString(); });
    child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
    child.once('error', reject);
    child.once('close', (code) => { resolve({ code, stdout, stderr }); });
  });
}

const CONNECTIONS: Readonly<Record<Route, string>> = {
  postgres: '{ type: postgres, url: "${GOLDEN_TARGET}" }', duckdb: '{ type: duckdb, path: out.duckdb }', parquet: '{ type: file, path: out }', jsonl: '{ type: file, path: out }',
};

function jobText({ route, mode, streams, options }: Move): string {
  const sync = mode === 'replace' ? 'sync: full, write: replace' : `sync: incremental, write: ${mode}, cursor: { column: at }`;
  const format = route === 'parquet' || route === 'jsonl' ? `, format: ${route}` : '';
  const entries = streams ?? `public.golden: { ${sync}, errors: { max_bad: 1000 } }`;
  return `version: 1
name: golden
connections:
  from: { type: postgres, url: "\${GOLDEN_SOURCE}" }
  to: ${CONNECTIONS[route]}
source: from
target: { use: to${format}${options === undefined ? '' : `, ${options}`} }
streams:
  ${entries}
`;
}

/** Runs the job; what it rejected. */
export async function move(one: Move): Promise<{ readonly ended: Ended; readonly rejected: readonly Rejected[] }> {
  mkdirSync(one.folder, { recursive: true });
  const job = join(one.folder, 'job.yaml');
  writeFileSync(job, jobText(one));
  const ended = await command(['run', job, '--take-over'], one);
  if (ended.code !== 0 && ended.code !== 4) return { ended, rejected: [] };
  const listed = await command(['quarantine', 'list', job, '--json', '--limit', '500'], one);
  if (listed.code !== 0) throw new Error(`quarantine list: ${listed.stderr}`);
  return { ended, rejected: rowsOf(listed.stdout) };
}

function rowsOf(stdout: string): readonly Rejected[] {
  const parsed = JSON.parse(stdout) as { readonly result?: readonly Rejected[] } | readonly Rejected[];
  return 'result' in parsed ? parsed.result ?? [] : parsed as readonly Rejected[];
}

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { visibleFiles } from '../helpers/read-table.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

/** Full loads by the ranges of an immutable key, killed at their commits: the next process goes on inside the table. */

let server: PostgresServer;
let root = '';
const ROWS = 120_000;
beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-key-ranges-'));
  await server.query(`create table parts as select i / 1000 as shop, i as id, 'row ' || i as t from generate_series(1, ${ROWS}) i`);
  await server.query('alter table parts add primary key (shop, id)');
  await server.query('analyze parts');
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

const CONTENT = 'count(*) as rows, count(distinct id) as ids, sum(cast(shop as bigint)) as shops, sum(length(t)) as texts';

interface Place { readonly connection: string; content(folder: string, target: string): Promise<unknown> }

async function inDuckdb(path: string, from: string): Promise<unknown> {
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  try {
    return Object.values((await connection.runAndReadAll(`select ${CONTENT} from ${from}`)).getRowObjects()[0] ?? {}).map(String);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function inPostgres(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return Object.values((await client.query<Record<string, string>>(`select ${CONTENT} from parts`)).rows[0] ?? {});
  } finally {
    await client.end();
  }
}

const PLACES: Readonly<Record<string, Place>> = {
  postgres: { connection: '{ type: postgres, url: "${TARGET_URL}" }', content: (_, target) => inPostgres(target) },
  duckdb: { connection: '{ type: duckdb, path: out.duckdb }', content: (folder) => inDuckdb(join(folder, 'out.duckdb'), 'parts') },
  parquet: { connection: '{ type: file, path: out }', content: (folder) => inDuckdb(':memory:', `read_parquet([${visibleFiles(join(folder, 'out/parts'), 'parquet').map((file) => `'${file}'`).join(', ')}])`) },
};

interface Ended { readonly signal: string | null; readonly code: number | null; readonly output: string; readonly hits: readonly string[] }
interface Report { readonly result: { readonly streams: readonly { readonly continued: boolean; readonly read: number; readonly written: number }[]; readonly notes: readonly string[] } }

const dist = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** `etl run` in a process of its own that kills itself at the last of these failpoints. */
async function run(folder: string, target: string, passed: readonly string[] = []): Promise<Ended> {
  const trace = join(folder, 'trace');
  rmSync(trace, { force: true });
  const last = passed.at(-1);
  const at = last === undefined ? '' : `${last}#${passed.filter((name) => name === last).length}#SIGKILL`;
  const child = spawn(process.execPath, ['--import', dist('dist/test/crash/preload.js'), dist('bin/etl.js'), 'run', 'job.yaml', '--json', '--take-over'], {
    cwd: folder, env: { ...process.env, NODE_OPTIONS: '', SOURCE_URL: server.url, TARGET_URL: target, CRASH_TRACE: trace, CRASH_AT: at }, stdio: ['ignore', 'pipe', 'ignore'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  const { code, signal } = await new Promise<{ code: number | null; signal: string | null }>((resolve) => void child.once('close', (ended, by) => { resolve({ code: ended, signal: by }); }));
  return { code, signal, output, hits: existsSync(trace) ? readFileSync(trace, 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('!')) : [] };
}

async function world(name: string, place: Place, write: string): Promise<{ folder: string; target: string }> {
  const folder = mkdtempSync(join(root, `${name}-`));
  writeFileSync(join(folder, 'job.yaml'), `version: 1
name: keys
connections:
  here: { type: postgres, url: "\${SOURCE_URL}" }
  there: ${place.connection}
source: here
target: { use: there }
commit: { interval: 1h, bytes: 65536 }
streams:
  public.parts: { sync: full, write: ${write}, key: { columns: [shop, id], immutable: true } }
`);
  return { folder, target: await server.createDatabase(`t_${name}_${write}_${Math.trunc(performance.now())}`) };
}

const CASES = [['postgres', 'replace'], ['postgres', 'merge'], ['duckdb', 'replace'], ['duckdb', 'merge'], ['parquet', 'replace']] as const;
for (const [name, write] of CASES) {
  test(`rule 12: ${name}, ${write}: killed anywhere in a full load, the next run goes on inside the table, and every row is there once`, async () => {
    const place = PLACES[name];
    if (!place) throw new RangeError(name);
    const whole = await world(name, place, write);
    const { code, hits, output } = await run(whole.folder, whole.target);
    expect(code, output).toBe(0);
    const wanted = await place.content(whole.folder, whole.target);
    expect(wanted).toEqual([String(ROWS), String(ROWS), expect.any(String), expect.any(String)]);
    const loaded = hits.slice(0, hits.findLastIndex((hit) => /^(sql|file)\.commit/.test(hit)) + 1);
    for (const share of [0.4, 0.7, 1]) {
      const { folder, target } = await world(name, place, write);
      const passed = loaded.slice(0, Math.floor(loaded.length * share));
      expect((await run(folder, target, passed)).signal).toBe('SIGKILL');
      const second = await run(folder, target);
      expect(second.code, second.output).toBe(0);
      const { result } = JSON.parse(second.output) as Report;
      expect(result.streams[0]?.continued, `killed at ${passed.at(-1) ?? ''}`).toBe(true);
      expect(result.streams[0]?.read).toBeLessThan(ROWS * (1.15 - share));
      const note = 'the table is not of one instant';
      if (share < 1) expect(result.notes.join(), 'the report says so').toContain(note);
      else expect(result.notes.join(), 'nothing was left to read').not.toContain(note);
      expect(await place.content(folder, target)).toEqual(wanted);
    }
  });
}

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { visibleFiles } from '../helpers/read-table.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

/** A declared key that is none: rows that share it, and rows in which it is NULL. */

let server: PostgresServer;
let root = '';
beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-keys-'));
  await server.query('create table pages (k int, t text)');
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

const ROWS = `(1, 'one'), (2, 'two'), (2, 'two again'), (2, 'two at last'), (null, 'none'), (3, 'three'), (null, 'none at last')`;
const LAST = ['- none at last', '1 one', '2 two at last', '3 three'];
const ALL = ['- none', '- none at last', '1 one', '2 two', '2 two again', '2 two at last', '3 three'];
const TEXT = `coalesce(cast(k as varchar), '-') || ' ' || t as text`;

async function inDuckdb(path: string, from: string): Promise<string[]> {
  const instance = await DuckDBInstance.create(path);
  const connection = await instance.connect();
  try {
    return (await connection.runAndReadAll(`select ${TEXT} from ${from}`)).getRowObjects().map((row) => String(row['text'])).toSorted();
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

async function inPostgres(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<{ text: string }>(`select ${TEXT} from pages`)).rows.map((row) => row.text).toSorted();
  } finally {
    await client.end();
  }
}

const PLACES = {
  postgres: { connection: '{ type: postgres, url: "${TARGET_URL}" }', rows: (_: string, target: string) => inPostgres(target) },
  duckdb: { connection: '{ type: duckdb, path: out.duckdb }', rows: (folder: string) => inDuckdb(join(folder, 'out.duckdb'), 'pages') },
  file: { connection: '{ type: file, path: out }', rows: (folder: string) => inDuckdb(':memory:', `read_parquet([${visibleFiles(join(folder, 'out/pages'), 'parquet').map((file) => `'${file}'`).join(', ')}])`) },
} as const;

interface Report { readonly result: { readonly notes: readonly string[]; readonly streams: readonly { readonly outcome: string }[] } }

async function run(folder: string, target: string): Promise<Report['result']> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../bin/etl.js', import.meta.url)), 'run', 'job.yaml', '--json', '--take-over'], { cwd: folder, env: { ...process.env, NODE_OPTIONS: '', SOURCE_URL: server.url, TARGET_URL: target } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  expect(code, stderr).toBe(0);
  return (JSON.parse(stdout) as Report).result;
}

for (const [place, write, wanted] of [['postgres', 'replace', LAST], ['duckdb', 'replace', LAST], ['file', 'replace', ALL], ['postgres', 'merge', LAST], ['duckdb', 'merge', LAST]] as const) {
  test(`${place}, ${write}: of rows with one key, NULL like any other, ${wanted === LAST ? 'the last stays, and the report counts the others' : 'every one stays: files enforce no key'}`, async () => {
    await server.query(`truncate pages; insert into pages values ${ROWS}`);
    const folder = mkdtempSync(join(root, `${place}-`));
    const target = await server.createDatabase(`keys_${place}_${write}`);
    writeFileSync(join(folder, 'job.yaml'), `version: 1
name: keys
connections: { here: { type: postgres, url: "\${SOURCE_URL}" }, there: ${PLACES[place].connection} }
source: here
target: { use: there }
streams: { public.pages: { sync: full, write: ${write}, key: k } }
`);
    const first = await run(folder, target);
    expect(await PLACES[place].rows(folder, target)).toEqual(wanted);
    const counted = 'public.pages: 3 rows have a key (k) that a later row has too: of these 2 keys the last row stays.';
    if (wanted === LAST) expect(first.notes).toContain(counted);
    await run(folder, target);
    expect(await PLACES[place].rows(folder, target), 'again').toEqual(wanted);
  });
}

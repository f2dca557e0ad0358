import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobState } from '#sdk';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

/** Incremental passes as a person runs them: what is said, and what a failed attempt leaves. */

let server: PostgresServer;
let root = '';
beforeAll(async () => {
  server = await startPostgres();
  root = mkdtempSync(join(tmpdir(), 'etl-passes-'));
});
afterAll(async () => {
  rmSync(root, { recursive: true, force: true });
  await server?.stop();
});

interface Stream { readonly outcome: string; readonly read: number; readonly written: number; readonly to?: unknown }
interface Ended { readonly code: number | null; readonly stdout: string; readonly stderr: string; readonly streams: readonly Stream[] }

async function etl(folder: string, command: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../bin/etl.js', import.meta.url)), ...command], { cwd: folder, env: { ...process.env, NO_COLOR: '1', NODE_OPTIONS: '', SOURCE_URL: server.url, TARGET_URL: target } });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString(); });
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
  const code = await new Promise<number | null>((resolve) => void child.once('close', resolve));
  const parsed = stdout.startsWith('{') ? (JSON.parse(stdout) as { readonly result?: { readonly streams?: readonly Stream[] } }) : {};
  return { code, stdout, stderr, streams: parsed.result?.streams ?? [] };
}

let target = '';
const PLACES = { postgres: '{ type: postgres, url: "${TARGET_URL}" }', duckdb: '{ type: duckdb, path: out.duckdb }', file: '{ type: file, path: out }' } as const;

async function world(name: string, place: keyof typeof PLACES, stream: string): Promise<string> {
  target = await server.createDatabase(`${name}_${place}`);
  const folder = mkdtempSync(join(root, `${name}-`));
  writeFileSync(join(folder, 'job.yaml'), `version: 1
name: passes
connections: { here: { type: postgres, url: "\${SOURCE_URL}" }, there: ${PLACES[place]} }
source: here
target: { use: there }
streams: { public.${name}: { sync: incremental, cursor: at, ${stream} } }
`);
  return folder;
}

for (const [place, write] of [['postgres', 'merge'], ['duckdb', 'merge'], ['file', 'append']] as const) {
  test(`guarantee 3: ${place}, ${write}: a second run with nothing new says so, and a change at the last tie still comes`, async () => {
    await server.query(`drop table if exists tied; create table tied as select i as id, timestamptz '2024-01-01' + (i / 10) * interval '1 s' as at, 'first' as t from generate_series(1, 100) i`);
    await server.query('alter table tied add primary key (id)');
    const folder = await world('tied', place, `write: ${write}`);
    const run = () => etl(folder, ['run', 'job.yaml', '--json', '--take-over']);
    expect((await run()).streams).toMatchObject([{ outcome: 'done', read: 100, written: 100 }]);
    const second = await run();
    expect(second.streams, second.stderr).toMatchObject([{ outcome: 'nothing_new', read: 0, written: 0 }]);
    const said = await etl(folder, ['run', 'job.yaml', '--take-over']);
    expect(said.stderr).toContain('nothing new since the last run');
    if (write !== 'merge') return;
    await server.query(`update tied set t = 'changed' where id = 100`);
    expect((await run()).streams).toMatchObject([{ outcome: 'done', read: 1, written: 1 }]);
    expect((await run()).streams).toMatchObject([{ outcome: 'nothing_new' }]);
  });
}

for (const place of ['postgres', 'duckdb', 'file'] as const) {
  test(`guarantee 5: ${place}: an attempt that fails moves no cursor, and the next run brings what it did not`, async () => {
    await server.query(`drop table if exists failing; create table failing as select i as id, timestamptz '2024-01-01' + i * interval '1 s' as at, i::numeric(9,2) as n from generate_series(1, 100) i`);
    await server.query('alter table failing add primary key (id)');
    const folder = await world('failing', place, 'write: append, columns: { n: { type: "decimal(9,2)" } }, errors: { bad_rows: fail }');
    const run = () => etl(folder, ['run', 'job.yaml', '--json', '--take-over']);
    expect((await run()).streams).toMatchObject([{ written: 100 }]);
    await server.query(`insert into failing select i, timestamptz '2024-01-01' + i * interval '1 s', case i when 200 then 'NaN'::numeric else i end from generate_series(101, 200) i`);
    const failed = await run();
    expect(failed.code, failed.stderr).toBe(1);
    const shown = JSON.parse((await etl(folder, ['state', 'show', 'job.yaml', '--json'])).stdout) as { readonly result: readonly { readonly state: JobState }[] };
    expect(shown.result[0]?.state.streams['public.failing']?.position).toMatchObject({ upTo: '2024-01-01 00:01:40+00' });
    await server.query('update failing set n = 200 where id = 200');
    const mended = await run();
    expect(mended.streams, mended.stderr).toMatchObject([{ written: 100 }]);
  });
}

test('guarantee 14: the plan says that deleted rows stay', async () => {
  await server.query('create table deleting (id int primary key, at timestamptz not null default now())');
  const folder = await world('deleting', 'duckdb', 'write: merge');
  expect((await etl(folder, ['plan', 'job.yaml'])).stdout).toContain('does not see what the source deletes');
  await server.query('insert into deleting select i from generate_series(1, 3) i');
  await etl(folder, ['run', 'job.yaml', '--take-over']);
  await server.query('delete from deleting where id = 2');
  expect((await etl(folder, ['run', 'job.yaml', '--json', '--take-over'])).streams).toMatchObject([{ outcome: 'nothing_new', read: 0 }]);
});

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { visibleFiles } from '../helpers/read-table.ts';
import { World, type Said } from '../helpers/world.ts';

let server: PostgresServer;
let world: World;
beforeAll(async () => {
  server = await startPostgres();
  world = await World.open(server, 'adopt');
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

/** A job of one table of its own, to one of the destinations. Returns its file. */
function job(name: string, to: string, table: string, more = 'sync: incremental, cursor: id'): string {
  world.write(`${name}.yaml`, `version: 1
name: ${name}
connections:
  shop: { type: postgres, url: "\${SRC}" }
  out: { type: file, path: out }
  wh: { type: postgres, url: "\${DST}" }
  lake: { type: duckdb, path: lake.duckdb }
source: shop
target: ${to}
streams:
  public.${table}: { ${more}${to === 'out' ? ', target: { format: jsonl }' : ''} }
`);
  return `${name}.yaml`;
}

async function ids(to: string, table: string): Promise<string[]> {
  if (to === 'out') return visibleFiles(world.path(`out/${table}`), 'jsonl').flatMap((file) => readFileSync(file, 'utf8').trim().split('\n').map((line) => String((JSON.parse(line) as { id: number }).id))).sort();
  if (to === 'lake') return (await world.duck(`select string_agg(id::text, ',' order by id::text) from ${table}`)).split(',');
  return (await inTarget(`select id::text as id from ${table} order by 1`)).map((row) => String(row['id']));
}

async function inTarget(sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: world.target });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function ok(...args: string[]): Promise<Said> {
  const said = await world.etl(...args);
  expect(said.exit, said.err).toBe(0);
  return said;
}

async function source(table: string, last: number): Promise<void> {
  await world.sql(`create table if not exists ${table} (id int primary key); insert into ${table} select generate_series(1, ${last}) on conflict do nothing`);
}

const REFUSED = { out: 'ETL-FILE-011', wh: 'ETL-PG-111', lake: 'ETL-DUCK-013' } as const;

test.each(['out', 'wh', 'lake'] as const)('a renamed job takes its table in %s over, and goes on with the positions of its old name', async (to) => {
  const table = `renamed_${to}`;
  await source(table, 2);
  const old = job(`old_${to}`, to, table);
  await ok('run', old);
  world.write('export.json', (await ok('state', 'export', old)).out);
  const now = job(`new_${to}`, to, table);
  for (const args of [['run', now], ['run', now, '--full-refresh']]) {
    const refused = await world.etl(...args);
    expect([refused.exit, refused.err], args.join(' ')).toEqual([3, expect.stringContaining(REFUSED[to])]);
    expect(refused.err).toContain('renamed to this one, `etl state adopt JOB --yes` takes the');
  }
  if (to === 'wh') expect(await inTarget("select tablename from pg_tables where tablename like '\\_etl\\_%'")).toEqual([]);
  if (to === 'lake') expect(await world.duck("select count(*) from duckdb_tables() where starts_with(table_name, '_etl_')")).toBe('0');
  const named = await world.etl('state', 'import', now, 'export.json', '--yes');
  expect([named.exit, named.err]).toEqual([2, expect.stringContaining(`add --from 'old_${to}/shop->${to}'`)]);
  expect((await world.etl('state', 'adopt', now)).exit, 'nothing without --yes').toBe(2);
  const adopted = await ok('state', 'adopt', now, '--yes');
  expect(adopted.err).toContain(`what old_${to}/shop->${to} wrote there is this job's now`);
  await ok('state', 'import', now, 'export.json', '--from', `old_${to}/shop->${to}`, '--yes');
  await source(table, 3);
  await ok('run', now);
  expect(await ids(to, table)).toEqual(['1', '2', '3']);
  const first = await world.etl('run', old);
  expect([first.exit, first.err]).toEqual([3, expect.stringContaining('error ETL-')]);
  await ok('run', now, '--full-refresh');
  expect(await ids(to, table)).toEqual(['1', '2', '3']);
});

test('what a job that runs now writes is not adopted', async () => {
  await source('busy', 1);
  await ok('run', job('busy_old', 'out', 'busy'));
  const [pipe = ''] = readdirSync(world.path('out/_etl')).filter((name) => readFileSync(world.path(join('out/_etl', name, 'log/00000000001.json')), 'utf8').includes('"busy_old/'));
  const lease = { runId: 'r', host: hostname(), pid: process.pid, beat: 1, released: false, resting: true };
  writeFileSync(world.path(join('out/_etl', pipe, 'lease.json')), JSON.stringify(lease));
  const now = job('busy_new', 'out', 'busy');
  const refused = await world.etl('state', 'adopt', now, '--yes');
  expect([refused.exit, refused.err]).toEqual([5, expect.stringContaining('Its tables are not adopted while it runs')]);
  expect((await world.etl('run', now)).exit, 'and nothing was taken').toBe(3);
});

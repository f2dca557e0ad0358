import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { World } from '../helpers/world.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

interface Planned { readonly hash: string; readonly pipes: readonly { readonly streams: readonly { readonly plan: { readonly ddl: readonly string[]; readonly conflicts: readonly string[] } }[] }[] }
interface Ran { readonly streams: readonly { readonly schemaChanges: readonly string[] }[] }

const TARGETS: Readonly<Record<string, string>> = {
  file: '{ type: file, path: out }',
  duckdb: '{ type: duckdb, path: lake.duckdb }',
  postgres: '{ type: postgres, url: "${DST}" }',
};

function job(target: string, stream: string): string {
  return `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SRC}" }
  to: ${TARGETS[target]}
source: shop
target: { use: to${target === 'file' ? '' : ', schema: raw'} }
streams:
  public.orders: ${stream}
`;
}

/** What the plan says that a run changes, and what the run that is bound to that plan says that it changed. */
async function planAndRun(world: World, ...flags: string[]): Promise<readonly string[]> {
  const planned = await world.etl('plan', 'job.yaml', '--json', ...flags);
  expect(planned.exit, planned.err).toBe(0);
  const plan = (JSON.parse(planned.out) as { result: Planned }).result;
  const promised = plan.pipes.flatMap(({ streams }) => streams.flatMap((stream) => stream.plan.ddl));
  const ran = await world.etl('run', 'job.yaml', '--json', '--plan', plan.hash, ...flags);
  expect(ran.exit, ran.err).toBe(0);
  const changed = (JSON.parse(ran.out) as { result: Ran }).result.streams.flatMap((stream) => stream.schemaChanges);
  expect(changed).toEqual(promised);
  return promised;
}

const MODES = [
  ['file', 'append', '{ sync: incremental, cursor: id, write: append }'], ['file', 'replace', '{}'],
  ['duckdb', 'merge', '{ sync: incremental, cursor: id }'], ['duckdb', 'replace', '{}'], ['duckdb', 'scd2', '{ write: scd2 }'],
  ['postgres', 'merge', '{ sync: incremental, cursor: id }'], ['postgres', 'replace', '{}'], ['postgres', 'scd2', '{ write: scd2 }'], ['postgres', 'full append', '{ write: append }'],
] as const;

test.each(MODES)('%s, %s: a run changes exactly what the plan shows', async (target, mode, stream) => {
  const world = await World.open(server, `plan_${++count}`);
  try {
    world.write('job.yaml', job(target, stream));
    const made = await planAndRun(world);
    expect(made.join('\n')).toContain(target === 'file' ? 'create folder orders' : 'create table "raw"."orders"');
    await world.sql(`alter table orders add extra text; alter table orders alter id type bigint; insert into orders values (51, 'new', '2026-02-01', 'x')`);
    const grown = await planAndRun(world);
    expect(grown.length > 0).toBe(target !== 'file');
    await world.sql(`alter table orders alter name type integer using 7`);
    const anew = await planAndRun(world, ...(mode === 'replace' ? [] : ['--full-refresh']));
    if (target !== 'file') expect(anew[0]).toBe('drop table "raw"."orders"');
    expect(await planAndRun(world), 'nothing left to do').toEqual([]);
  } finally {
    await world.close();
  }
});

test('what only reads makes no DuckDB file, and the first run finds its plan true', async () => {
  const world = await World.open(server, `plan_${++count}`);
  try {
    world.write('job.yaml', job('duckdb', '{}'));
    for (const command of [['plan'], ['check'], ['check', '--probe'], ['state', 'show'], ['quarantine', 'list'], ['lint'], ['preview']]) {
      const said = await world.etl(...command, 'job.yaml');
      expect(said.exit, said.err).toBe(0);
      expect(readdirSync(world.folder), command.join(' ')).toEqual(['job.yaml']);
      if (command[0] === 'check') expect(said.out + said.err).toContain('lake.duckdb is not there yet: the first run makes it');
    }
    expect(await planAndRun(world)).not.toEqual([]);
    world.write('job.yaml', job('duckdb', '{}').replace('path: lake', 'path: no/lake'));
    const said = await world.etl('plan', 'job.yaml');
    expect([said.exit, said.err]).toEqual([3, expect.stringContaining('ETL-DUCK-002')]);
    expect(readdirSync(world.folder)).not.toContain('no');
  } finally {
    await world.close();
  }
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { World, type Started } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const TARGETS = { file: '{ type: file, path: out }', duckdb: '{ type: duckdb, path: lake.duckdb }', postgres: '{ type: postgres, url: "${DST}" }' };
type Target = keyof typeof TARGETS;

/** Two hundred thousand rows, of which a commit takes a part each half second. */
async function inWorld(target: Target, work: (world: World) => Promise<void>): Promise<void> {
  const world = await World.open(server, `signals_${++count}`);
  try {
    await world.sql('create table big (id bigint primary key, pad text); insert into big select i, repeat(\'x\', 100) from generate_series(1, 200000) i');
    world.write('job.yaml', `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SRC}" }
  to: ${TARGETS[target]}
source: shop
target: to
streams:
  public.big: { sync: incremental, cursor: id, write: append }
commit: { interval: 500ms }
`);
    await work(world);
  } finally {
    await world.close();
  }
}

async function slow(world: World): Promise<Started> {
  const run = world.start(['run', 'job.yaml', '--rate', '10000 rows/s', '--progress', 'json']);
  await run.until(/"type":"committed"/);
  return run;
}

/** All rows, each once. */
async function goesOn(world: World): Promise<void> {
  const said = await world.etl('run', 'job.yaml', '--take-over');
  expect(said.exit, said.err).toBe(0);
  const read = await world.etl('state', 'show', 'job.yaml');
  expect(read.out).toContain('200000');
  const [content] = Object.entries(await world.visible()).filter(([name]) => name.includes('big'));
  if (content && !content[0].startsWith('out')) expect(content[1]).toMatch(/^\D*200000\b/);
}

describe.each(['file', 'duckdb', 'postgres'] as const)('%s', (target) => {
  test('the first signal commits and ends with 6', () => inWorld(target, async (world) => {
    const run = await slow(world);
    run.child.kill('SIGTERM');
    const said = await run.said;
    expect(said.exit, said.err).toBe(6);
    expect(said.err).toContain('SIGTERM: stopping at the next checkpoint');
    expect(said.err).toMatch(/stopped shop: [1-9][\d,]* rows committed/);
    expect(said.err).toContain('next: etl run job.yaml goes on from the last commit');
    await goesOn(world);
  }));

  test.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('the second %s leaves at once with %i', (signal, exit) => inWorld(target, async (world) => {
    const run = await slow(world);
    run.child.kill(signal);
    await run.until(/again to leave at once/);
    run.child.kill(signal);
    const said = await run.said;
    if (said.exit !== 6) { // it may have ended cleanly in between
      expect(said.exit, said.err).toBe(exit);
      expect(said.err).toContain(`${signal}: left at once; what was committed stays`);
    }
    await goesOn(world);
  }));

  test('--timeout is a signal of one\'s own', () => inWorld(target, async (world) => {
    const said = await world.etl('run', 'job.yaml', '--rate', '20000 rows/s', '--timeout', '2s');
    expect(said.exit, said.err).toBe(6);
    await goesOn(world);
  }));

  test('--wait-lock waits for the end of another run; a timeout while it waits ends with 6', () => inWorld(target, async (world) => {
    const run = await slow(world);
    const impatient = await world.etl('run', 'job.yaml', '--wait-lock', '--timeout', '1s');
    expect(impatient.exit, impatient.err).toBe(6);
    expect(impatient.err).not.toContain('error');
    const waiting = world.start(['run', 'job.yaml', '--wait-lock']);
    await waiting.until(target === 'duckdb' ? /note waiting for another process/ : /note process \d+ on .* has shop\/shop->to/);
    run.child.kill('SIGTERM');
    expect((await run.said).exit).toBe(6);
    expect((await waiting.said).exit).toBe(0);
    await goesOn(world);
  }));
});

test('a lease that nobody renews is watched for 15 s and taken over', () => inWorld('postgres', async (world) => {
  const run = await slow(world);
  run.child.kill('SIGKILL');
  await run.said;
  const began = Date.now();
  const said = await world.etl('run', 'job.yaml');
  expect(said.exit, said.err).toBe(0);
  expect(said.err).toContain('watching for up to 15 s whether it is alive');
  expect(Date.now() - began).toBeGreaterThan(14_000);
  await goesOn(world);
}));

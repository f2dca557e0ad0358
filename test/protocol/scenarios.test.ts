import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { EtlError, type JobState, type Source } from '#sdk';
import { Oracle, ScriptedWorld, selectionFor, targetFor } from '#testing';
import { exitOfReport } from '../../src/cli/exit.ts';
import { sourceConfig } from '../../connectors/postgres/config.ts';
import { PostgresSource } from '../../connectors/postgres/source.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { Breaker, installBreakers } from './breaker.ts';
import { PIPE, runScripted, type RoundJob } from './job.ts';
import { contextFor, KINDS, temporaryFolder, type Place } from './places.ts';

/** Directed scenarios of the models that the seeded rounds do not reach, against the real connectors. */

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(async () => { await server.stop(); });

const EMPTY: JobState = { runEpoch: 1, streams: {}, loads: [] };
const source = (seed: number): PostgresSource => new PostgresSource(sourceConfig.parse({ url: server.url }), contextFor('/', seed));

test('rule 12: ctid ranges are lost with the process that held their snapshot', async () => {
  await server.query('create table moved (id int primary key, v text)');
  await server.query("insert into moved select i, 'x' from generate_series(1, 1000) i");
  const first = source(1);
  await first.discover();
  const [planned] = await first.plan([selectionFor('public.moved', ['id'], { sync: 'full', write: 'replace', immutableKey: false })], EMPTY, { maxSplits: 2, nextLoadId: () => 'l1' });
  if (!planned) throw new RangeError('nothing was planned');
  const { load, reading } = await first.begin(planned, { pipe: 'p', runEpoch: 1, runId: 'r1' });
  expect(await first.resume(load, { pipe: 'p', runEpoch: 1, runId: 'r1' }), 'the process that holds it goes on').toEqual(reading);
  await first[Symbol.asyncDispose]();
  const second = source(2);
  expect(await second.resume(load, { pipe: 'p', runEpoch: 2, runId: 'r2' })).toBe('lost');
  await second[Symbol.asyncDispose]();
});

const MERGE: RoundJob = { sync: 'cdc', write: 'merge', deletes: 'hard' };
const undisturbed = () => new Breaker({ kind: 'none' });

async function placeOf(kind: string, folder = temporaryFolder()): Promise<Place> {
  const make = KINDS[kind];
  if (!make) throw new RangeError(`no destination ${kind}`);
  return (await make()).make(folder);
}

test('rule 19: committed, not acknowledged: exit 3, the rows are there, and the next run acknowledges before it reads', async () => {
  const place = await placeOf('memory');
  const world = new ScriptedWorld(5, { streams: 1, snapshot: false, features: { rebuilds: false } });
  const [stream] = world.script.streams;
  if (!stream) throw new RangeError('no stream');
  const deaf = Object.assign(Object.create(world) as ScriptedWorld, {
    source: () => Object.assign(world.source(), { acknowledge: () => Promise.reject(new EtlError({ kind: 'transient', code: 'ETL-TST-020', message: 'the slot is away' })) }),
  });
  const report = await runScripted({ world: deaf, place, job: MERGE, breaker: undisturbed(), seed: 1 });
  expect(report.streams.map((one) => one.error)).toEqual([expect.objectContaining({ code: 'ETL-RUN-040', message: expect.stringContaining('committed, not acknowledged: the slot is away') as string })]);
  expect(exitOfReport(report)).toBe(3);
  const slot = () => Object.values(world.state.slots)[0];
  expect(slot()?.acked).toBe(0);
  const split = Object.values((await (await place.open()).state(PIPE)).loads[0]?.splits ?? {})[0];
  const [rows = []] = (await place.readTables([targetFor(stream.name, stream.schema.key, { write: 'merge', table: 's0' })])) ?? [];
  expect(new Oracle(world.script).compare(stream.name, rows, split?.position, { write: 'merge' })).toEqual([]);
  const next = await runScripted({ world, place, job: MERGE, breaker: undisturbed(), seed: 2 });
  expect(next.outcome).not.toBe('failed');
  expect(slot()?.acked).toBe(world.script.log.length);
  await place.remove();
});

test('rule 28: `after` finds the file of DuckDB closed and the lease of its run in it; when it has ended the lease is given back', async () => {
  const folder = temporaryFolder();
  const place = await placeOf('duckdb', folder);
  const world = new ScriptedWorld(6, { streams: 1, snapshot: false });
  const look = `const { DuckDBInstance } = await import('@duckdb/node-api');
    const connection = await (await DuckDBInstance.create(${JSON.stringify(join(folder, 'round.duckdb'))})).connect();
    console.log(JSON.stringify((await connection.runAndReadAll('select released, resting from _etl.leases')).getRowObjects()));`;
  let seen = '';
  const report = await runScripted({
    world, place, job: MERGE, breaker: undisturbed(), seed: 1,
    after: () => {
      const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', look], { encoding: 'utf8' });
      seen = stdout.trim() || stderr;
      return Promise.resolve(status ?? 1);
    },
  });
  expect({ seen, after: report.after?.exitCode }).toEqual({ seen: '[{"released":false,"resting":true}]', after: 0 });
  const destination = await place.open();
  expect(await destination.lease(PIPE)).toMatchObject({ released: true });
  await destination[Symbol.asyncDispose]();
  await place.remove();
});

/** A world whose sources are changed by `how`. */
function changed(world: ScriptedWorld, how: (source: Source) => Partial<Source>): ScriptedWorld {
  return Object.assign(Object.create(world) as ScriptedWorld, {
    source: () => {
      const source = world.source();
      return Object.assign(source, how({ read: source.read.bind(source), plan: source.plan.bind(source) } as Source));
    },
  });
}

test('rule 1: a source that ends without its last checkpoint has not completed the split, and nothing is published', async () => {
  const place = await placeOf('memory');
  const world = new ScriptedWorld(7, { world: 'full', streams: 1, parts: 1 });
  const short = changed(world, ({ read }) => ({
    async *read(...args) {
      for await (const message of read(...args)) if (message.type !== 'checkpoint' || !message.last) yield message;
    },
  }));
  const job: RoundJob = { sync: 'full', write: 'replace', deletes: 'hard' };
  const report = await runScripted({ world: short, place, job, breaker: undisturbed(), seed: 1 });
  expect(report.streams[0]?.error).toMatchObject({ code: 'ETL-RUN-001' });
  const state = await (await place.open()).state(PIPE);
  expect(Object.values(state.loads[0]?.splits ?? {}).map((split) => split.complete)).toEqual([false]);
  expect(state.streams['app.s0']?.position).toBeUndefined();
  expect((await runScripted({ world, place, job, breaker: undisturbed(), seed: 2 })).outcome).toBe('ok');
  await place.remove();
});

test('rule 6: what a run made and no state names goes with the next run; a zombie takes nothing away from its successor', async () => {
  const place = await placeOf('memory');
  const world = new ScriptedWorld(8, { streams: 2 });
  const slots = () => Object.keys(world.state.slots).map((name) => name.split('/').at(-2)); // the run epoch in the name
  installBreakers();
  await runScripted({ world, place, job: MERGE, breaker: new Breaker({ kind: 'throw', of: 'memory.begin.sending', at: 1, as: 'unforeseen' }), seed: 1 }).catch(() => undefined);
  expect(slots(), 'made, and never named').toEqual(['1']);
  const zombie = new Breaker({ kind: 'zombie', of: 'source.begin', at: 1, wakes: 'after' });
  const paused = runScripted({ world, place, job: MERGE, breaker: zombie, seed: 2 }).catch((error: unknown) => error);
  await zombie.paused;
  await runScripted({ world, place, job: MERGE, breaker: undisturbed(), seed: 3 });
  expect(slots(), 'the orphan is gone').toEqual(['3']);
  zombie.release();
  await paused;
  expect(slots(), 'the successor keeps its own').toContain('3');
  expect((await runScripted({ world, place, job: MERGE, breaker: undisturbed(), seed: 4 })).outcome).not.toBe('failed');
  expect(slots(), 'and what the zombie made is swept').toEqual(['3']);
  await place.remove();
});

test('rule 17: a live load has one split: two that write the same keys would have no order', async () => {
  const place = await placeOf('memory');
  const world = new ScriptedWorld(9, { streams: 1, snapshot: false });
  const doubled = changed(world, ({ plan }) => ({
    plan: async (...args) => (await plan(...args)).map((load) => ({ ...load, splits: load.splits.flatMap((split) => [split, { ...split, id: 'other' }]) })),
  }));
  const report = await runScripted({ world: doubled, place, job: MERGE, breaker: undisturbed(), seed: 1 });
  expect(report.error ?? report.streams[0]?.error).toMatchObject({ code: 'ETL-RUN-002' });
  expect((await (await place.open()).state(PIPE)).loads).toEqual([]);
  await place.remove();
});

/** The model's world "full append": what was staged joins the rows that are there, once, wherever the run before was broken. */
for (const kind of ['memory', 'jsonl', 'duckdb', 'postgres']) {
  test(`rules 11 and 13: into ${kind}, a full append that is broken at any failpoint shows whole generations, each once`, async () => {
    installBreakers();
    const made = await KINDS[kind]?.();
    if (!made) throw new RangeError(`no destination ${kind}`);
    const job: RoundJob = { sync: 'full', write: 'append', deletes: 'hard' };
    const { failpoints } = await made.make(temporaryFolder());
    for (const [i, of] of failpoints.entries()) {
      const place = await made.make(temporaryFolder());
      const world = new ScriptedWorld(20 + i, { world: 'full', streams: 1 });
      const target = targetFor('app.s0', ['id'], { write: 'append', table: 's0', ...(place.target?.options && { options: place.target.options }) });
      await runScripted({ world, place, job, breaker: new Breaker({ kind: 'throw', of, at: 1, as: 'unforeseen' }), seed: 2 * i }).catch(() => undefined);
      const before = await place.open();
      const published = (await before.state(PIPE)).streams['app.s0']?.position !== undefined;
      await before[Symbol.asyncDispose]();
      expect((await runScripted({ world, place, job, breaker: undisturbed(), seed: 2 * i + 1 })).outcome, of).toBe('ok');
      const generation = [...world.history.at('app.s0', { lsn: world.state.now }).rows.keys()].map((key) => (JSON.parse(key) as string[])[0]);
      const [rows = []] = (await place.readTables([target])) ?? [];
      expect(rows.map((row) => row['id']).sort(), `broken at ${of}`).toEqual([...generation, ...(published ? generation : [])].sort());
      await place.remove();
    }
    await made.stop?.();
  });
}

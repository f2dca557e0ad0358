import { expect, test } from 'vitest';
import * as z from 'zod';
import { EtlError } from '../errors/error.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import type { Connector } from '../sdk/connector.ts';
import { simpleSource } from '../sdk/simple-source.ts';
import { emptyStore, memoryDestination, memoryTable, testPorts } from '../sdk/testing/index.ts';
import type { EngineContext } from './connect.ts';
import type { RunEvent } from './events.ts';
import { runJob } from './run-job.ts';

const job: ResolvedJob = {
  name: 'job', mode: 'batch', directory: '.', source: 'here', overlap: 'fail',
  connections: { here: { name: 'here', type: 'here', config: {} }, there: { name: 'there', type: 'there', config: {} } },
  limits: { concurrency: 1, memoryBytes: 1 << 26 }, retry: { attempts: 1, backoff: 'fixed', initialDelayMs: 1, maxDelayMs: 1 }, commit: { intervalMs: 0, bytes: 1 },
  streams: [{
    pattern: 'things', skip: false, sync: 'incremental', write: 'append', columns: {}, others: 'keep', naming: 'as_is', contract: { tables: 'evolve', columns: 'evolve', types: 'widen' }, checks: [],
    errors: { badRows: 'fail' }, badText: 'fail', deletes: 'hard', unavailable: 'error', addedColumns: [], shared: false, target: { use: 'there', options: {} },
  }],
};

const lost: string[] = [];

/** The first answer of each of these calls is lost. */
function losing<T extends object>(port: T, names: readonly string[]): T {
  const left = new Set(names);
  return new Proxy(port, {
    get: (target, name) => {
      const call: unknown = Reflect.get(target, name);
      if (typeof call !== 'function' || typeof name !== 'string' || !left.has(name)) return call;
      return async (...args: unknown[]) => {
        await Reflect.apply(call, target, args);
        left.delete(name);
        lost.push(name);
        throw new EtlError({ kind: 'transient', code: 'ETL-TST-001', message: `the answer to ${name} is lost` });
      };
    },
  });
}

/** A source that gives a row for each number up to `end`, and a destination that keeps them between runs. */
function world() {
  const store = emptyStore();
  const ports = testPorts(1, { eager: true });
  const run = async ({ end, stopAt, stopOn, breaksAfter, attempts = 1, loses = [], fullRefresh = false }: { breaksAfter?: number; fullRefresh?: boolean; end: number; stopAt?: number; stopOn?: RunEvent['type']; attempts?: number; loses?: readonly string[] }) => {
    const stop = new AbortController();
    async function* read(from: unknown) {
      for (let id = Number(from ?? 0) + 1; id <= end; id++) {
        if (id === stopAt) stop.abort(new Error('SIGTERM'));
        yield { rows: [{ id }], position: id };
        if (breaksAfter !== undefined && id - Number(from ?? 0) === breaksAfter) throw new EtlError({ kind: 'transient', code: 'ETL-TST-002', message: 'it broke' });
      }
    }
    const config = z.strictObject({});
    const connectors: Readonly<Record<string, Connector>> = {
      here: { name: 'here', title: '', errors: {}, source: { config, secrets: [], syncModes: ['incremental'], create: (_, context) => Promise.resolve(losing(simpleSource(context, { identity: 'one', streams: { things: { columns: { id: 'int64' }, key: ['id'], read } } }), loses)) } },
      there: { name: 'there', title: '', errors: {}, destination: { config, secrets: [], targetOptions: config, capabilities: () => memoryDestination().capabilities, create: () => Promise.resolve(losing(memoryDestination({ store }), loses)) } },
    };
    const engine: EngineContext = { ports, note: () => undefined, load: (type) => Promise.resolve(connectors[type] ?? Promise.reject(new RangeError(type))) };
    return runJob({ ...job, ...(breaksAfter === undefined ? {} : { commit: { intervalMs: 60_000, bytes: 1 << 20 } }), retry: { ...job.retry, attempts } }, { stop: stop.signal, abort: new AbortController().signal, host: 'here', pid: 1, events: ({ type }) => { if (type === stopOn) stop.abort(new Error('SIGTERM')); }, takeOver: true, fullRefresh }, engine);
  };
  return { run, rows: () => memoryTable(store, 'things').map((row) => Number(row['id'])) };
}

test('a run that is stopped after it has finished an earlier run\'s load has not done its own: it says stopped, not ok', async () => {
  const { run, rows } = world();
  expect(await run({ end: 3, stopAt: 2 })).toMatchObject({ outcome: 'stopped' });
  expect(rows()).toEqual([1, 2]);
  expect(await run({ end: 3, stopOn: 'published' }), 'the earlier load is done, a pass of its own is not').toMatchObject({ outcome: 'stopped' });
  expect(await run({ end: 4 })).toMatchObject({ outcome: 'ok' });
  expect(rows()).toEqual([1, 2, 3, 4]);
});

test('what is asked before a load is stored is asked again after a transient failure, whatever became of the first time', async () => {
  const { run, rows } = world();
  expect(await run({ end: 3, stopAt: 2, attempts: 2, loses: ['identity', 'discover', 'plan', 'begin', 'lease', 'claim'] })).toMatchObject({ outcome: 'stopped', notes: [
    'here: ETL-TST-001 the answer to identity is lost; attempt 2 in 1 ms', 'there: ETL-TST-001 the answer to lease is lost; attempt 2 in 1 ms',
    'here: ETL-TST-001 the answer to discover is lost; attempt 2 in 1 ms', 'there: ETL-TST-001 the answer to claim is lost; attempt 2 in 1 ms',
  ] });
  expect(await run({ end: 3, attempts: 2, loses: ['resume'] })).toMatchObject({ outcome: 'ok' });
  expect(lost.splice(0).toSorted()).toEqual(['begin', 'claim', 'discover', 'identity', 'lease', 'plan', 'resume']);
  expect(rows()).toEqual([1, 2, 3]);
  await expect(run({ end: 4, loses: ['claim'] })).rejects.toMatchObject({ kind: 'transient', configPath: 'connections.there' });
  await expect(run({ end: 4, loses: ['identity'] })).rejects.toMatchObject({ kind: 'transient', configPath: 'connections.here' });
});

test('a full refresh that was broken off is finished by the next run, which then reads only what is new', async () => {
  const { run, rows } = world();
  expect(await run({ end: 3 })).toMatchObject({ outcome: 'ok' });
  expect(await run({ end: 3, fullRefresh: true, stopAt: 2 })).toMatchObject({ outcome: 'stopped' });
  const { outcome, streams } = await run({ end: 4 });
  expect(outcome).toBe('ok');
  expect(rows()).toEqual([1, 2, 3, 4]);
  expect(streams.map(({ read, written }) => ({ read, written }))).toEqual([{ read: 2, written: 2 }]);
});

test('what a source gave before it broke is committed as far as a position covers it, so that it never reads the same pages again and again', async () => {
  const { run, rows } = world();
  expect(await run({ end: 10, breaksAfter: 3, attempts: 2 })).toMatchObject({ outcome: 'ok' });
  expect(rows()).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
});

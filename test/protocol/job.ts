import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { runJob, type RunEvent, type RunReport } from '../../src/engine/index.ts';
import type { ResolvedJob, ResolvedStream } from '../../src/job/resolved.ts';
import { defineConnector, type Connector, type Destination, type Position, type SyncMode, type WriteMode } from '#sdk';
import { seeded, testPorts, type ScriptedWorld, type Seeded } from '#testing';
import { breakingSource, type Breaker } from './breaker.ts';
import type { Place } from './places.ts';

/** The job of a round. */
export interface RoundJob {
  readonly sync: SyncMode;
  readonly write: WriteMode;
  readonly deletes: 'hard' | 'soft';
  /** The destination holds no larger transaction: larger ones are committed in parts (rule 16). */
  readonly maxTransactionBytes?: number;
}
export const PLACEHOLDER = '__unavailable__';
export const PIPE = 'round/scripted->target';

/** What a person asks of one run. */
export interface Wish {
  /** `--full-refresh --select`: this stream begins anew. */
  readonly refresh?: string;
  /** This stream has left the job. */
  readonly without?: string;
}

export interface JobRun {
  readonly world: ScriptedWorld;
  readonly place: Place;
  readonly job: RoundJob;
  readonly breaker: Breaker;
  readonly wish?: Wish;
  /** Of this run: ids, commit cadence. */
  readonly seed: number;
  /** Draws what the wire does; undefined: it is kind. */
  readonly faults?: Seeded;
  readonly events?: (event: RunEvent) => void;
  /** The job's `after` command. */
  readonly after?: () => Promise<number>;
  /** Where the world's state is kept, for the process that comes after a killed one. */
  readonly folder?: string;
}

/** One `etl run` through the real engine, in this process. */
export async function runScripted({ world, place, job, breaker, seed, faults, folder, wish = {}, events = () => undefined, after }: JobRun): Promise<RunReport> {
  const draw = seeded(seed).fork('cadence');
  const saved = (): void => { if (folder !== undefined) saveWorld(world, folder); };
  const connectors: Record<string, Connector> = {
    scripted: defineConnector({
      name: 'scripted', title: 'Script', errors: {},
      source: {
        config: z.strictObject({}), secrets: [], syncModes: ['full', 'incremental', 'cdc'],
        create: () => Promise.resolve(breakingSource(world.source(), breaker, { saved, idleAt: (position) => idleAt(world, position) })),
      },
    }),
    target: defineConnector({
      name: 'target', title: 'Target', errors: {},
      destination: {
        config: z.strictObject({}), secrets: [], capabilities: () => place.capabilities, targetOptions: z.looseObject({}),
        create: async () => withLimit(await place.open(faults), job.maxTransactionBytes),
      },
    }),
  };
  const loaded = (type: string): Connector => {
    const connector = connectors[type];
    if (!connector) throw new RangeError(`no connector ${type}`);
    return connector;
  };
  const resolved = resolvedJob(job, place, wish);
  const commit = draw.chance(0.35) ? resolved.commit : { intervalMs: 3_600_000, bytes: 200 + draw.below(4000) };
  return breaker.run(() => runJob({ ...resolved, commit, ...(after && { after: { run: 'after', when: 'success' as const } }) }, {
    takeOver: true, stop: breaker.stop.signal, abort: breaker.abort.signal, host: 'test', pid: process.pid, events, ...(after && { after }),
    ...(wish.refresh !== undefined && { fullRefresh: true, select: [wish.refresh] }),
  }, { ports: testPorts(seed, { eager: true }), load: (type) => Promise.resolve(loaded(type)), note: () => undefined }));
}

/** All that has happened is covered, and no resync is under way. */
function idleAt({ options, state }: ScriptedWorld, position: Position): boolean {
  return options.endless === true && position['lsn'] === state.now && position['part'] === undefined && position['resync'] === undefined;
}

function resolvedJob(job: RoundJob, place: Place, wish: Wish): ResolvedJob {
  const stream: ResolvedStream = {
    pattern: '*', skip: false, sync: job.sync, write: job.write, columns: {}, others: 'keep', naming: 'as_is',
    cursor: { column: 'at' },
    contract: { tables: 'evolve', columns: 'evolve', types: 'widen' }, checks: [], errors: { badRows: 'quarantine' }, badText: 'keep',
    deletes: job.deletes, unavailable: { placeholder: PLACEHOLDER }, addedColumns: [], shared: false,
    target: { use: 'target', options: place.target?.options ?? {}, ...(place.target?.schema !== undefined && { schema: place.target.schema }) },
  };
  const connection = (name: string) => ({ name, type: name, config: {} });
  return {
    name: 'round', mode: 'batch', directory: '.', source: 'scripted', connections: { scripted: connection('scripted'), target: connection('target') },
    limits: { concurrency: 3, memoryBytes: 1 << 28 }, retry: { attempts: 3, backoff: 'fixed', initialDelayMs: 1, maxDelayMs: 1 },
    commit: { intervalMs: 0, bytes: 1 << 20 }, overlap: 'fail',
    streams: wish.without === undefined ? [stream] : [{ ...stream, pattern: wish.without, skip: true }, stream],
  };
}

function withLimit(inner: Destination, maxTransactionBytes: number | undefined): Destination {
  if (maxTransactionBytes === undefined) return inner;
  return {
    capabilities: { ...inner.capabilities, maxTransactionBytes },
    check: (options) => inner.check(options), planSchema: (pipe, target, schema, rebuild) => inner.planSchema(pipe, target, schema, rebuild),
    state: (pipe) => inner.state(pipe), lease: (pipe) => inner.lease(pipe), claim: (pipe, owner) => inner.claim(pipe, owner), attach: (token) => inner.attach(token),
    quarantine: (pipe, query) => inner.quarantine(pipe, query), owners: (pipe, targets) => inner.owners(pipe, targets),
    administer: (pipe, command) => inner.administer(pipe, command),
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

export function saveWorld(world: ScriptedWorld, folder: string): void {
  writeFileSync(join(folder, 'world.json'), JSON.stringify(world.state));
}

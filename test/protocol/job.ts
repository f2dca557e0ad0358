import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { runJob, type RunReport } from '../../src/engine/index.ts';
import type { ResolvedJob, ResolvedStream } from '../../src/job/resolved.ts';
import { defineConnector, type Connector, type SyncMode, type WriteMode } from '#sdk';
import { seeded, testPorts, type ScriptedWorld, type Seeded } from '#testing';
import { breakingSource, type Breaker } from './breaker.ts';
import type { Place } from './places.ts';

/** The job of a round. */
export interface RoundJob {
  readonly sync: SyncMode;
  readonly write: WriteMode;
  readonly deletes: 'hard' | 'soft';
}
export const PLACEHOLDER = '__unavailable__';

function resolvedJob(job: RoundJob, place: Place): ResolvedJob {
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
    commit: { intervalMs: 0, bytes: 1 << 20 }, streams: [stream], overlap: 'fail',
  };
}

export const PIPE = 'round/scripted->target';

export interface JobRun {
  readonly world: ScriptedWorld;
  readonly place: Place;
  readonly job: RoundJob;
  readonly breaker: Breaker;
  /** Of this run: ids, commit cadence. */
  readonly seed: number;
  /** Draws what the wire does; undefined: it is kind. */
  readonly faults?: Seeded;
  /** Where the world's state lies, for the next process. */
  readonly folder: string;
}

/** One `etl run` through the real engine, in this process. */
export async function runScripted({ world, place, job, breaker, seed, faults, folder }: JobRun): Promise<RunReport> {
  const draw = seeded(seed).fork('cadence');
  const connectors: Record<string, Connector> = {
    scripted: defineConnector({
      name: 'scripted', title: 'Script', errors: {},
      source: {
        config: z.strictObject({}), secrets: [], syncModes: ['full', 'incremental', 'cdc'],
        create: () => Promise.resolve(breakingSource(world.source(), breaker, () => { saveWorld(world, folder); })),
      },
    }),
    target: defineConnector({
      name: 'target', title: 'Target', errors: {},
      destination: { config: z.strictObject({}), secrets: [], capabilities: () => place.capabilities, targetOptions: z.looseObject({}), create: () => place.open(faults) },
    }),
  };
  const loaded = (type: string): Connector => {
    const connector = connectors[type];
    if (!connector) throw new RangeError(`no connector ${type}`);
    return connector;
  };
  const resolved = resolvedJob(job, place);
  const commit = draw.chance(0.5) ? resolved.commit : { intervalMs: 3_600_000, bytes: 200 + draw.below(4000) };
  return breaker.run(() => runJob({ ...resolved, commit }, {
    takeOver: true, stop: breaker.stop.signal, abort: breaker.abort.signal, host: 'test', pid: process.pid, events: () => undefined,
  }, { ports: testPorts(seed, { eager: true }), load: (type) => Promise.resolve(loaded(type)), note: () => undefined }));
}

export function saveWorld(world: ScriptedWorld, folder: string): void {
  writeFileSync(join(folder, 'world.json'), JSON.stringify(world.state));
}

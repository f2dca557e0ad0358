import type { WriteMode } from '#sdk';
import { seeded, type ScriptedOptions, type Seeded } from '#testing';
import { drawBreak, type Break } from './breaker.ts';
import type { RoundJob, Wish } from './job.ts';
import type { Place } from './places.ts';

/** Every so many rounds the run that breaks is a child process that is killed. */
export const KILL_EVERY = 20;

/** A run that is broken, and what a person asks of it. */
export interface BrokenRun {
  readonly how: Break;
  readonly wish: Wish;
}

/** All that is decided about a round: a pure function of destination and seed. */
export interface Round {
  readonly seed: number;
  readonly job: RoundJob;
  readonly options: ScriptedOptions;
  readonly broken: readonly BrokenRun[];
  readonly lossy: boolean;
  /** Only this write mode was asked for. */
  readonly only?: WriteMode;
}

interface Route {
  readonly job: RoundJob;
  readonly options: ScriptedOptions;
}

/** An append log has no shadow to swap, and a truncate takes nothing from it. Nobody tells scd2 when a truncate was. */
const LOG: NonNullable<ScriptedOptions['features']> = { rebuilds: false };
const VERSIONS: NonNullable<ScriptedOptions['features']> = { rebuilds: false, truncates: false };

/** Worlds and write modes that fit the destination. */
function routesFor(place: Place): Route[] {
  const { writeModes, takesChanges, deletes } = place.capabilities;
  const routes: Route[] = [];
  const add = (sync: RoundJob['sync'], write: RoundJob['write'], options: ScriptedOptions, deletion: 'hard' | 'soft' = 'hard'): void => {
    if (writeModes.includes(write) && (write !== 'merge' || deletes.includes(deletion))) routes.push({ job: { sync, write, deletes: deletion }, options });
  };
  if (takesChanges) {
    add('cdc', 'merge', { world: 'live' });
    add('cdc', 'merge', { world: 'live', snapshot: false });
    add('cdc', 'merge', { world: 'live', features: { rebuilds: false } }, 'soft');
    add('cdc', 'append', { world: 'live', features: LOG });
    add('cdc', 'append', { world: 'live', snapshot: false, features: LOG });
    add('cdc', 'scd2', { world: 'live', features: VERSIONS });
  }
  add('full', 'replace', { world: 'full' });
  add('full', 'replace', { world: 'full', immutableKeys: true });
  add('incremental', 'merge', { world: 'incremental', features: { changes: false } });
  add('incremental', 'append', { world: 'incremental', features: { changes: false } });
  return routes;
}

export function drawRound(seed: number, place: Place, write?: WriteMode): Round {
  const draw = seeded(seed).fork('round');
  const { job, options } = draw.any(routesFor(place).filter((one) => write === undefined || one.job.write === write)) ?? { job: { sync: 'full', write: 'replace', deletes: 'hard' }, options: {} };
  const live = options.world === 'live';
  const streams = 1 + draw.below(3);
  const kinds: Break['kind'][] = place.capabilities.processes === 1 ? ['throw', 'throw', 'stop'] : ['throw', 'stop', 'zombie', 'zombie'];
  const killed = seed % KILL_EVERY === 0;
  const broken = Array.from({ length: killed ? 1 : 1 + draw.below(2) }, (): BrokenRun => ({
    how: drawBreak(draw, killed ? ['kill'] : kinds, place.failpoints), wish: drawWish(draw, streams, options),
  }));
  return {
    seed, broken, lossy: !killed && draw.chance(0.3),
    job: { ...job, ...(live && draw.chance(0.3) && { maxTransactionBytes: 400 + draw.below(1500) }) },
    options: { ...options, streams, transactions: 8 + draw.below(14), ...(live && draw.chance(0.3) && { endless: true }) },
    ...(write && { only: write }),
  };
}

/** Now and then one stream begins anew, or leaves the job for this run. Who joins a log without a snapshot would have missed its begin. */
function drawWish(draw: Seeded, streams: number, { snapshot }: ScriptedOptions): Wish {
  const stream = `app.s${draw.below(streams)}`;
  const dice = draw.next();
  if (dice < 0.12) return { refresh: stream };
  return dice < 0.2 && streams > 1 && snapshot !== false ? { without: stream } : {};
}

export function describeRound({ job, options, broken, lossy }: Round): string {
  const words = [
    options.endless && 'endless', options.world, options.snapshot === false && 'without snapshot', job.deletes === 'soft' && 'soft', job.write,
    job.maxTransactionBytes !== undefined && `at most ${job.maxTransactionBytes} bytes`, lossy && 'lossy',
  ];
  return `${words.filter(Boolean).join(' ')}, ${broken.map((one) => JSON.stringify({ ...one.how, ...one.wish })).join(' ')}`;
}

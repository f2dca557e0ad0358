import { AsyncLocalStorage } from 'node:async_hooks';
import type { Seeded } from '#testing';
import { EtlError, installFailpoints, type Load, type Position, type Source, type SourceMessage, type Split } from '#sdk';

/** Where a run is broken: at the nth of some steps, counted from its begin over failpoints, calls and messages of the source. */
interface At {
  readonly at: number;
  /** `any` step, those inside the `destination`, or one failpoint by its name. */
  readonly of: string;
}

/** How a run is broken. */
export type Break =
  | { readonly kind: 'none' }
  /** Something throws there: a lost connection (retried), or what nobody foresaw. */
  | At & { readonly kind: 'throw'; readonly as: 'transient' | 'unforeseen' }
  /** The first signal. */
  | At & { readonly kind: 'stop' }
  /** Abandoned there: paused, its successor claims and works. It wakes beside it, after it, or when all is done. */
  | At & { readonly kind: 'zombie'; readonly wakes: 'beside' | 'after' | 'at the end' }
  /** SIGKILL: in a child only. */
  | At & { readonly kind: 'kill' };

const current = new AsyncLocalStorage<Breaker>();

/** Counts the steps of one run and breaks it at its one. */
export class Breaker {
  readonly stop = new AbortController();
  readonly abort = new AbortController();
  /** Resolves when a zombie is paused. */
  readonly paused: Promise<void>;
  /** The step where it was broken; undefined: it never came there. */
  where: string | undefined;
  private steps = 0;
  private reachedPause: () => void = () => undefined;
  private wake: () => void = () => undefined;
  private readonly awake: Promise<void>;

  /** `dying` is the last word of a process that is killed. */
  constructor(private readonly plan: Break, private readonly dying: (where: string) => void = () => undefined) {
    this.paused = new Promise((resolve) => { this.reachedPause = resolve; });
    this.awake = new Promise((resolve) => { this.wake = resolve; });
  }

  /** Runs `work` so that failpoints in it count for this breaker and no other. */
  run<T>(work: () => Promise<T>): Promise<T> {
    return current.run(this, work);
  }

  release(): void {
    this.wake();
  }

  async step(name: string): Promise<void> {
    const { plan } = this;
    if (plan.kind === 'none' || this.where !== undefined || !counts(plan.of, name) || ++this.steps < plan.at) return;
    this.where = name;
    switch (plan.kind) {
      case 'throw': throw plan.as === 'transient'
        ? new EtlError({ kind: 'transient', code: 'ETL-TST-020-UNKNOWN', message: `broken at ${name}` }) : new TypeError(`broken at ${name}`);
      case 'stop': this.stop.abort(new Error('stopped')); return;
      case 'zombie':
        this.reachedPause();
        await this.awake;
        return;
      case 'kill':
        this.dying(name);
        process.kill(process.pid, 'SIGKILL');
    }
  }
}

function counts(of: string, name: string): boolean {
  return of === 'any' || of === name || (of === 'destination' && !name.startsWith('source.'));
}

export function installBreakers(): void {
  installFailpoints((name) => current.getStore()?.step(name));
}

/** An endless split is stopped after so many checkpoints with nothing new; later while other splits have something to read. */
const IDLE_CHECKPOINTS = 8;
const IDLE_BESIDE_OTHERS = 150;

interface SourceHooks {
  /** After each call that may change what outlives the process. */
  saved(): void;
  /** An endless split has nothing left at this position. */
  idleAt(position: Position): boolean;
}

/** The source with a step before each message, and before and after each call: then its answer is lost. An endless one is stopped when it is idle. */
export function breakingSource(source: Source, breaker: Breaker, { saved, idleAt }: SourceHooks): Source {
  const step = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    await breaker.step(`source.${name}`);
    const answer = await call();
    saved();
    await breaker.step(`source.${name}.done`);
    return answer;
  };
  /** Splits that have something left to read. */
  const busy = new Set<string>();
  const begun = (load: Load): void => { for (const split of load.splits) busy.add(keyOf(split)); };
  async function* read(split: Split, messages: AsyncIterable<SourceMessage>): AsyncGenerator<SourceMessage> {
    let idle = 0;
    for await (const message of messages) {
      if (message.type === 'checkpoint' && idleAt(message.position)) {
        busy.delete(keyOf(split));
        if (++idle >= (busy.size > 0 ? IDLE_BESIDE_OTHERS : IDLE_CHECKPOINTS)) breaker.stop.abort(new Error('idle'));
      }
      try {
        await breaker.step(`source.${message.type}`);
      } catch (error) {
        if (message.type === 'batch') message.batch.release();
        throw error;
      }
      yield message;
    }
    busy.delete(keyOf(split));
  }
  const begin: Source['begin'] = async (load, run) => {
    const answer = await source.begin(load, run);
    begun(answer.load);
    return answer;
  };
  const resume: Source['resume'] = async (load, run) => {
    const answer = await source.resume(load, run);
    if (answer !== 'lost') begun(load);
    return answer;
  };
  return {
    identity: () => source.identity(),
    check: (selection) => source.check(selection),
    discover: (wanted) => source.discover(wanted),
    plan: (selection, state, options) => source.plan(selection, state, options),
    begin: (load, run) => step('begin', () => begin(load, run)),
    resume: (load, run) => step('resume', () => resume(load, run)),
    read: (reading, split, from, stop) => read(split, source.read(reading, split, from, stop)),
    acknowledge: (split, durable) => step('acknowledge', () => source.acknowledge?.(split, durable) ?? Promise.resolve()),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** A stream is in one open load. */
function keyOf({ id, streams }: Split): string {
  return JSON.stringify([id, streams]);
}

/** A break drawn from a seed: most often at a failpoint, by its name. Most steps of a scripted run lie below 200. */
export function drawBreak(draw: Seeded, kinds: readonly Break['kind'][], failpoints: readonly string[]): Break {
  const kind = draw.any(kinds) ?? 'none';
  if (kind === 'none') return { kind };
  const place = drawPlace(draw, failpoints);
  switch (kind) {
    case 'throw': return { kind, ...place, as: draw.chance(0.5) ? 'transient' : 'unforeseen' };
    case 'zombie': return { kind, ...place, wakes: draw.pick(['beside', 'after', 'at the end']) };
    case 'stop': case 'kill': return { kind, ...place };
  }
}

function drawPlace(draw: Seeded, failpoints: readonly string[]): At {
  const dice = draw.next();
  const named = dice < 0.5 ? draw.any(failpoints) : undefined;
  if (named !== undefined) return { of: named, at: 1 + draw.below(draw.chance(0.7) ? 2 : 6) };
  if (dice < 0.75) return { of: 'destination', at: 1 + draw.below(draw.chance(0.5) ? 25 : 60) };
  return { of: 'any', at: 1 + draw.below(draw.chance(0.5) ? 25 : 120) };
}

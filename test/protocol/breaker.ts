import { AsyncLocalStorage } from 'node:async_hooks';
import type { Seeded } from '#testing';
import { EtlError, installFailpoints, type Source, type SourceMessage } from '#sdk';

/**
 * How a run is broken. Each happens at one step, counted from the run's begin over failpoints and messages of the source; with `deep` only
 * the destination's own failpoints count, which lie inside its commits and its publish.
 */
export type Break = { readonly deep?: true } & (
  | { readonly kind: 'none' }
  /** Something throws there: a lost connection (retried), or what nobody foresaw. */
  | { readonly kind: 'throw'; readonly at: number; readonly as: 'transient' | 'unforeseen' }
  /** The first signal. */
  | { readonly kind: 'stop'; readonly at: number }
  /** The process is paused there; its successor claims and works; then it wakes and goes on. */
  | { readonly kind: 'zombie'; readonly at: number }
  /** SIGKILL: in a child only. */
  | { readonly kind: 'kill'; readonly at: number });

const current = new AsyncLocalStorage<Breaker>();

/** Counts the steps of one run and breaks it at its one. */
export class Breaker {
  readonly stop = new AbortController();
  readonly abort = new AbortController();
  /** Resolves when a zombie is paused. */
  readonly paused: Promise<void>;
  happened = false;
  private steps = 0;
  private reachedPause: () => void = () => undefined;
  private wake: () => void = () => undefined;
  private readonly awake: Promise<void>;
  where = '';

  constructor(private readonly plan: Break) {
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

  get count(): number {
    return this.steps;
  }

  async step(name: string): Promise<void> {
    const { plan } = this;
    if (plan.kind === 'none' || this.happened || (plan.deep && name.startsWith('source.')) || ++this.steps < plan.at) return;
    this.happened = true;
    this.where = name;
    switch (plan.kind) {
      case 'throw': throw plan.as === 'transient'
        ? new EtlError({ kind: 'transient', code: 'ETL-TST-020-UNKNOWN', message: `broken at ${name}` }) : new TypeError(`broken at ${name}`);
      case 'stop': this.stop.abort(new Error('stopped')); return;
      case 'zombie':
        this.reachedPause();
        await this.awake;
        return;
      case 'kill': process.kill(process.pid, 'SIGKILL');
    }
  }
}

export function installBreakers(): void {
  installFailpoints((name) => current.getStore()?.step(name));
}

/** The source with a step before each message and around each call. */
export function breakingSource(source: Source, breaker: Breaker, saved: () => void): Source {
  const step = async <T>(name: string, call: () => Promise<T>): Promise<T> => {
    await breaker.step(`source.${name}`);
    const answer = await call();
    saved();
    return answer;
  };
  async function* read(messages: AsyncIterable<SourceMessage>): AsyncGenerator<SourceMessage> {
    for await (const message of messages) {
      try {
        await breaker.step(`source.${message.type}`);
      } catch (error) {
        if (message.type === 'batch') message.batch.release();
        throw error;
      }
      yield message;
    }
  }
  return {
    identity: () => source.identity(),
    check: (selection) => source.check(selection),
    discover: (queries) => source.discover(queries),
    plan: (selection, state, options) => source.plan(selection, state, options),
    begin: (load, run) => step('begin', () => source.begin(load, run)),
    resume: (load, run) => step('resume', () => source.resume(load, run)),
    read: (...args) => read(source.read(...args)),
    acknowledge: (split, durable) => step('acknowledge', () => source.acknowledge?.(split, durable) ?? Promise.resolve()),
    [Symbol.asyncDispose]: () => source[Symbol.asyncDispose](),
  };
}

/** A break drawn from a seed. Most steps of a scripted run lie below 200. */
export function drawBreak(draw: Seeded, kinds: readonly Break['kind'][]): Break {
  const kind = draw.any(kinds) ?? 'none';
  if (kind === 'none') return { kind };
  const deep = draw.chance(0.5);
  const at = 1 + draw.below(draw.chance(0.5) ? 25 : deep ? 80 : 220);
  const place = { at, ...(deep && { deep: true as const }) };
  return kind === 'throw' ? { kind, ...place, as: draw.chance(0.5) ? 'transient' : 'unforeseen' } : { kind, ...place };
}

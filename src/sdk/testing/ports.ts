import type { Ports } from '../ports.ts';
import { seeded } from './random.ts';

/** Ports whose time stands still until it is moved. */
export interface TestPorts extends Ports {
  /** Moves both clocks and wakes whoever slept so long. */
  advance(ms: number): void;
}

/** 2026-01-01T00:00:00Z */
const START_MS = 1_767_225_600_000;

interface Sleeper {
  readonly at: number;
  wake(): void;
}

/** A clock that moves only by `advance` (and by a sleeper's wish, when `eager`), and randomness from a seed. */
export function testPorts(seed: number, options: { readonly eager?: boolean } = {}): TestPorts {
  const draw = seeded(seed);
  let elapsed = 0;
  let sleepers: Sleeper[] = [];
  const advance = (ms: number): void => {
    elapsed += ms;
    const due = sleepers.filter((sleeper) => sleeper.at <= elapsed);
    sleepers = sleepers.filter((sleeper) => sleeper.at > elapsed);
    for (const sleeper of due) sleeper.wake();
  };
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => draw.below(256));
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    if (options.eager) { // in a turn of its own, and a long sleep in some: whoever sleeps in a loop must starve nobody
      await new Promise((resolve) => { setTimeout(resolve, ms < 1000 ? 0 : 25); });
      signal?.throwIfAborted();
      advance(ms);
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => { reject(signal?.reason as Error); };
      const wake = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      sleepers.push({ at: elapsed + ms, wake });
      signal?.addEventListener('abort', abort, { once: true });
    });
  };
  return {
    advance,
    clock: { now: () => START_MS + elapsed, monotonic: () => elapsed, sleep },
    random: { next: () => draw.next(), bytes, uuidv7: () => uuidOf(START_MS + elapsed, bytes(10)) },
  };
}

function uuidOf(ms: number, random: Uint8Array): string {
  const tail = [...random].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${tail.slice(0, 3)}-8${tail.slice(3, 6)}-${tail.slice(6, 18)}`;
}

import { gather, type Batch } from '../batch/index.ts';
import type { Clock } from '../sdk/ports.ts';
import type { SplitReport } from './run-split.ts';

export interface CadenceLimits {
  readonly intervalMs: number;
  readonly bytes: number;
  /** What the destination can hold in one transaction. */
  readonly maxTransactionBytes?: number;
}

/** Holds all splits of a run together to one row rate. */
export interface Pace {
  /** Rows of a second: what may go at once. */
  readonly slice: number;
  /** Waits until so many more rows may go; a stop ends the wait. */
  wait(rows: number, stop: AbortSignal): Promise<void>;
}

/** Time in which nothing went may be made up for, up to this much: writing takes time, too. */
const CREDIT_MS = 1000;

export function createPace(rowsPerSecond: number, clock: Clock): Pace {
  let paid = clock.monotonic();
  return {
    slice: Math.max(1, Math.floor(rowsPerSecond)),
    async wait(rows, stop) {
      const now = clock.monotonic();
      paid = Math.max(paid, now - CREDIT_MS) + (rows / rowsPerSecond) * 1000;
      if (paid > now) await clock.sleep(paid - now, stop).catch(() => undefined); // the next checkpoint ends the split
    },
  };
}

/** When to commit, and how fast to go. */
export interface Cadence {
  /** The batch, in parts where a row rate is set, each when its time has come. Owns the batch; each part is the caller's. */
  admit(batch: Batch, report: SplitReport): AsyncIterable<Batch>;
  due(): boolean;
  /** A source transaction has grown past what the destination can hold. */
  mustSpill(): boolean;
  committed(): void;
}

export function createCadence(limits: CadenceLimits, clock: Clock, stop: AbortSignal, pace?: Pace): Cadence {
  let since = clock.monotonic();
  let bytesSince = 0;
  return {
    async *admit(batch, report) {
      for await (const part of pace ? paced(batch, pace, stop) : [batch]) {
        bytesSince += part.byteSize;
        report.accepted(part.stream, part.length, part.byteSize);
        yield part;
      }
    },
    due: () => bytesSince >= limits.bytes || clock.monotonic() - since >= limits.intervalMs,
    mustSpill: () => limits.maxTransactionBytes !== undefined && bytesSince >= limits.maxTransactionBytes,
    committed() {
      since = clock.monotonic();
      bytesSince = 0;
    },
  };
}

/** After a stop the rest goes at once: the checkpoint behind it ends the split. */
async function* paced(batch: Batch, pace: Pace, stop: AbortSignal): AsyncIterable<Batch> {
  try {
    for (let from = 0; from < batch.length;) {
      const to = stop.aborted ? batch.length : Math.min(batch.length, from + pace.slice);
      await pace.wait(to - from, stop);
      yield gather(batch, Int32Array.from({ length: to - from }, (_, i) => from + i));
      from = to;
    }
  } finally {
    batch.release();
  }
}

import type { Batch } from '../batch/batch.ts';
import type { Clock } from '../sdk/ports.ts';
import type { SplitReport } from './run-split.ts';

export interface CadenceLimits {
  readonly intervalMs: number;
  readonly bytes: number;
  readonly rowsPerSecond?: number;
  /** What the destination can hold in one transaction. */
  readonly maxTransactionBytes?: number;
}

/** When to commit, and how fast to go. */
export interface Cadence {
  /** Counts what is about to be accepted; waits where a row rate is set. */
  admit(batch: Batch, report: SplitReport): Promise<void>;
  due(): boolean;
  /** A source transaction has grown past what the destination can hold. */
  mustSpill(): boolean;
  committed(): void;
}

export function createCadence(limits: CadenceLimits, clock: Clock, stop: AbortSignal): Cadence {
  let since = clock.monotonic();
  let bytesSince = 0;
  let earliest = since;
  const waitForRate = async (rows: number): Promise<void> => {
    if (limits.rowsPerSecond === undefined) return;
    const wait = earliest - clock.monotonic();
    earliest = Math.max(earliest, clock.monotonic()) + (rows / limits.rowsPerSecond) * 1000;
    if (wait > 0) await clock.sleep(wait, stop).catch(() => undefined); // a stop ends the wait; the next checkpoint ends the split
  };
  return {
    async admit(batch, report) {
      bytesSince += batch.byteSize;
      report.accepted(batch.stream, batch.length, batch.byteSize);
      await waitForRate(batch.length);
    },
    due: () => bytesSince >= limits.bytes || clock.monotonic() - since >= limits.intervalMs,
    mustSpill: () => limits.maxTransactionBytes !== undefined && bytesSince >= limits.maxTransactionBytes,
    committed() {
      since = clock.monotonic();
      bytesSince = 0;
    },
  };
}

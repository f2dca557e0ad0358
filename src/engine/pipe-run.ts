import type { ResolvedJob } from '../job/resolved.ts';
import type { Binding } from '../plan/bind.ts';
import type { QuarantinePolicy, StreamTally } from '../pipeline/quarantine.ts';
import type { Destination, Run, Source } from '../sdk/contract.ts';
import type { Connected, EngineContext } from './connect.ts';
import type { PipeReport } from './report.ts';

/** What all parts of a claimed pipe share. */
export interface PipeRun {
  readonly id: string;
  readonly job: ResolvedJob;
  readonly engine: EngineContext;
  readonly source: Connected<Source>;
  readonly destination: Connected<Destination>;
  readonly run: Run;
  readonly bindings: ReadonlyMap<string, Binding>;
  /** The run has no other pipe. */
  readonly alone: boolean;
  readonly tallies: ReadonlyMap<string, StreamTally>;
  readonly policyOf: (stream: string) => QuarantinePolicy;
  readonly report: PipeReport;
  /** Runs one piece of work when a slot is free: as many at once as the job and the destination allow. */
  readonly slots: Slots;
  /** The same for whole loads: a source holds what a load rests on only while it is read. */
  readonly loadSlots: Slots;
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

/** Into how many splits a source may cut a table. */
export function splitLimit(job: ResolvedJob, destination: Connected<Destination>): number {
  return Math.min(job.limits.concurrency, destination.port.capabilities.maxSplits ?? job.limits.concurrency);
}

export type Slots = <T>(work: () => Promise<T>) => Promise<T>;

export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}

import type { ResolvedJob } from '../job/resolved.ts';
import type { Pace } from '../pipeline/cadence.ts';
import type { Binding } from '../plan/bind.ts';
import type { QuarantinePolicy, StreamTally } from '../pipeline/quarantine.ts';
import type { Destination, Run, Source, Split } from '../sdk/contract.ts';
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
  /** The same by the columns that are moved at once, in all pipes of the run: wide tables wait for each other. */
  readonly columnSlots: Slots;
  /** The same for whole loads: a source holds what a load rests on only while it is read. */
  readonly loadSlots: Slots;
  /** Of all pipes of the run, where the job sets a row rate. */
  readonly pace: Pace | undefined;
  readonly stop: AbortSignal;
  readonly abort: AbortSignal;
}

/** Into how many splits a source may cut a table. */
export function splitLimit(job: ResolvedJob, destination: Connected<Destination>): number {
  return Math.min(job.limits.concurrency, destination.port.capabilities.maxSplits ?? job.limits.concurrency);
}

/** A split's columns count up to here: more of them share the memory of so many. */
const FULL_COLUMNS = 64;
/** Columns that column memory has room for at once, also where each is a text that goes into a file. */
export const COLUMNS_AT_ONCE = 10 * FULL_COLUMNS;

/** What a split takes of the column slots. A log may have no end, and nothing could wait for it. */
export function columnsOf(pipe: PipeRun, { live, streams }: Split): number {
  return live ? 0 : streams.reduce((sum, stream) => sum + Math.min(FULL_COLUMNS, pipe.bindings.get(stream)?.schema.fields.length ?? 0), 0);
}

/** Runs work while so many slots are free; work that wants more than there are takes all. First come, first served. */
export type Slots = <T>(work: () => Promise<T>, wanted?: number) => Promise<T>;

export function createSlots(count: number): Slots {
  let free = count;
  const waiting: { readonly slots: number; begin(): void }[] = [];
  const admit = (): void => {
    for (let [next] = waiting; next && next.slots <= free; [next] = waiting) {
      waiting.shift();
      free -= next.slots;
      next.begin();
    }
  };
  return async (work, wanted = 1) => {
    const slots = Math.min(wanted, count);
    await new Promise<void>((begin) => {
      waiting.push({ slots, begin });
      admit();
    });
    try {
      return await work();
    } finally {
      free += slots;
      admit();
    }
  };
}

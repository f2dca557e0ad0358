import { EtlError } from '../errors/error.ts';
import { createNormalizer } from '../normalize/normalizer.ts';
import { createCadence } from '../pipeline/cadence.ts';
import { createQuarantine } from '../pipeline/quarantine.ts';
import { runSplit, type SplitReport } from '../pipeline/run-split.ts';
import type { Load, Position, Reading, Split } from '../sdk/contract.ts';
import { classified } from './connect.ts';
import { columnsOf, type PipeRun } from './pipe-run.ts';
import { isPassing, withRetry } from './retry.ts';
import { together } from './together.ts';

/** A stored load, read to its end and published. */
export async function runLoad(pipe: PipeRun, load: Load, reading: Reading): Promise<'published' | 'stopped'> {
  const outcomes = await together(pipe.stop, load.splits.map((split) => (stop) => pipe.slots(() => pipe.columnSlots(() => attemptSplit({ ...pipe, stop }, load, reading, split), columnsOf(pipe, split)))));
  if (outcomes.includes('stopped')) return 'stopped';
  const unmet = unmetRowCount(pipe, load);
  if (unmet && load.staged) throw unmet; // what is not published leaves the old table as it is
  await asked(pipe, 'destination', load.streams, () => pipe.run.publish(load, load.streams)); // rule 13: idempotent
  pipe.report.published(load);
  if (unmet) throw unmet;
  return 'published';
}

/** A call that may be repeated, whatever became of it before: what a source makes for a load has that load's name, so that it is made once (rule 6). */
export function asked<T>(pipe: PipeRun, end: 'source' | 'destination', streams: readonly string[], call: () => Promise<T>): Promise<T> {
  return withRetry(pipe.job.retry, pipe.engine.ports, hooks(pipe, streams, () => false), () => classified(pipe[end].connector, call));
}

/** What throws after a stop counts as stopped when nothing was lost by it: the position stands where the last commit put it. */
export function isStop(pipe: PipeRun, error: unknown): boolean {
  return pipe.stop.aborted && isPassing(error) && error.code !== NOT_ACKNOWLEDGED;
}

/** `row_count` is about a table that is read whole: a full load, or the first pass of an incremental stream. */
function unmetRowCount(pipe: PipeRun, load: Load): EtlError | undefined {
  for (const stream of load.streams) {
    const binding = pipe.bindings.get(stream);
    const { min = 0, max = Infinity } = binding?.match.entry.rowCount ?? {};
    const tally = pipe.tallies.get(stream);
    const whole = load.staged || (pipe.run.state.streams[stream]?.position === undefined && binding?.selection.range === undefined);
    const rows = (tally?.rows ?? 0) - (tally?.rejected ?? 0);
    if (!whole || (rows >= min && rows <= max)) continue;
    return new EtlError({
      kind: 'data', code: 'ETL-RUN-012', message: `${stream}: ${rows} rows were read, but row_count is to be ${max === Infinity ? `at least ${min}` : min === max ? String(min) : `${min} to ${max}`}.`,
      hint: load.staged ? 'The table was left as it is. Look at the source, or change the check.' : 'The rows are at their place. Look at the source, or change the check.',
    });
  }
  return undefined;
}

async function attemptSplit(pipe: PipeRun, load: Load, reading: Reading, split: Split): Promise<'complete' | 'stopped'> {
  if (pipe.stop.aborted) return 'stopped';
  let progressed = false;
  const report: SplitReport = {
    accepted: (stream, rows, bytes) => { pipe.report.accepted(split, stream, rows, bytes); },
    committed: (receipt, keptBack) => { progressed = true; pipe.report.committed(split, receipt, keptBack); },
  };
  const took = () => { const was = progressed; progressed = false; return was; };
  try {
    return await withRetry(pipe.job.retry, pipe.engine.ports, hooks(pipe, split.streams, took), () => once(pipe, { load, reading, split }, report));
  } catch (error) {
    if (isStop(pipe, error)) return 'stopped';
    throw error;
  }
}

async function once(pipe: PipeRun, { load, reading, split }: { load: Load; reading: Reading; split: Split }, report: SplitReport): Promise<'complete' | 'stopped'> {
  const { job, engine, destination, source } = pipe;
  const specs = split.streams.flatMap((stream) => pipe.bindings.get(stream)?.spec ?? []);
  const limit = destination.port.capabilities.maxTransactionBytes;
  const limits = { ...job.commit, ...(limit === undefined ? {} : { maxTransactionBytes: limit }) };
  return classified(source.connector, () => classified(destination.connector, () => runSplit({
    source: source.port, run: pipe.run, load, reading, split, report, stop: pipe.stop, abort: pipe.abort,
    acknowledge: (durable) => acknowledge(pipe, split, durable),
    normalize: createNormalizer(specs),
    quarantine: createQuarantine(pipe.policyOf, pipe.tallies),
    cadence: createCadence(limits, engine.ports.clock, pipe.stop, pipe.pace),
  })));
}

const NOT_ACKNOWLEDGED = 'ETL-RUN-040';

/** Rule 19. What fails here is repeated with the split, whose `open` acknowledges again; at last the run says that the rows are there. */
async function acknowledge({ source }: PipeRun, split: Split, durable: Position): Promise<void> {
  try {
    await classified(source.connector, async () => source.port.acknowledge?.(split, durable));
  } catch (error) {
    if (!(error instanceof EtlError)) throw error;
    throw new EtlError({
      kind: 'transient', code: NOT_ACKNOWLEDGED, cause: error, message: `${split.streams.join(', ')}: committed, not acknowledged: ${error.message}`,
      hint: 'The rows are at their place. The source keeps what it was not told about until the next run acknowledges it.',
    });
  }
}

function hooks(pipe: PipeRun, streams: readonly string[], progressed: () => boolean) {
  return {
    progressed, stop: pipe.stop,
    retrying: (attempt: number, waitMs: number, error: EtlError) => { pipe.report.retrying(streams, attempt, waitMs, error); },
  };
}

import { EtlError } from '../errors/error.ts';
import type { CommitReceipt, Load, Position, Reading, Rejection, Run, Source, Split } from '../sdk/contract.ts';
import type { Normalizer } from '../normalize/normalizer.ts';
import type { Cadence } from './cadence.ts';
import type { Quarantine } from './quarantine.ts';

/** All that one attempt at one split needs. */
export interface SplitWork {
  readonly source: Source;
  readonly run: Run;
  readonly load: Load;
  readonly reading: Reading;
  readonly split: Split;
  readonly normalize: Normalizer;
  readonly quarantine: Quarantine;
  readonly cadence: Cadence;
  readonly report: SplitReport;
  /** Tells the source what is durable (rule 19). */
  acknowledge(durable: Position): Promise<void>;
  /** Asks for a clean end: what is at hand is committed. */
  readonly stop: AbortSignal;
  /** Grace is over: statements at the server are ended. */
  readonly abort: AbortSignal;
}

export interface SplitReport {
  /** Rows and bytes of a stream handed to the destination, not yet committed. */
  accepted(stream: string, rows: number, bytes: number): void;
  /** `keptBack`: rows of this commit that normalisation or the source rejected, so that they were never handed over. */
  committed(receipt: CommitReceipt, keptBack: readonly Rejection[]): void;
}

/** One split, from what is committed to its end. Whatever goes wrong throws; the engine calls again, and open() tells the truth (rule 9). */
export async function runSplit(work: SplitWork): Promise<'complete' | 'stopped'> {
  const { source, run, load, reading, split, normalize, quarantine, cadence, report, stop } = work;
  await using session = await run.open(load, split, work.abort);
  if (session.committed) await work.acknowledge(session.committed.position); // rule 19
  if (session.committed?.complete) return 'complete';
  for await (const message of source.read(reading, split, session.committed?.position, stop)) {
    if (message.type !== 'checkpoint') {
      for (const part of normalize.apply(message)) {
        if (part.type !== 'batch') await session.accept(part);
        else for await (const batch of cadence.admit(part.batch, report)) await session.accept({ ...part, batch });
      }
      continue;
    }
    const due = message.partial ? cadence.mustSpill() // rule 16
      : message.last || message.rebuilt || stop.aborted || cadence.due();
    if (!due) continue;
    const refused = await session.flush();
    const rejections = quarantine.take(normalize, refused, message.last === true); // past the threshold it throws, and nothing is committed
    report.committed(await session.commit(message, rejections), rejections.slice(0, rejections.length - refused.length)); // sent once for a checkpoint (rule 9)
    quarantine.settle();
    cadence.committed();
    await work.acknowledge(message.position); // rule 19: after the commit
    if (message.last) return 'complete'; // rule 1: a fact of the source, committed
    if (stop.aborted) return 'stopped';
  }
  if (stop.aborted) return 'stopped';
  throw new EtlError({ kind: 'internal', code: 'ETL-RUN-001', message: `The source ended split ${split.id} without a last checkpoint.` });
}

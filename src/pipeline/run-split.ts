import { EtlError } from '../errors/error.ts';
import type { Checkpoint, CommitReceipt, Load, Position, Reading, Rejection, Run, Session, Source, SourceMessage, Split } from '../sdk/contract.ts';
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
  const { source, run, load, reading, split, stop } = work;
  await using session = await run.open(load, split, work.abort);
  if (session.committed) await work.acknowledge(session.committed.position); // rule 19
  if (session.committed?.complete) return 'complete';
  let covers: Checkpoint | undefined; // all that was delivered, while it is the source's turn
  try {
    for await (const message of source.read(reading, split, session.committed?.position, stop)) {
      covers = undefined;
      if (message.type !== 'checkpoint') await deliver(work, session, message);
      else if (!isDue(work, message)) covers = message.partial ? undefined : message;
      else {
        await commit(work, session, message);
        if (message.last) return 'complete'; // rule 1: a fact of the source, committed
        if (stop.aborted) return 'stopped';
      }
    }
  } catch (error) {
    if (covers) await commit(work, session, covers).catch(() => undefined); // what the source failed after is not read again; its error is the one that is told
    throw error;
  }
  if (stop.aborted && covers) await commit(work, session, covers);
  if (stop.aborted) return 'stopped';
  throw new EtlError({ kind: 'internal', code: 'ETL-RUN-001', message: `The source ended split ${split.id} without a last checkpoint.` });
}

async function deliver({ normalize, cadence, report }: SplitWork, session: Session, message: Exclude<SourceMessage, Checkpoint>): Promise<void> {
  for (const part of normalize.apply(message)) {
    if (part.type !== 'batch') await session.accept(part);
    else for await (const batch of cadence.admit(part.batch, report)) await session.accept({ ...part, batch });
  }
}

function isDue({ cadence, stop }: SplitWork, at: Checkpoint): boolean {
  if (at.partial) return cadence.mustSpill(); // rule 16
  return at.last === true || at.rebuilt !== undefined || stop.aborted || cadence.due();
}

async function commit({ normalize, quarantine, cadence, report, acknowledge }: SplitWork, session: Session, at: Checkpoint): Promise<void> {
  const refused = await session.flush();
  const rejections = quarantine.take(normalize, refused, at.last === true); // past the threshold it throws, and nothing is committed
  report.committed(await session.commit(at, rejections), rejections.slice(0, rejections.length - refused.length)); // sent once for a checkpoint (rule 9)
  quarantine.settle();
  cadence.committed();
  await acknowledge(at.position); // rule 19: after the commit
}

import type { Checkpoint, Destination, Load, LoadId, PipeId, Reading, Run, Selection, Session, Source, SourceMessage, Split, Target, WriteMode } from '../contract.ts';

/** The smallest engine that keeps the protocol: for suites and models. It neither normalises nor retries. */
export interface Drive {
  readonly source: Source;
  readonly destination: Destination;
  readonly pipe: PipeId;
  readonly selection: readonly Selection[];
  readonly targets: readonly Target[];
  readonly runId: string;
  readonly nextLoadId: () => LoadId;
  /** Which checkpoints, besides those that must be, are committed. Default: all. */
  readonly due?: (checkpoint: Checkpoint) => boolean;
  readonly stop?: AbortSignal;
}

const NEVER = new AbortController().signal;

/** A whole run: what earlier ones began, then new loads, until nothing is left to plan but what was just done. */
export async function driveRun(drive: Drive): Promise<Run> {
  const { source, destination, pipe, runId } = drive;
  const sourceIdentity = await source.identity();
  const run = await destination.claim(pipe, { job: pipe, runId, sourceIdentity, host: 'test', pid: 1 });
  for (const { load } of run.state.loads) {
    const reading = await source.resume(load, run.token);
    if (reading !== 'lost') await driveLoad(drive, run, load, reading);
  }
  const busy = new Set(run.state.loads.filter(({ load }) => load.kind === 'live').flatMap(({ openStreams }) => openStreams));
  const selection = drive.selection.filter(({ stream }) => !busy.has(stream));
  for (const planned of await source.plan(selection, run.state, { maxSplits: 4, nextLoadId: drive.nextLoadId })) await driveNew(drive, run, planned);
  return run;
}

/** What reading rests on is made first, then the load is stored (rules 4 and 6). */
export async function driveNew(drive: Drive, run: Run, planned: Load): Promise<void> {
  const after = Object.fromEntries(planned.streams.map((stream) => [stream, run.state.streams[stream]?.lastLoad]));
  const begun = await drive.source.begin(planned, run.token);
  const targets = drive.targets.filter((target) => planned.streams.includes(target.stream));
  const load = await run.begin({ ...begun.load, fingerprint: 'drive', targets }, after);
  await driveLoad(drive, run, load, begun.reading);
}

export async function driveLoad(drive: Drive, run: Run, load: Load, reading: Reading): Promise<void> {
  for (const split of load.splits) {
    if (await driveSplit(drive, { run, load, reading, split }) === 'stopped') return;
  }
  await run.publish(load, load.streams);
}

interface SplitOf {
  readonly run: Run;
  readonly load: Load;
  readonly reading: Reading;
  readonly split: Split;
}

export async function driveSplit({ source, due, stop = NEVER }: Drive, { run, load, reading, split }: SplitOf): Promise<'complete' | 'stopped'> {
  await using session = await run.open(load, split, NEVER);
  if (session.committed) await source.acknowledge?.(split, session.committed.position);
  if (session.committed?.complete) return 'complete';
  for await (const message of source.read(reading, split, session.committed?.position, stop)) {
    if (message.type !== 'checkpoint') {
      await acceptAll(session, load, message);
      continue;
    }
    if (message.partial || !(message.last || message.rebuilt || stop.aborted || (due?.(message) ?? true))) continue;
    await session.commit(message, [...await session.flush(), ...rejectionsOf.get(session)?.splice(0) ?? []]);
    await source.acknowledge?.(split, message.position);
    if (message.last) return 'complete';
  }
  return 'stopped';
}

/** Rows that the source rejected wait here for their session's next commit. */
const rejectionsOf = new WeakMap<Session, (SourceMessage & { type: 'rejected' })['rejections'][number][]>();

async function acceptAll(session: Session, load: Load, message: Exclude<SourceMessage, Checkpoint>): Promise<void> {
  const target = load.targets.find((one) => one.stream === message.stream);
  if (message.type === 'rejected') {
    rejectionsOf.set(session, [...rejectionsOf.get(session) ?? [], ...message.rejections]);
  } else if (target) {
    const { stream: _, ...rest } = message;
    await session.accept({ ...rest, target });
  } else if (message.type === 'batch') message.batch.release();
}

/** A target of a scripted stream with the options that suites need. */
export function targetFor(stream: string, key: readonly string[], more: Partial<Target> & { readonly write: WriteMode }): Target {
  return {
    stream, table: stream.replaceAll('.', '_'), key, deletes: 'hard', unavailable: { placeholder: '__unavailable__' }, addedColumns: [],
    evolve: { tables: true, columns: true, types: true }, shared: false, options: {}, ...more,
  };
}

export function selectionFor(stream: string, key: readonly string[], more: Partial<Selection> & Pick<Selection, 'sync' | 'write'>): Selection {
  return { stream, key, immutableKey: true, asText: [], masked: [], fullRefresh: false, ...more };
}

import { EtlError } from '../errors/error.ts';
import type { Load, Reading, StoredLoad } from '../sdk/contract.ts';
import { editedQueries, fingerprintOf, leftBehind, refuseMixing, verdictOf } from './fingerprint.ts';
import { splitLimit, type PipeRun } from './pipe-run.ts';
import { resetStreams } from './reset.ts';
import { asked, isStop, runLoad } from './run-load.ts';
import { together } from './together.ts';

/** One claimed pipe: first what earlier runs began, then a new pass from the published positions (rule 5). */
export async function runPipe(pipe: PipeRun, options: { readonly fullRefresh: boolean; readonly chosen: readonly string[] }): Promise<void> {
  const { chosen } = options;
  if (options.fullRefresh) await resetStreams(pipe.run, chosen); // rule 8: epochs stay, the next load replaces the table
  refuseMixing(pipe.run.state, [...pipe.bindings.values()]);
  for (const stream of editedQueries(pipe.run.state, [...pipe.bindings.values()])) pipe.engine.note('warn', `${stream}: its query is another than at the last load. It goes on from its position: rows below it that only the new query finds are not read. --full-refresh reads all.`);
  const earlier = pipe.run.state.loads.filter(({ load }) => load.streams.some((stream) => chosen.includes(stream)));
  const logs = earlier.filter((stored) => stored.load.kind === 'live' && verdictOf(stored, pipe.bindings) === 'continue');
  const finished = (await together(pipe.stop, earlier.filter((stored) => !logs.includes(stored)).map((stored) => (stop) => finishEarlier({ ...pipe, stop }, stored)))).flat();
  const left = leftBehind(pipe.run.state, pipe.bindings);
  if (left.length > 0) await resetStreams(pipe.run, left); // rule 5: rows stay, the position goes
  const busy = [...finished, ...logs.flatMap(({ load }) => load.streams)];
  await together(pipe.stop, [
    (stop) => runNewLoads({ ...pipe, stop }, chosen.filter((stream) => !busy.includes(stream))),
    ...logs.map((stored) => (stop: AbortSignal) => followLog({ ...pipe, stop }, stored, chosen)), // a log may have no end: what is new begins beside it
  ]);
}

/** A live load goes on; when it has come to its end, another one follows, up to now. */
async function followLog(pipe: PipeRun, stored: StoredLoad, chosen: readonly string[]): Promise<void> {
  const finished = await finishEarlier(pipe, stored);
  await runNewLoads(pipe, stored.load.streams.filter((stream) => chosen.includes(stream) && !finished.includes(stream)));
}

/** Finishes a load of an earlier run. Its streams are returned when that counts as this run's: a full load does, and one that failed or was stopped. */
async function finishEarlier(pipe: PipeRun, stored: StoredLoad): Promise<readonly string[]> {
  const { load } = stored;
  const verdict = verdictOf(stored, pipe.bindings);
  if (verdict === 'leave' || verdict === 'replace') return [];
  if (verdict === 'publish_then_new') {
    await asked(pipe, 'destination', load.streams, () => pipe.run.publish(load, stored.openStreams)); // its committed position becomes that of its streams (rule 5)
    return [];
  }
  // A check of its count may be what kept it from being published: the table is read again.
  if (load.staged && isComplete(stored) && load.streams.some((stream) => pipe.bindings.get(stream)?.match.entry.rowCount !== undefined)) return [];
  const outcome = await guarded(pipe, load.streams, async () => {
    const reading = isComplete(stored) ? {} : await asked(pipe, 'source', load.streams, () => pipe.source.port.resume(load, pipe.run.token));
    if (reading === 'lost') return 'lost'; // rule 12: a new load takes its place
    pipe.report.begun(load, true);
    countBefore(pipe, stored);
    return runLoad(pipe, load, reading).catch((error: unknown) => {
      if (!isRefused(stored, error)) throw error;
      pipe.engine.note('info', `${load.streams.join(', ')}: ${error.message} The table is read anew.`);
      for (const stream of load.streams) Object.assign(pipe.tallies.get(stream) ?? {}, { rows: 0, rejected: 0 });
      return 'lost' as const;
    });
  });
  const counts = outcome === 'failed' || outcome === 'stopped' || (outcome === 'published' && !isIncremental(pipe, load));
  return counts ? load.streams : [];
}

/** Rows that the target refused when they were to be published, it refuses again, whatever was corrected at the source meanwhile. */
function isRefused(stored: StoredLoad, error: unknown): error is EtlError {
  return stored.load.staged && isComplete(stored) && error instanceof EtlError && (error.kind === 'data' || error.kind === 'schema');
}

/** All is committed: nothing is left to read, whatever became of the snapshot. */
function isComplete({ load, splits }: StoredLoad): boolean {
  return load.kind === 'parts' && load.splits.every((split) => splits[split.id]?.complete);
}

/** Rows of a load that goes on count with it (rule 32). */
function countBefore(pipe: PipeRun, { splits, openStreams }: StoredLoad): void {
  const tally = openStreams.length === 1 ? pipe.tallies.get(openStreams[0] ?? '') : undefined;
  if (!tally) return;
  for (const { rows, rejected } of Object.values(splits)) {
    tally.rows += rows + rejected;
    tally.rejected += rejected;
  }
}

function isIncremental(pipe: PipeRun, load: Load): boolean {
  return load.streams.some((stream) => pipe.bindings.get(stream)?.selection.sync !== 'full');
}

async function runNewLoads(pipe: PipeRun, streams: readonly string[]): Promise<void> {
  if (streams.length === 0) return;
  if (pipe.stop.aborted) return pipe.report.stopped(streams); // what an earlier run began is done, but not all up to now
  const { run, source, engine, job } = pipe;
  const selection = streams.flatMap((stream) => pipe.bindings.get(stream)?.selection ?? []);
  // an earlier run's refresh may just have been finished: then there is nothing left to refresh
  const marked = selection.map((wanted) => ({ ...wanted, fullRefresh: run.state.streams[wanted.stream]?.rebuild ?? wanted.fullRefresh }));
  const planned = await asked(pipe, 'source', streams, () =>
    source.port.plan(marked, run.state, { maxSplits: splitLimit(job, pipe.destination), alone: pipe.alone, nextLoadId: () => engine.ports.random.uuidv7() }));
  await together(pipe.stop, planned.map((load) => (stop: AbortSignal) => guarded({ ...pipe, stop }, load.streams, () => pipe.loadSlots(async () => {
    if (stop.aborted) return 'stopped';
    const { stored, reading } = await beginLoad({ ...pipe, stop }, load);
    pipe.report.begun(stored, false);
    return runLoad({ ...pipe, stop }, stored, reading);
  }))));
}

/** What reading rests on is made first, then the list is stored by compare-and-set (rules 4 and 6). */
async function beginLoad(pipe: PipeRun, planned: Load): Promise<{ stored: Load; reading: Reading }> {
  const bindings = planned.streams.flatMap((stream) => pipe.bindings.get(stream) ?? []);
  const after = Object.fromEntries(planned.streams.map((stream) => [stream, pipe.run.state.streams[stream]?.lastLoad]));
  const begun = await asked(pipe, 'source', planned.streams, () => pipe.source.port.begin(planned, pipe.run.token));
  if (begun.load.kind === 'live' && begun.load.splits.length !== 1) throw manyLiveSplits(begun.load); // rule 17: two splits that write the same keys have no order
  const load: Load = { ...begun.load, fingerprint: fingerprintOf(bindings), targets: bindings.map(({ target }) => target) };
  const stored = await asked(pipe, 'destination', load.streams, () => pipe.run.begin(load, after)); // what is stored already is told again
  return { stored, reading: begun.reading };
}

function manyLiveSplits(load: Load): EtlError {
  return new EtlError({ kind: 'internal', code: 'ETL-RUN-002', message: `The source gave the live load ${load.id} ${load.splits.length} splits; it has exactly one.` });
}

/** One load's failure is its streams' failure; what concerns the whole run goes up. */
async function guarded<T extends string>(pipe: PipeRun, streams: readonly string[], work: () => Promise<T>): Promise<T | 'stopped' | 'failed'> {
  try {
    const outcome = await work();
    if (outcome === 'stopped') pipe.report.stopped(streams);
    return outcome;
  } catch (error) {
    if (isStop(pipe, error)) {
      pipe.report.stopped(streams);
      return 'stopped';
    }
    pipe.report.failed(streams, error);
    if (endsTheRun(error)) throw error;
    return 'failed';
  }
}

function endsTheRun(error: unknown): boolean {
  if (!(error instanceof EtlError)) return true;
  return error.kind === 'internal' || error.kind === 'auth' || error.kind === 'locked' || (error.kind === 'fenced' && error.scope === 'run');
}


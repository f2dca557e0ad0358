import { EtlError } from '../errors/error.ts';
import type { Load, Reading, StoredLoad } from '../sdk/contract.ts';
import { classified } from './connect.ts';
import { fingerprintOf, refuseMixing, verdictOf } from './fingerprint.ts';
import { splitLimit, type PipeRun } from './pipe-run.ts';
import { resetStreams } from './reset.ts';
import { runLoad } from './run-load.ts';
import { together } from './together.ts';

/** One claimed pipe: first what earlier runs began, then a new pass from the published positions (rule 5). */
export async function runPipe(pipe: PipeRun, options: { readonly fullRefresh: boolean; readonly chosen: readonly string[] }): Promise<void> {
  if (options.fullRefresh) await resetStreams(pipe.run, options.chosen); // rule 8: epochs stay, the next load replaces the table
  refuseMixing(pipe.run.state, [...pipe.bindings.values()]);
  const finished = await finishEarlierLoads(pipe, options.chosen);
  const wanted = options.chosen.filter((stream) => !finished.has(stream));
  if (pipe.stop.aborted) return pipe.report.stopped(wanted); // what an earlier run began is done, but not all up to now
  await runNewLoads(pipe, wanted);
}

/** Streams whose full load of an earlier run was finished now: it counts as this run's. Failed and stopped ones count too. */
async function finishEarlierLoads(pipe: PipeRun, chosen: readonly string[]): Promise<ReadonlySet<string>> {
  const done = new Set<string>();
  const finish = async (stored: StoredLoad, stop: AbortSignal): Promise<void> => {
    const { load } = stored;
    if (!load.streams.some((stream) => chosen.includes(stream))) return;
    const verdict = verdictOf(stored, pipe.bindings);
    if (verdict === 'leave' || verdict === 'replace') return;
    if (verdict === 'publish_then_new') return publishWhereItStands(pipe, stored);
    const outcome = await guarded(pipe, load.streams, async () => {
      const reading = await classified(pipe.source.connector, () => pipe.source.port.resume(load, pipe.run.token));
      if (reading === 'lost') return 'lost'; // rule 12: a new load takes its place
      pipe.report.begun(load, true);
      return runLoad({ ...pipe, stop }, load, reading);
    });
    const counts = outcome === 'failed' || outcome === 'stopped' || (outcome === 'published' && !isIncremental(pipe, load));
    if (counts) for (const stream of load.streams) done.add(stream);
  };
  await together(pipe.stop, pipe.run.state.loads.map((stored) => (stop: AbortSignal) => finish(stored, stop)));
  return done;
}

function isIncremental(pipe: PipeRun, load: Load): boolean {
  return load.streams.some((stream) => pipe.bindings.get(stream)?.selection.sync !== 'full');
}

/** A live load of another list of streams: its committed position becomes that of its streams; those that left are reset (rule 5). */
async function publishWhereItStands(pipe: PipeRun, { load, openStreams }: StoredLoad): Promise<void> {
  await pipe.run.publish(load, openStreams);
  const left = openStreams.filter((stream) => !pipe.bindings.has(stream));
  if (left.length) await pipe.run.reset(left);
}

async function runNewLoads(pipe: PipeRun, streams: readonly string[]): Promise<void> {
  if (streams.length === 0) return;
  const { run, source, engine, job } = pipe;
  const selection = streams.flatMap((stream) => pipe.bindings.get(stream)?.selection ?? []);
  const marked = selection.map((wanted) => ({ ...wanted, fullRefresh: wanted.fullRefresh || (run.state.streams[wanted.stream]?.rebuild ?? false) }));
  const planned = await classified(source.connector, () =>
    source.port.plan(marked, run.state, { maxSplits: splitLimit(job, pipe.destination), nextLoadId: () => engine.ports.random.uuidv7() }));
  await together(pipe.stop, planned.map((load) => (stop: AbortSignal) => guarded(pipe, load.streams, () => pipe.loadSlots(async () => {
    if (stop.aborted) return 'stopped';
    const { stored, reading } = await beginLoad(pipe, load);
    pipe.report.begun(stored, false);
    return runLoad({ ...pipe, stop }, stored, reading);
  }))));
}

/** What reading rests on is made first, then the list is stored by compare-and-set (rules 4 and 6). */
async function beginLoad(pipe: PipeRun, planned: Load): Promise<{ stored: Load; reading: Reading }> {
  const bindings = planned.streams.flatMap((stream) => pipe.bindings.get(stream) ?? []);
  const after = Object.fromEntries(planned.streams.map((stream) => [stream, pipe.run.state.streams[stream]?.lastLoad]));
  const begun = await classified(pipe.source.connector, () => pipe.source.port.begin(planned, pipe.run.token));
  if (begun.load.kind === 'live' && begun.load.splits.length !== 1) throw manyLiveSplits(begun.load); // rule 17: two splits that write the same keys have no order
  const load: Load = { ...begun.load, fingerprint: fingerprintOf(bindings), targets: bindings.map(({ target }) => target) };
  const stored = await classified(pipe.destination.connector, () => pipe.run.begin(load, after));
  return { stored, reading: begun.reading };
}

function manyLiveSplits(load: Load): EtlError {
  return new EtlError({ kind: 'internal', code: 'ETL-RUN-002', message: `The source gave the live load ${load.id} ${load.splits.length} splits; it has exactly one.` });
}

/** One load's failure is its streams' failure; what concerns the whole run goes up. */
async function guarded<T extends string>(pipe: PipeRun, streams: readonly string[], work: () => Promise<T>): Promise<T | 'failed'> {
  try {
    const outcome = await work();
    if (outcome === 'stopped') pipe.report.stopped(streams);
    return outcome;
  } catch (error) {
    pipe.report.failed(streams, error);
    if (endsTheRun(error)) throw error;
    return 'failed';
  }
}

function endsTheRun(error: unknown): boolean {
  if (!(error instanceof EtlError)) return true;
  return error.kind === 'internal' || error.kind === 'auth' || error.kind === 'locked' || (error.kind === 'fenced' && error.scope === 'run');
}


import { EtlError } from '../errors/error.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import { bind, refuseRange, refuseSharedTables, refuseUnknownColumns, type Binding } from '../plan/bind.ts';
import { destinationsOf, matchStreams, pipeId, selected, type PipeStreams } from '../plan/pipes.ts';
import { createPace, type Pace } from '../pipeline/cadence.ts';
import type { Destination, Run, Source, StreamInfo } from '../sdk/contract.ts';
import { discoverFor, greeted, openDestination, openSource, type Connected, type EngineContext } from './connect.ts';
import type { RunEvent, RunReport, StreamReport } from './events.ts';
import { awaitLease, keepLease } from './lease.ts';
import { COLUMNS_AT_ONCE, createSlots, type PipeRun, type Slots } from './pipe-run.ts';
import { planJob } from './plan-job.ts';
import { createPipeReport, reported, type PipeReport } from './report.ts';
import { isPassing, withRetry } from './retry.ts';
import { runPipe } from './run-pipe.ts';

export interface RunOptions {
  readonly select?: readonly string[];
  readonly fullRefresh?: boolean;
  readonly range?: { readonly from: string; readonly to: string };
  /** Runs only if the plan still has this hash. */
  readonly planHash?: string;
  readonly takeOver?: boolean;
  readonly waitLock?: boolean;
  /** The first signal: commit what is at hand and end. */
  readonly stop: AbortSignal;
  /** Grace is over. */
  readonly abort: AbortSignal;
  /** Nothing is waited for any more: the report is given as it stands. */
  readonly leave?: AbortSignal;
  readonly host: string;
  readonly pid: number;
  /** Whether a process of this machine is there; without it none is. */
  alive?(pid: number): boolean;
  readonly events: (event: RunEvent) => void;
  /** Runs the job's `after` command while the leases are held; its exit code. */
  after?(command: string, outcome: RunReport['outcome'], streams: readonly StreamReport[]): Promise<number>;
}

/** What was read of the catalogue longer ago is read again before it is planned with. */
const STALE_MS = 5_000;

/** One claimed pipe. */
interface Claimed {
  readonly id: string;
  readonly name: string;
  readonly destination: Connected<Destination>;
  readonly run: Run;
  readonly lease: AsyncDisposable;
}

interface Setting {
  readonly job: ResolvedJob;
  readonly options: RunOptions;
  readonly engine: EngineContext;
  readonly runId: string;
  readonly columnSlots: Slots;
  readonly pace: Pace | undefined;
  /** Of the pipes that were begun. */
  readonly reports: PipeReport[];
}

/** The whole of `etl run`: leases, claims, plan, loads, report. Throws what ends the run before anything was begun. */
export async function runJob(job: ResolvedJob, options: RunOptions, engine: EngineContext): Promise<RunReport> {
  const { clock, random } = engine.ports;
  const startedAt = new Date(clock.now()).toISOString();
  const began = clock.monotonic();
  const notes: string[] = [];
  const note: EngineContext['note'] = (level, message) => {
    if (level !== 'debug') notes.push(message);
    options.events({ type: 'note', level, message });
  };
  const rate = job.limits.rowsPerSecond;
  const setting: Setting = { job, options, runId: random.uuidv7(), engine: { ...engine, note }, columnSlots: createSlots(COLUMNS_AT_ONCE), pace: rate === undefined ? undefined : createPace(rate, clock), reports: [] };
  const result = await Promise.race([runOpened(setting), left(setting)]);
  return { runId: setting.runId, job: job.name, startedAt, durationMs: Math.round(clock.monotonic() - began), notes, ...result };
}

/** What is closed when the run ends, whatever became of it. */
interface Opened {
  source?: Connected<Source>;
  readonly claimed: Claimed[];
  readonly fenced: AbortController;
}

async function runOpened(setting: Setting): Promise<Outcome> {
  const opened: Opened = { claimed: [], fenced: new AbortController() };
  try {
    const begun = await begin(setting, opened);
    return begun === 'stopped' ? { streams: [], outcome: 'stopped' } : await runClaimed(setting, opened, begun);
  } finally {
    await Promise.all([opened.source?.port[Symbol.asyncDispose](), ...opened.claimed.map(letGo)]);
  }
}

/** What is known when nothing is waited for any more. What hangs may hang: the next run claims and goes on from the last commit. */
function left({ options, reports }: Setting): Promise<Outcome> {
  return new Promise((resolve) => {
    options.leave?.addEventListener('abort', () => {
      for (const report of reports) report.stopped(report.streams().filter(({ outcome }) => outcome === 'not_started').map(({ stream }) => stream));
      resolve({ streams: reports.flatMap((report) => report.streams()), outcome: 'stopped' });
    });
  });
}

async function letGo({ run, destination, lease }: Claimed): Promise<void> {
  await lease[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
  await destination.port[Symbol.asyncDispose]();
}

type Outcome = Pick<RunReport, 'streams' | 'outcome' | 'error' | 'after'>;

interface Begun {
  readonly source: Connected<Source>;
  readonly pipes: readonly PipeStreams[];
}

/** A run that fails here has its `after`, too: with those leases that it came to hold. */
async function begin(setting: Setting, opened: Opened): Promise<Begun | 'stopped'> {
  const { job, options, engine } = setting;
  try {
    if (options.planHash !== undefined) await refuseDrift(setting, options.planHash);
    const source = opened.source = await openSource(job, engine);
    return { source, pipes: matchStreams(job, await claimedCatalogue(setting, source, opened), options.select) };
  } catch (error) {
    if (options.stop.aborted && error === options.stop.reason) return 'stopped'; // a signal while it waited for a lease
    await runAfter(setting, { claimed: opened.claimed, outcome: 'failed', streams: [], failure: error });
    throw error;
  }
}

/** The source's catalogue, when all is claimed. */
async function claimedCatalogue(setting: Setting, source: Connected<Source>, { claimed, fenced }: Opened): Promise<readonly StreamInfo[]> {
  const given = new AbortController();
  const greeting = greet(until(setting, given.signal), source);
  try {
    await claimAll(setting, greeting, claimed, fenced);
    return await greeting.catalogue();
  } catch (error) {
    given.abort(error); // nobody waits for the source any more
    await greeting.catalogue().catch(() => undefined); // it is closed next
    throw error;
  }
}

async function runClaimed(setting: Setting, { claimed, fenced }: Opened, { source, pipes }: Begun): Promise<Outcome> {
  const { options } = setting;
  const stopping = until(setting, fenced.signal);
  const results = await Promise.all(claimed.map((one) => onePipe(stopping, source, { ...one, alone: claimed.length === 1, streams: pipes.find(({ id }) => id === one.id) })));
  const streams = results.flatMap((result) => result.report.streams());
  const failure: unknown = fenced.signal.aborted ? fenced.signal.reason : results.find((result) => result.error !== undefined)?.error;
  const outcome = outcomeOf(streams, failure, options.stop.aborted);
  const after = await runAfter(setting, { claimed, outcome, streams, failure });
  return { streams, outcome: outcomeAfter(outcome, after, options.stop.aborted), ...(failure === undefined ? {} : { error: reported(failure) }), ...(after ? { after } : {}) };
}

/** The same setting, which ends with this signal, too. */
function until(setting: Setting, signal: AbortSignal): Setting {
  return { ...setting, options: { ...setting.options, stop: AbortSignal.any([setting.options.stop, signal]) } };
}

/** Nothing is begun yet, so that it may be asked again: of a server that is just coming up, or whose connection broke. */
async function reached<T>({ job, options: { stop }, engine }: Setting, connected: Connected<unknown>, work: () => Promise<T>): Promise<T> {
  const retrying = (attempt: number, waitMs: number, error: EtlError): void => {
    engine.note('warn', `${connected.connection.name}: ${error.code} ${error.message}; attempt ${attempt} in ${waitMs} ms`);
  };
  try {
    return await withRetry(job.retry, engine.ports, { progressed: () => false, stop, retrying }, () => greeted(connected, work));
  } catch (error) {
    if (isPassing(error)) stop.throwIfAborted();
    throw error;
  }
}

interface Greeting {
  readonly identity: Promise<string>;
  /** With the source's error, if it does not answer. */
  readonly failed: AbortSignal;
  /** Read meanwhile; after a long wait for a lease it is read again. */
  catalogue(): Promise<readonly StreamInfo[]>;
}

/** The first words with the source, while the destinations are looked at and claimed. */
function greet(setting: Setting, source: Connected<Source>): Greeting {
  const failed = new AbortController();
  const { clock } = setting.engine.ports;
  const identity = reached(setting, source, () => source.port.identity());
  identity.catch((error: unknown) => { failed.abort(error); });
  const discover = () => reached(setting, source, () => discoverFor(setting.job, source));
  const early = identity.then(discover).then((found) => ({ found, at: clock.monotonic() }));
  early.catch(() => undefined);
  return {
    identity, failed: failed.signal,
    catalogue: async () => {
      const { found, at } = await early;
      return clock.monotonic() - at < STALE_MS ? found : discover();
    },
  };
}

/** Leases of all pipes in the order of their names, before anything is read; then the claims. */
async function claimAll(setting: Setting, { identity, failed }: Greeting, claimed: Claimed[], fenced: AbortController): Promise<void> {
  const { job, options, engine, runId } = setting;
  // its error ends the look at a destination, and is the one that is told
  const waiting = until(setting, failed);
  for (const name of destinationsOf(job)) {
    const destination = await openDestination(job, name, engine);
    const id = pipeId(job, name);
    try {
      await reached(waiting, destination, () => awaitLease(destination.port, id, { takeOver: options.takeOver ?? false, waitLock: options.waitLock ?? false, clock: engine.ports.clock, stop: waiting.options.stop, host: options.host, alive: (pid) => options.alive?.(pid) ?? false, note: (message) => engine.note('info', message) }));
      const sourceIdentity = await identity;
      const run = await reached(waiting, destination, () => destination.port.claim(id, { job: job.name, runId, sourceIdentity, host: options.host, pid: options.pid }));
      claimed.push({ id, name, destination, run, lease: keepLease(run, engine.ports.clock, (error) => { fenced.abort(error); }) });
    } catch (error) {
      await destination.port[Symbol.asyncDispose]();
      throw error;
    }
  }
}

interface PipeWork extends Claimed {
  readonly alone: boolean;
  readonly streams: PipeStreams | undefined;
}

async function onePipe(setting: Setting, source: Connected<Source>, work: PipeWork): Promise<{ report: PipeReport; error?: unknown }> {
  const { job, options, engine } = setting;
  const { destination, run, id, alone, streams } = work;
  const capabilities = destination.port.capabilities;
  const bindings = new Map<string, Binding>();
  const report = (): PipeReport => {
    const made = createPipeReport({ pipe: id, bindings: [...bindings.values()].filter(({ stream }) => selected(options.select, stream)), capabilities, clock: engine.ports.clock, events: options.events, from: (stream) => run.state.streams[stream]?.position });
    setting.reports.push(made);
    return made;
  };
  try {
    const bound = (streams?.streams ?? []).map((match) => bind(match, capabilities, { fullRefresh: options.fullRefresh ?? false, ...(options.range ? { range: options.range } : {}), state: run.state }));
    refuseSharedTables(bound, capabilities);
    refuseUnknownColumns(bound);
    for (const binding of bound) bindings.set(binding.stream, binding);
    options.events({ type: 'pipe', pipe: id, streams: [...bindings.keys()] });
  } catch (error) {
    return { report: report(), error };
  }
  const slots = Math.max(1, Math.min(job.limits.concurrency, capabilities.maxSessions));
  const pipe: PipeRun = {
    id, job, engine, source, destination, run, bindings, alone, report: report(), slots: createSlots(slots), columnSlots: setting.columnSlots, pace: setting.pace, loadSlots: createSlots(slots), stop: options.stop, abort: options.abort,
    tallies: new Map([...bindings.keys()].map((stream) => [stream, { rows: 0, rejected: 0 }])),
    policyOf: (stream) => bindings.get(stream)?.match.entry.errors ?? { badRows: 'quarantine' },
  };
  try {
    const chosen = [...bindings.keys()].filter((stream) => selected(options.select, stream));
    refuseRange(chosen.flatMap((stream) => bindings.get(stream) ?? []));
    await runPipe(pipe, { fullRefresh: options.fullRefresh ?? false, chosen });
    return { report: pipe.report };
  } catch (error) {
    return { report: pipe.report, error };
  }
}

function outcomeOf(streams: readonly StreamReport[], failure: unknown, stopped: boolean): RunReport['outcome'] {
  if (failure !== undefined || streams.some((stream) => stream.outcome === 'failed')) return 'failed';
  if (stopped && streams.some((stream) => stream.outcome === 'stopped' || stream.outcome === 'not_started')) return 'stopped';
  return streams.some((stream) => stream.rejected > 0) ? 'rejected_rows' : 'ok';
}

/** A command that a signal ended is started again by the next run. */
function outcomeAfter(outcome: RunReport['outcome'], after: RunReport['after'], stopped: boolean): RunReport['outcome'] {
  return stopped && outcome !== 'failed' && after !== undefined && after.exitCode !== 0 ? 'stopped' : outcome;
}

interface Ended {
  readonly claimed: readonly Claimed[];
  readonly outcome: RunReport['outcome'];
  readonly streams: readonly StreamReport[];
  readonly failure: unknown;
}

/**
 * The `after` command, with the leases still held, and files that one process alone can hold closed (rule 28). A failure keeps it from
 * running unless the job says otherwise; a signal does, and another run that has the job: its own command follows.
 */
async function runAfter({ job, options }: Setting, { claimed, outcome, streams, failure }: Ended): Promise<RunReport['after']> {
  const succeeded = outcome === 'ok' || outcome === 'rejected_rows';
  if (!job.after || !options.after || outcome === 'stopped') return undefined;
  if (failure instanceof EtlError && (failure.kind === 'locked' || failure.kind === 'fenced')) return undefined;
  if (job.after.when === 'success' ? !succeeded : job.after.when === 'failure' && succeeded) return undefined;
  for (const { run, lease } of claimed) {
    if (!run.rest) continue;
    await lease[Symbol.asyncDispose](); // it can't be renewed in a file that is closed
    await run.rest();
  }
  return { command: job.after.run, exitCode: await options.after(job.after.run, outcome, streams) };
}

async function refuseDrift({ job, options, engine }: Setting, wanted: string): Promise<void> {
  const { hash } = await planJob(job, { ...(options.select ? { select: options.select } : {}), fullRefresh: options.fullRefresh ?? false }, engine);
  if (hash === wanted) return;
  throw new EtlError({ kind: 'config', code: 'ETL-RUN-032', message: `The plan is now ${hash}, not ${wanted}.`, hint: 'Streams, modes, schemas, DDL or the promise changed since it was made: look at `etl plan` again. Nothing was written.' });
}

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EtlError } from '../errors/error.ts';
import type { Checkpoint, Destination, JobState, Lease, Load, Owner, Positions, QuarantinedRow, Rejection, Run, RunToken, Session, Split, SplitState, StoredLoad, StreamState } from '../sdk/contract.ts';
import type { Ports } from '../sdk/ports.ts';
import { createStateFile, type StateFile, type StoredState } from './file.ts';

export interface StateStoreOptions {
  /** The job's folder: state lies in `.etl/state` under it. */
  readonly directory: string;
  readonly ports: Ports;
}

/**
 * A destination that can keep no state (stdout, HTTP), given a state file beside the job. The position is written after the flush,
 * so the route is at-least-once (rules 18 and 29): what was flushed and not yet recorded comes again.
 */
export function withStateStore(sink: Destination, options: StateStoreOptions): Destination {
  const fileOf = (pipe: string): StateFile =>
    createStateFile(join(options.directory, '.etl', 'state', `${createHash('sha256').update(pipe).digest('hex').slice(0, 24)}.json`));
  return {
    capabilities: sink.capabilities,
    check: (how) => sink.check(how),
    planSchema: (pipe, target, schema, rebuild) => sink.planSchema(pipe, target, schema, rebuild),
    state: async (pipe) => (await fileOf(pipe).read()).state,
    lease: async (pipe) => (await fileOf(pipe).read()).lease,
    claim: (pipe, owner) => claim(sink, fileOf(pipe), { pipe, owner }, options.ports),
    attach: (token) => attach(sink, fileOf(token.pipe), token, options.ports),
    quarantine: async (pipe, query) => (await fileOf(pipe).read()).quarantine.filter((row) => query.stream === undefined || row.stream === query.stream).toReversed().slice(0, query.limit),
    owners: (pipe, targets) => sink.owners(pipe, targets),
    async administer(pipe, command) {
      await fileOf(pipe).update((stored) => {
        if (command.type === 'adopt') return { ...stored, state: { ...stored.state, ...(command.sourceIdentity === undefined ? {} : { sourceIdentity: command.sourceIdentity }) } };
        const streams = Object.fromEntries(Object.entries(command.streams).map(([name, { position }]) => [name, { ...(stored.state.streams[name] ?? FRESH), ...(position ? { position } : {}) }]));
        return { ...stored, state: { ...stored.state, streams: { ...stored.state.streams, ...streams } } };
      });
    },
    [Symbol.asyncDispose]: () => sink[Symbol.asyncDispose](),
  };
}

const FRESH: StreamState = { rebuild: false, incarnations: {} };

async function claim(sink: Destination, file: StateFile, of: { pipe: string; owner: Owner }, ports: Ports): Promise<Run> {
  const { owner } = of;
  const stored = await file.update((before) => {
    refuseOtherSource(of.pipe, before.state, owner.sourceIdentity);
    return {
      ...before, state: { ...before.state, runEpoch: before.state.runEpoch + 1, sourceIdentity: owner.sourceIdentity, owner: owner.job },
      lease: { runId: owner.runId, host: owner.host, pid: owner.pid, beat: (before.lease?.beat ?? 0) + 1, released: false },
    };
  });
  return new StoredRun({ sink, file, token: { pipe: of.pipe, runEpoch: stored.state.runEpoch, runId: owner.runId }, ports }, stored);
}

/** Positions of one source mean nothing in another (rule 22). */
export function refuseOtherSource(pipe: string, { sourceIdentity: known }: JobState, found: string): void {
  if (known === undefined || known === found) return;
  throw new EtlError({
    kind: 'state_lost', code: 'ETL-STATE-002', message: `"${pipe}" has its positions from source ${known}, but the source is now ${found}.`,
    hint: 'Correct the connection. If it is the same data (a clone, an upgrade), accept it with `etl state adopt JOB --yes`; else accept it, and load anew with --full-refresh.',
  });
}

async function attach(sink: Destination, file: StateFile, token: RunToken, ports: Ports): Promise<Run> {
  const stored = await file.read();
  fence(stored, token);
  return new StoredRun({ sink, file, token, ports }, stored);
}

function fence({ state }: StoredState, token: RunToken): void {
  if (state.runEpoch === token.runEpoch) return;
  throw new EtlError({ kind: 'fenced', scope: 'run', code: 'ETL-STATE-003', message: `A newer run (epoch ${state.runEpoch}) has claimed ${token.pipe}; this one is epoch ${token.runEpoch}.`, hint: 'Nothing to do: the newer run goes on.' });
}

interface StoredRunOf {
  readonly sink: Destination;
  readonly file: StateFile;
  readonly token: RunToken;
  readonly ports: Ports;
}

/** A run whose state lies in a file. Each change checks the run epoch in the same step of the file (rule 7). */
class StoredRun implements Run {
  readonly token: RunToken;
  private readonly of: StoredRunOf;
  private current: StoredState;

  constructor(of: StoredRunOf, stored: StoredState) {
    this.of = of;
    this.token = of.token;
    this.current = stored;
  }

  get state(): JobState {
    return this.current.state;
  }

  private async change(how: (stored: StoredState) => StoredState): Promise<void> {
    this.current = await this.of.file.update((stored) => {
      fence(stored, this.token);
      return how(stored);
    });
  }

  private changeState(how: (state: JobState) => Partial<JobState>): Promise<void> {
    return this.change((stored) => ({ ...stored, state: { ...stored.state, ...how(stored.state) } }));
  }

  private changeLease(how: (lease: Lease) => Lease): Promise<void> {
    return this.change((stored) => (stored.lease ? { ...stored, lease: how(stored.lease) } : stored));
  }

  private now(): string {
    return new Date(this.of.ports.clock.now()).toISOString();
  }

  renewLease(): Promise<void> {
    return this.changeLease((lease) => ({ ...lease, beat: lease.beat + 1 }));
  }

  async begin(load: Load, after: Readonly<Record<string, string | undefined>>): Promise<Load> {
    await this.changeState((state) => beginState(state, load, after));
    return load;
  }

  async open(load: Load, split: Split, abort: AbortSignal): Promise<Session> {
    const run = await this.of.sink.attach(this.token);
    const inner = await run.open(load, split, abort);
    await this.changeState((state) => changeSplit(state, load, split, (before) => ({ ...before, splitEpoch: before.splitEpoch + 1 })));
    const store = { change: (how: (stored: StoredState) => StoredState) => this.change(how), state: () => this.state };
    return sessionOn(inner, { load, split, splitEpoch: splitOf(this.state, load, split).splitEpoch, now: () => this.now() }, store);
  }

  async publish(load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
    if (!this.state.loads.some((stored) => stored.load.id === load.id)) return 'already';
    await this.changeState((state) => publishState(state, load, streams, this.now()));
    return 'published';
  }

  reset(streams: readonly string[], to?: Positions): Promise<void> {
    return this.changeState((state) => resetState(state, streams, to));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.changeLease((lease) => ({ ...lease, released: true })).catch(() => undefined);
  }
}

function beginState(state: JobState, load: Load, after: Readonly<Record<string, string | undefined>>): Partial<JobState> {
  for (const stream of load.streams) {
    if (state.streams[stream]?.lastLoad !== after[stream]) throw new EtlError({ kind: 'fenced', scope: 'load', code: 'ETL-STATE-004', message: `Another load of ${stream} was begun meanwhile.` });
  }
  const streams = Object.fromEntries(load.streams.map((stream) => [stream, { ...(state.streams[stream] ?? FRESH), lastLoad: load.id }]));
  return { streams: { ...state.streams, ...streams }, loads: [...withoutStreams(state.loads, load.streams), { load, splits: {}, openStreams: load.streams }] };
}

function withoutStreams(loads: readonly StoredLoad[], streams: readonly string[]): StoredLoad[] {
  return loads.map((stored) => ({ ...stored, openStreams: stored.openStreams.filter((stream) => !streams.includes(stream)) })).filter((stored) => stored.openStreams.length > 0);
}

function splitOf(state: JobState, load: Load, split: Split): SplitState {
  return state.loads.find((stored) => stored.load.id === load.id)?.splits[split.id] ?? { splitEpoch: 0, revision: 0, complete: false, rows: 0, rejected: 0, bytes: 0 };
}

/** Fails when the load is no longer its streams' current one (rule 7). */
function changeSplit(state: JobState, load: Load, split: Split, how: (before: SplitState) => SplitState): Partial<JobState> {
  if (!state.loads.some((stored) => stored.load.id === load.id)) throw new EtlError({ kind: 'fenced', scope: 'load', code: 'ETL-STATE-004', message: `Load ${load.id} has ended.` });
  return { loads: state.loads.map((stored) => (stored.load.id === load.id ? { ...stored, splits: { ...stored.splits, [split.id]: how(splitOf(state, load, split)) } } : stored)) };
}

function publishState(state: JobState, load: Load, streams: readonly string[], at: string): Partial<JobState> {
  const stored = state.loads.find((one) => one.load.id === load.id);
  const complete = load.kind === 'live' || load.splits.every((split) => stored?.splits[split.id]?.complete);
  if (!complete) throw new EtlError({ kind: 'internal', code: 'ETL-STATE-005', message: `Load ${load.id} is not complete.` }); // rule 13
  const live = load.splits[0] && stored?.splits[load.splits[0].id]?.position;
  const published = Object.fromEntries(streams.map((stream) => {
    const position = load.kind === 'live' ? live : load.positions[stream];
    return [stream, { ...(state.streams[stream] ?? FRESH), rebuild: false, fingerprint: load.fingerprint, publishedAt: at, ...(position ? { position } : {}) }];
  }));
  return { streams: { ...state.streams, ...published }, loads: withoutStreams(state.loads, streams) };
}

function resetState(state: JobState, streams: readonly string[], to?: Positions): Partial<JobState> {
  const reset = Object.fromEntries(streams.map((stream) => {
    const { position: _, ...rest } = state.streams[stream] ?? FRESH;
    const position = to?.[stream];
    return [stream, { ...rest, rebuild: to === undefined, ...(position ? { position } : {}) }];
  }));
  return { streams: { ...state.streams, ...reset }, loads: withoutStreams(state.loads, streams) };
}

interface SessionOf {
  readonly load: Load;
  readonly split: Split;
  readonly splitEpoch: number;
  now(): string;
}

function sessionOn(inner: Session, of: SessionOf, store: { change(how: (stored: StoredState) => StoredState): Promise<void>; state(): JobState }): Session {
  const { load, split, splitEpoch } = of;
  const begun = splitOf(store.state(), load, split);
  let revision = begun.revision;
  return {
    committed: begun.position ? { position: begun.position, complete: begun.complete } : undefined,
    accept: (message) => inner.accept(message),
    flush: () => inner.flush(),
    async commit(at: Checkpoint, rejections: readonly Rejection[]) {
      const receipt = await inner.commit(at, rejections);
      await store.change((stored) => {
        if (splitOf(stored.state, load, split).splitEpoch !== splitEpoch) throw new EtlError({ kind: 'fenced', scope: 'split', code: 'ETL-STATE-006', message: `Another session has opened split ${split.id}.` });
        const state = changeSplit(stored.state, load, split, (before) => ({
          ...before, revision: before.revision + 1, position: at.position, complete: at.last === true,
          rows: before.rows + receipt.rows, rejected: before.rejected + rejections.length, bytes: before.bytes + receipt.bytes,
        }));
        const known = new Set(stored.quarantine.map((row) => row.id));
        const rejected = rejections.filter((row) => !known.has(row.id)).map((row): QuarantinedRow => ({ ...row, load: load.id, at: of.now() }));
        return { ...stored, state: { ...stored.state, ...state }, quarantine: [...stored.quarantine, ...rejected] };
      });
      return { ...receipt, revision: ++revision, rejected: rejections.length };
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}


import { EtlError } from '../../errors/error.ts';
import type {
  Checkpoint, CommitReceipt, JobState, Lease, Load, LoadId, Owner, PipeId, Positions, QuarantinedRow, Rejection, RunToken, Split, StateCommand, StoredLoad, Target,
} from '../contract.ts';
import { timeOf } from './script.ts';
import { commitEffects, publishEffects, targetOf, widenTarget } from './memory-effects.ts';
import type { MemoryStore, OpenLoad, StagedMessage, StoredPipe, StoredStream } from './memory-store.ts';
import type { Field } from '#batch';

/** One session's claim on a split. */
export interface Claimed {
  readonly token: RunToken;
  readonly load: LoadId;
  readonly split: string;
  readonly splitEpoch: number;
}

/** The server behind memory destinations: each method is one atomic step over the store, and checks its fences in that step (rule 7). */
export class MemoryServer {
  constructor(readonly store: MemoryStore, private readonly saved: () => void = () => undefined) {}

  state(id: PipeId): JobState {
    const pipe = this.store.pipes[id];
    if (!pipe) return { runEpoch: 0, streams: {}, loads: [] };
    return structuredClone({
      runEpoch: pipe.runEpoch, streams: pipe.streams,
      loads: pipe.loads.map(({ load, splits, openStreams }): StoredLoad => ({ load, splits, openStreams })),
      ...(pipe.sourceIdentity !== undefined && { sourceIdentity: pipe.sourceIdentity }), ...(pipe.owner !== undefined && { owner: pipe.owner }),
    });
  }

  lease(id: PipeId): Lease | undefined {
    return structuredClone(this.store.pipes[id]?.lease);
  }

  quarantine(id: PipeId): readonly QuarantinedRow[] {
    return structuredClone(this.store.pipes[id]?.quarantine ?? []).reverse();
  }

  /** Rule 7: the run epoch grows. Rule 22: the source must be the one that state names. */
  claim(id: PipeId, owner: Owner): RunToken {
    return this.atomic(() => {
      const pipe = this.store.pipes[id] ??= emptyPipe();
      if (pipe.sourceIdentity !== undefined && pipe.sourceIdentity !== owner.sourceIdentity) {
        throw stateLost(`The state belongs to source ${pipe.sourceIdentity}, this is ${owner.sourceIdentity}.`);
      }
      Object.assign(pipe, { runEpoch: pipe.runEpoch + 1, runId: owner.runId, sourceIdentity: owner.sourceIdentity, owner: owner.job, stages: {} });
      pipe.lease = { runId: owner.runId, host: owner.host, pid: owner.pid, beat: 1, released: false };
      return { pipe: id, runEpoch: pipe.runEpoch, runId: owner.runId };
    });
  }

  renew(token: RunToken): void {
    const pipe = this.checkRun(token);
    if (pipe.lease) pipe.lease = { ...pipe.lease, beat: pipe.lease.beat + 1 };
    this.saved();
  }

  release(token: RunToken): void {
    const pipe = this.store.pipes[token.pipe];
    if (pipe?.runEpoch === token.runEpoch && pipe.lease) pipe.lease = { ...pipe.lease, released: true };
    this.saved();
  }

  /** Rule 4: by compare-and-set with the last load of each stream, open or ended. */
  begin(token: RunToken, load: Load, after: Readonly<Record<string, LoadId | undefined>>): Load {
    return this.atomic(() => {
      const pipe = this.checkRun(token);
      const stored = pipe.loads.find((open) => open.load.id === load.id);
      if (stored) return structuredClone(stored.load);
      for (const stream of load.streams) {
        if (pipe.streams[stream]?.lastLoad !== after[stream]) throw fenced('load', `Stream ${stream} has another last load than ${after[stream] ?? 'none'}.`);
      }
      endLoads(pipe, load.streams);
      const splits = Object.fromEntries(load.splits.map((split) => [split.id, { splitEpoch: 0, revision: 0, complete: false, rows: 0, rejected: 0, bytes: 0 }]));
      pipe.loads.push({ load: structuredClone(load), splits, openStreams: [...load.streams], staging: {} });
      for (const stream of load.streams) streamOf(pipe, stream).lastLoad = load.id;
      return structuredClone(load);
    });
  }

  /** Rule 7: the split epoch grows, under its run epoch. What lower epochs staged is swept (rule 2). */
  open(token: RunToken, load: LoadId, split: string): { splitEpoch: number; committed: { position: Checkpoint['position']; complete: boolean } | undefined } {
    return this.atomic(() => {
      const pipe = this.checkRun(token);
      const open = this.checkLoad(pipe, load);
      const state = this.splitOf(open, split);
      this.checkIncarnations(pipe, open);
      state.splitEpoch++;
      for (const name of Object.keys(pipe.stages)) if (name.startsWith(`${load}/${split}/`)) delete pipe.stages[name];
      return { splitEpoch: state.splitEpoch, committed: state.position && structuredClone({ position: state.position, complete: state.complete }) };
    });
  }

  /** Rule 30: widens the target, or makes it while state names no incarnation of it (rule 22); staged loads have their own table. */
  schema(claimed: Claimed, target: Target, fields: readonly Field[]): string[] {
    return this.atomic(() => {
      const pipe = this.checkRun(claimed.token);
      this.checkOwner(claimed.token.pipe, target);
      return widenTarget({ store: this.store, pipe, open: this.checkLoad(pipe, claimed.load), id: claimed.token.pipe }, target, fields);
    });
  }

  stage(claimed: Claimed, messages: readonly StagedMessage[]): void {
    const pipe = this.store.pipes[claimed.token.pipe];
    if (!pipe) throw fenced('run', 'The pipe is gone.');
    const name = stageOf(claimed);
    pipe.stages[name] = [...pipe.stages[name] ?? [], ...structuredClone(messages)];
    this.saved();
  }

  dropStage(claimed: Claimed): void {
    delete this.store.pipes[claimed.token.pipe]?.stages[stageOf(claimed)];
    this.saved();
  }

  /** Rules 3 and 7: rows, rejects and position move together, while run, load and split are still the caller's. */
  commit(claimed: Claimed, at: Checkpoint, rejections: readonly Rejection[]): CommitReceipt {
    return this.atomic(() => {
      const pipe = this.checkRun(claimed.token);
      const open = this.checkLoad(pipe, claimed.load);
      const split = this.splitOf(open, claimed.split);
      if (split.splitEpoch !== claimed.splitEpoch) throw fenced('split', `Split ${claimed.split} was opened again.`);
      this.checkIncarnations(pipe, open);
      const staged = pipe.stages[stageOf(claimed)] ?? [];
      const rows = commitEffects({ store: this.store, pipe, open, id: claimed.token.pipe }, staged, at.rebuilt ?? []);
      delete pipe.stages[stageOf(claimed)];
      this.reject(pipe, claimed.load, rejections);
      const bytes = JSON.stringify(staged).length;
      Object.assign(split, { position: structuredClone(at.position), revision: split.revision + 1, complete: split.complete || at.last === true });
      Object.assign(split, { rows: split.rows + rows, rejected: split.rejected + rejections.length, bytes: split.bytes + bytes }); // rule 32
      return { revision: split.revision, rows, rejected: rejections.length, bytes, schemaChanges: [] };
    });
  }

  /** Rule 13: fenced, idempotent, and not before the last part; a live load at any commit, whole. */
  publish(token: RunToken, load: LoadId, streams: readonly string[]): 'published' | 'already' {
    return this.atomic(() => {
      const pipe = this.checkRun(token);
      if (streams.every((stream) => pipe.streams[stream]?.published === load)) return 'already';
      const open = this.checkLoad(pipe, load);
      const wanted = open.load.kind === 'live' ? open.openStreams : streams.filter((stream) => open.openStreams.includes(stream));
      const parts = open.load.kind === 'live' ? [] : open.load.splits.filter((split) => split.streams.some((stream) => wanted.includes(stream)));
      const missing = parts.find((split) => !open.splits[split.id]?.complete);
      if (missing) throw new EtlError({ kind: 'internal', code: 'ETL-TST-004', message: `Split ${missing.id} is not complete, ${load} cannot be published.` });
      if (!open.load.rebuild) this.checkIncarnations(pipe, open, wanted);
      for (const stream of wanted) publishEffects({ store: this.store, pipe, open, id: token.pipe }, stream);
      for (const stream of wanted) this.moveStream(pipe, open, stream);
      open.openStreams = open.openStreams.filter((stream) => !wanted.includes(stream));
      pipe.loads = pipe.loads.filter((other) => other.openStreams.length > 0);
      return 'published';
    });
  }

  /** Rule 8: ends the loads, raises nothing and lowers nothing. */
  reset(token: RunToken, streams: readonly string[], to?: Positions): void {
    this.atomic(() => {
      const pipe = this.checkRun(token);
      endLoads(pipe, streams);
      for (const stream of streams) {
        const state = streamOf(pipe, stream);
        const position = to?.[stream];
        delete state.position;
        delete pipe.shadows[stream];
        if (position) state.position = position;
        else state.rebuild = true;
      }
    });
  }

  administer(id: PipeId, command: StateCommand): void {
    this.atomic(() => {
      const pipe = this.store.pipes[id] ??= emptyPipe();
      if (command.type === 'import') {
        pipe.runEpoch++;
        for (const [stream, { position }] of Object.entries(command.streams)) Object.assign(streamOf(pipe, stream), { ...(position && { position }) });
        return;
      }
      if (command.sourceIdentity !== undefined) pipe.sourceIdentity = command.sourceIdentity;
      for (const target of command.targets) this.adopt(id, pipe, target);
    });
  }

  /** Whoever wrote the table is fenced, and does not know it any more. */
  private adopt(id: PipeId, pipe: StoredPipe, target: Target): void {
    const table = this.store.tables[target.table];
    const former = this.store.pipes[this.otherOwner(id, target) ?? ''];
    if (former) former.runEpoch++;
    if (table && former) Object.assign(table, { owner: id, incarnation: `i${++this.store.incarnations}` });
    if (table || pipe.streams[target.stream]) streamOf(pipe, target.stream).incarnations = table ? { [target.table]: table.incarnation } : {};
  }

  otherOwner(id: PipeId, target: Target): PipeId | undefined {
    const owner = target.shared ? '' : this.store.tables[target.table]?.owner ?? '';
    return owner === '' || owner === id ? undefined : owner;
  }

  checkOwner(id: PipeId, target: Target): void {
    const owner = this.otherOwner(id, target);
    if (owner !== undefined) throw stateLost(`Table ${target.table} belongs to ${owner}.`);
  }

  /** The position moves here and nowhere else (rule 3). */
  private moveStream(pipe: StoredPipe, { load, splits }: OpenLoad, stream: string): void {
    const state = streamOf(pipe, stream);
    const position = load.kind === 'live' ? splits[load.splits[0]?.id ?? '']?.position : load.positions[stream];
    if (position) state.position = structuredClone(position);
    Object.assign(state, { published: load.id, rebuild: false, publishedAt: timeOf(++this.store.ticks), fingerprint: load.fingerprint });
  }

  /** Under an id that a replay repeats: it lies there once (rule 31). */
  private reject(pipe: StoredPipe, load: LoadId, rejections: readonly Rejection[]): void {
    for (const rejection of rejections) {
      if (pipe.quarantine.some((row) => row.id === rejection.id && row.stream === rejection.stream)) continue;
      pipe.quarantine.push({ ...structuredClone(rejection), load, at: timeOf(++this.store.ticks) });
    }
  }

  private checkRun(token: RunToken): StoredPipe {
    const pipe = this.store.pipes[token.pipe];
    if (!pipe || pipe.runEpoch !== token.runEpoch) throw fenced('run', `Run ${token.runEpoch} of ${token.pipe} was succeeded by run ${pipe?.runEpoch ?? '?'}.`);
    return pipe;
  }

  /** The load is the current one of all streams that it still has. */
  private checkLoad(pipe: StoredPipe, id: LoadId): OpenLoad {
    const open = pipe.loads.find(({ load }) => load.id === id);
    if (!open || open.openStreams.some((stream) => pipe.streams[stream]?.lastLoad !== id)) throw fenced('load', `Load ${id} has ended.`);
    return open;
  }

  private splitOf(open: OpenLoad, split: Split['id']) {
    const state = open.splits[split];
    if (!state) throw new EtlError({ kind: 'internal', code: 'ETL-TST-004', message: `Load ${open.load.id} has no split ${split}.` });
    return state;
  }

  /** Rule 22: the target bears the id that state names; one that nobody names may not be another job's. */
  private checkIncarnations(pipe: StoredPipe, open: OpenLoad, streams: readonly string[] = open.openStreams): void {
    if (open.load.rebuild || (open.load.staged && streams === open.openStreams)) return;
    for (const stream of streams) this.checkTarget(pipe, targetOf(open.load, stream));
  }

  /** Reads only; a pipe that never ran has no state. */
  checkTarget(pipe: StoredPipe | undefined, target: Target): void {
    const named = pipe?.streams[target.stream]?.incarnations[target.table];
    const table = this.store.tables[target.table];
    if (named !== undefined && table?.incarnation !== named) throw stateLost(`Table ${target.table} is not the one that state names: it was dropped or made anew.`);
  }

  /** All or nothing: what throws has changed nothing. */
  private atomic<T>(step: () => T): T {
    const before = structuredClone(this.store);
    try {
      return step();
    } catch (error) {
      Object.assign(this.store, before);
      throw error;
    } finally {
      this.saved();
    }
  }
}

function stageOf({ load, split, splitEpoch }: Claimed): string {
  return `${load}/${split}/${splitEpoch}`;
}

function emptyPipe(): StoredPipe {
  return { runEpoch: 0, runId: '', streams: {}, loads: [], stages: {}, shadows: {}, quarantine: [] };
}

function streamOf(pipe: StoredPipe, stream: string): StoredStream {
  return pipe.streams[stream] ??= { rebuild: false, incarnations: {} };
}

/** Ends what is open of these streams: a live load as a whole, of parts only theirs. */
function endLoads(pipe: StoredPipe, streams: readonly string[]): void {
  for (const open of pipe.loads) {
    if (!open.openStreams.some((stream) => streams.includes(stream))) continue;
    open.openStreams = open.load.kind === 'live' ? [] : open.openStreams.filter((stream) => !streams.includes(stream));
  }
  pipe.loads = pipe.loads.filter((open) => open.openStreams.length > 0);
}

function fenced(scope: 'run' | 'load' | 'split', message: string): EtlError {
  return new EtlError({ kind: 'fenced', scope, code: 'ETL-TST-001', message });
}
function stateLost(message: string): EtlError {
  return new EtlError({ kind: 'state_lost', code: 'ETL-TST-003', message, hint: 'etl state adopt, or a full refresh.' });
}

import { batchOf, type ChangeRow, type Schema } from '#batch';
import { EtlError } from '../../../errors/error.ts';
import type { Checkpoint, CommitReceipt, Destination, Load, Position, Rejection, Run, RunToken, Session, Split, Target, WriteMode } from '../../contract.ts';
import { compareRows, describeDifferences, type TableRow } from '../compare.ts';
import { targetFor } from '../drive.ts';
import type { DestinationUnderTest, TestApi } from './api.ts';

const NEVER = new AbortController().signal;

/** Key, a text, a text that may be unavailable, the commit's time. */
export const SCHEMA: Schema = {
  fields: [
    { name: 'id', type: { kind: 'int64' }, nullable: false },
    { name: 'v', type: { kind: 'text' }, nullable: true },
    { name: 't', type: { kind: 'text' }, nullable: true },
    { name: 'at', type: { kind: 'timestamptz' }, nullable: true },
  ],
  key: ['id'],
};

export interface LoadWish {
  readonly write?: WriteMode;
  readonly kind?: 'parts' | 'live';
  readonly staged?: boolean;
  readonly rebuild?: boolean;
  readonly streams?: number;
  readonly splits?: number;
  readonly more?: Partial<Target>;
}

/** One test's place: a pipe and tables of its own, and short words for the steps of the protocol. */
export class Bench {
  readonly pipe: string;
  readonly expect: TestApi['expect'];
  private readonly made: Destination[] = [];
  private loads = 0;
  private runs = 0;

  constructor(readonly under: DestinationUnderTest, api: Pick<TestApi, 'expect'>, readonly name: string) {
    this.pipe = `job/scripted->${name}`;
    this.expect = api.expect;
  }

  /** A process's destination; where only one process may hold it, always the same. */
  async process(): Promise<Destination> {
    const first = this.made[0];
    if (first && this.under.capabilities.processes === 1) return first;
    const destination = await this.under.make();
    this.made.push(destination);
    return destination;
  }

  async destination(): Promise<Destination> {
    return this.made[0] ?? this.process();
  }

  async claim(more: { readonly identity?: string; readonly pipe?: string } = {}): Promise<Run> {
    const destination = await this.process();
    const owner = { job: more.pipe ?? this.pipe, runId: `run-${++this.runs}`, sourceIdentity: more.identity ?? 'source-1', host: 'test', pid: 1 };
    return destination.claim(more.pipe ?? this.pipe, owner);
  }

  async attach(token: RunToken): Promise<Run> {
    return (await this.process()).attach(token);
  }

  get mode(): WriteMode {
    return this.under.capabilities.writeModes.includes('append') ? 'append' : 'merge';
  }

  stream(index = 0): string {
    return `${this.name}_${index}`;
  }

  target(wish: LoadWish = {}, index = 0): Target {
    const { schema, options } = this.under.target ?? {};
    return targetFor(this.stream(index), ['id'], { write: wish.write ?? this.mode, ...(schema !== undefined && { schema }), ...(options && { options }), ...wish.more });
  }

  load(wish: LoadWish = {}): Load {
    const { kind = 'parts', staged = wish.write === 'replace', rebuild = false, streams: count = 1, splits: parts = 1 } = wish;
    const streams = Array.from({ length: count }, (_, i) => this.stream(i));
    const split = (id: string, of: readonly string[]): Split => ({ id, streams: of, detail: null, live: kind === 'live' });
    const splits = kind === 'live' ? [split('live', streams)] : streams.flatMap((stream) => Array.from({ length: parts }, (_, i) => split(`${stream}#${i}`, [stream])));
    const id = `load-${this.name}-${++this.loads}`;
    return {
      id, kind, streams, splits, staged, rebuild, startedAt: '2026-02-01T00:00:00.000000Z', fingerprint: 'f', detail: null,
      positions: kind === 'live' ? {} : Object.fromEntries(streams.map((stream) => [stream, { v: 1, load: this.loads }])),
      targets: streams.map((_, i) => this.target(wish, i)),
    };
  }

  /** Stores a load as the next of its streams. */
  async begin(run: Run, wish: LoadWish = {}): Promise<Load> {
    const load = this.load(wish);
    return run.begin(load, this.after(run, load));
  }

  after(run: Run, load: Load): Record<string, string | undefined> {
    return Object.fromEntries(load.streams.map((stream) => [stream, run.state.streams[stream]?.lastLoad]));
  }

  open(run: Run, load: Load, split = 0): Promise<Session> {
    const which = load.splits[split];
    if (!which) throw new RangeError(`no split ${split}`);
    return run.open(load, which, NEVER);
  }

  /** Rows as texts; `undefined` columns are NULL. */
  async put(session: Session, load: Load, rows: readonly ChangeRow[], more: { readonly stream?: number; readonly schema?: Schema } = {}): Promise<void> {
    const target = load.targets[more.stream ?? 0];
    const schema = more.schema ?? SCHEMA;
    if (!target) throw new RangeError(`no stream ${more.stream ?? 0}`);
    await session.accept({ type: 'schema', target, schema });
    await session.accept({ type: 'batch', target, batch: batchOf(target.stream, schema, rows) });
  }

  async commit(session: Session, at: number, more: Partial<Checkpoint> & { readonly rejections?: readonly Rejection[] } = {}): Promise<CommitReceipt> {
    const { rejections = [], ...rest } = more;
    const refused = await session.flush();
    return session.commit({ type: 'checkpoint', position: { v: 1, at }, ...rest }, [...rejections, ...refused]);
  }

  /** Opens, writes, commits as the split's last, closes. */
  async fill(run: Run, load: Load, rows: readonly ChangeRow[], split = 0): Promise<void> {
    const session = await this.open(run, load, split);
    await this.put(session, load, rows);
    await this.commit(session, 100 + split, { last: true });
    await session[Symbol.asyncDispose]();
  }

  /** A whole load of these rows. */
  async deliver(run: Run, wish: LoadWish, rows: readonly ChangeRow[]): Promise<Load> {
    const load = await this.begin(run, wish);
    await this.fill(run, load, rows);
    await run.publish(load, load.streams);
    return load;
  }

  async table(target: Target = this.target()): Promise<readonly TableRow[]> {
    return this.under.readTable(target, await this.destination());
  }

  /** Compares the whole of a table, columns of our own left out but for those that are named. */
  async holds(rows: readonly TableRow[], more: { readonly columns?: readonly string[]; readonly stream?: number } = {}): Promise<void> {
    const have = await this.table(this.target({}, more.stream ?? 0));
    const columns = more.columns ?? ['id', 'v', 't'];
    this.expect(describeDifferences(compareRows({ have, want: rows, columns, key: ['id'] })), `table of ${this.stream(more.stream)}`).toBe('');
  }

  async position(stream = 0): Promise<Position | undefined> {
    const state = await (await this.destination()).state(this.pipe);
    return state.streams[this.stream(stream)]?.position;
  }

  /** The call must be refused with this kind, and by that fence. */
  async refused(call: Promise<unknown>, kind: EtlError['kind'], scope?: EtlError['scope']): Promise<void> {
    const error: unknown = await call.then(() => undefined, (reason: unknown) => reason);
    this.expect(error, 'the call must be refused').toBeInstanceOf(EtlError);
    if (!(error instanceof EtlError)) return;
    this.expect({ kind: error.kind, message: error.message }).toEqual({ kind, message: error.message });
    if (scope) this.expect(error.scope, error.message).toBe(scope);
  }

  async end(): Promise<void> {
    for (const destination of this.made) await destination[Symbol.asyncDispose]();
  }
}

/** `row(1, 'a')`, `row(1, 'a', 't', { op: 'update' })` */
export function row(id: number, v: string | null = null, t: string | null = null, change: Omit<ChangeRow, 'values'> & { readonly values?: ChangeRow['values'] } = {}): ChangeRow {
  return { ...change, values: { id: BigInt(id), v, t, ...change.values } };
}
export function text(id: number, v: string | null = null, t: string | null = null): TableRow {
  return { id: String(id), v, t };
}

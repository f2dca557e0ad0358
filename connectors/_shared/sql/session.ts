import {
  failpoint, type Checkpoint, type CommitReceipt, type Load, type Rejection, type Session, type Split, type Target, type TargetMessage,
} from '#sdk';
import type { Batch, Schema } from '#batch';
import { withoutRejected } from '../change-log/rejects.ts';
import { outOfCalendar } from './calendar.ts';
import { qualified, type RowTarget, type SqlRow, type SqlSession } from './dialect.ts';
import { holdFences, loadFence, runFence, splitFence } from './fence.ts';
import { checkIncarnations } from './incarnation.ts';
import { applySink } from './merge.ts';
import { STATE_SCHEMA, targetName, UNAVAILABLE_MASK } from './names.ts';
import { findViolations } from './rejects.ts';
import type { RunContext } from './run.ts';
import { applyVersions } from './scd2.ts';
import { carriedColumns, directTarget, isDirty, isPlain, keepColumns, movedMask, noteChanges, nothingPending, sinkId, stageFor, withOrdinal, type Sink } from './sink.ts';
import { count, json, text } from './state.ts';
import { swapShadow, Tables } from './tables.ts';
import { explained } from './transact.ts';

export interface Opening {
  readonly load: Load;
  readonly split: Split;
  readonly abort: AbortSignal;
  closed(session: Session): void;
}

/** Ends the writer before this one, takes the next split epoch, and only then reads what is committed (rules 7, 9, 10). */
export async function openSession(context: RunContext, opening: Opening): Promise<Session> {
  const { database, token } = context;
  const { load, split } = opening;
  const session = await database.connect();
  try {
    const [before] = await session.query(`select backend from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2 and split = $3`, [token.pipe, load.id, split.id]);
    const backend = text(before?.['backend']);
    if (backend !== undefined) await database.terminate(session, backend);
    await failpoint('sql.open');
    const row = await context.control.transact([runFence(database, token, 'share'), loadFence(database, token, load)], (control) => raiseEpoch(context, opening, { control, session }));
    const position = text(row['position']);
    const committed = position === undefined ? undefined : { position: JSON.parse(position) as Checkpoint['position'], complete: row['complete'] === true };
    return new SqlSessionWriter(context, opening, { session, epoch: count(row['split_epoch']), committed });
  } catch (error) {
    await session.close();
    throw error;
  }
}

/** On the run's control connection, whose backend a successor knows: this session's own is known from here on (rule 10). */
async function raiseEpoch(context: RunContext, { load, split }: Opening, { control, session }: { readonly control: SqlSession; readonly session: SqlSession }): Promise<SqlRow> {
  const { database, token } = context;
  const [row] = await control.query(`update ${STATE_SCHEMA}.splits set split_epoch = split_epoch + 1, backend = $4 where pipe = $1 and load = $2 and split = $3 returning *`,
    [token.pipe, load.id, split.id, session.backend ?? null]);
  if (!row) throw database.error({ what: 'fenced', scope: 'load', message: `Load ${load.id} has no split ${split.id}.` });
  if (!load.staged) await checkIncarnations(context, control, targetsOf(context, load, split));
  return row;
}

function targetsOf(context: RunContext, load: Load, split: Split) {
  return load.targets.filter((target) => split.streams.includes(target.stream)).map((target) => ({ stream: target.stream, name: targetName(context.database.dialect, target) }));
}

interface Opened {
  readonly session: SqlSession;
  readonly epoch: number;
  readonly committed: Session['committed'];
}

class SqlSessionWriter implements Session {
  readonly committed: Session['committed'];
  private readonly context: RunContext;
  private readonly opening: Opening;
  private readonly session: SqlSession;
  private readonly epoch: number;
  private readonly tables: Tables;
  private readonly sinks = new Map<string, Sink>();
  /** By target: where its rows go now, the target or a shadow. */
  private readonly current = new Map<string, Sink>();
  private readonly generations = new Map<string, string>();
  private ordinal = 1n;
  private accepted = 0;
  private stages = 0;
  private refused = 0;
  private readonly rejected: Rejection[] = [];
  private bytes = 0;
  private inTransaction = false;
  private ended = false;
  private schemaChanges: string[] = [];
  private readonly onAbort: () => void;

  constructor(context: RunContext, opening: Opening, opened: Opened) {
    this.context = context;
    this.opening = opening;
    this.session = opened.session;
    this.epoch = opened.epoch;
    this.committed = opened.committed;
    this.tables = new Tables(context, opening.load);
    this.onAbort = () => void this.session.cancel().catch(() => undefined);
    opening.abort.addEventListener('abort', this.onAbort, { once: true });
  }

  accept(message: TargetMessage): Promise<void> {
    return this.explained(() => this.acceptMessage(message));
  }

  private async acceptMessage(message: TargetMessage): Promise<void> {
      switch (message.type) {
        case 'schema': return await this.acceptSchema(message.target, message.schema);
        case 'batch': return await this.acceptBatch(message.target, message.batch);
        case 'truncate': return await this.acceptTruncate(message.target);
        case 'rebuild': return await this.acceptRebuild(message.target, message.generation);
      }
  }

  private explained<T>(work: () => Promise<T>): Promise<T> {
    return explained(this.context.database, work, this.fences());
  }

  private fences() {
    const { database, token } = this.context;
    const { load, split } = this.opening;
    return [runFence(database, token, 'share'), loadFence(database, token, load), splitFence(database, token, { load: load.id, split: split.id, epoch: this.epoch })] as const;
  }

  private targetId(target: Target): string {
    return sinkId(targetName(this.context.database.dialect, target));
  }

  private async acceptSchema(target: Target, schema: Schema): Promise<void> {
    const id = this.targetId(target);
    const known = this.current.get(id);
    if (known && JSON.stringify(known.schema) === JSON.stringify(schema)) return;
    // what was accepted under the schema before stays in its own stage until the commit
    const generation = this.generations.get(target.stream);
    const { sink, changes } = await this.tables.prepare(target, schema, { generation, changes: false });
    this.schemaChanges.push(...changes);
    await this.useSink(id, sink);
  }

  /** The same table under another schema: what waits in the old stage is moved to the new one, in order. */
  private async useSink(id: string, sink: Sink): Promise<void> {
    const before = this.sinks.get(sinkId(sink.into));
    if (before) await this.carryOver(before, sink);
    this.sinks.set(sinkId(sink.into), sink);
    this.current.set(id, sink);
  }

  private async carryOver(before: Sink, sink: Sink): Promise<void> {
    const { dialect } = this.context.database;
    const dirty = isDirty(before);
    const unavailable = [...before.pending.unavailable].map((index) => before.columns.find((column) => column.index === index)?.name);
    sink.logsChanges ||= before.logsChanges;
    sink.pending = { ...before.pending, unavailable: new Set() };
    if (!before.stage) return;
    await this.session.writer.settle();
    if (dirty) {
      keepColumns(before, sink);
      const { table } = await this.stage(sink);
      const names = carriedColumns(dialect, before);
      // the mask counts columns: rows with one that lie under another schema get theirs anew
      await this.session.query(`insert into ${qualified(dialect, table)} (${names.join(', ')}, ${UNAVAILABLE_MASK}) select ${names.join(', ')}, ${movedMask(before, sink)} from ${qualified(dialect, before.stage)}`);
      for (const column of sink.columns) if (unavailable.includes(column.name)) sink.pending.unavailable.add(column.index);
    }
    await this.session.query(`drop table ${qualified(dialect, before.stage)}`);
  }

  private sinkOf(target: Target): Sink {
    const sink = this.current.get(this.targetId(target));
    if (!sink) throw this.context.database.error({ what: 'internal', message: `Rows of ${target.stream} came before its schema.` });
    return sink;
  }

  private async acceptBatch(target: Target, taken: Batch): Promise<void> {
    const { dialect } = this.context.database;
    const { batch, rejections } = withoutRejected(taken, outOfCalendar(taken, dialect.calendar, dialect.name));
    this.accepted += rejections.length;
    this.rejected.push(...rejections);
    try {
      await this.writeBatch(target, batch);
    } finally {
      batch.release();
    }
  }

  private async writeBatch(target: Target, batch: Batch): Promise<void> {
    let sink = this.sinkOf(target);
    if (target.write === 'append' && batch.ops && !isPlain(batch) && !sink.logsChanges) sink = await this.logChanges(sink);
    const base = this.ordinal;
    this.ordinal += BigInt(batch.length);
    this.accepted += batch.length;
    const direct = this.directTarget(sink, batch);
    if (direct) {
      await this.beginDirect();
      sink.pending.direct += batch.length;
      return this.session.writer.write(direct, batch);
    }
    const stage = await this.stage(sink);
    noteChanges(sink, batch);
    sink.pending.staged += batch.length;
    await this.session.writer.write(withOrdinal(stage, base), batch);
  }

  /** Plain rows of a staged load go straight into its table, unless rows before them wait in a stage. */
  private directTarget(sink: Sink, batch: Batch): RowTarget | undefined {
    const waits = sink.pending.staged > 0 || sink.logsChanges;
    if (!this.opening.load.staged || waits || !isPlain(batch)) return undefined;
    sink.direct ??= directTarget(this.context.database.dialect, sink);
    return sink.direct;
  }

  /** Rows of a load's own table lie in the transaction of their commit: written once, seen by nobody before it. */
  private async beginDirect(): Promise<void> {
    if (this.inTransaction) return;
    await this.session.begin();
    this.inTransaction = true;
  }

  private async logChanges(sink: Sink): Promise<Sink> {
    const { sink: widened, changes } = await this.tables.prepare(sink.target, sink.schema, { generation: this.generations.get(sink.target.stream), changes: true });
    this.schemaChanges.push(...changes);
    sink.logsChanges = widened.logsChanges;
    return sink;
  }

  private async stage(sink: Sink) {
    if (sink.stageTarget) return sink.stageTarget;
    const { ddl, target } = stageFor(this.context.database.dialect, sink, [this.opening.load.id, this.opening.split.id, this.epoch, ++this.stages]);
    await this.session.writer.settle();
    await this.session.query(ddl);
    sink.stage = target.table;
    sink.stageTarget = target;
    return target;
  }

  private async acceptTruncate(target: Target): Promise<void> {
    if (target.write === 'append') return; // a truncate takes nothing from a log of rows
    const id = this.targetId(target);
    const known = this.current.get(id);
    const sink = known ?? (await this.tables.emptySink(target));
    if (!sink) return; // there is no table yet
    if (!known) await this.useSink(id, sink);
    const at = this.ordinal++;
    if (sink.pending.direct > 0) throw this.context.database.error({ what: 'internal', message: `${target.stream} was truncated within a load of parts.` });
    if (target.write === 'scd2') sink.pending.truncates.push(at);
    else sink.pending.truncatedAt = at;
  }

  private async acceptRebuild(target: Target, generation: string): Promise<void> {
    if (this.generations.get(target.stream) === generation && this.current.get(this.targetId(target))?.isTarget === false) return;
    this.generations.set(target.stream, generation);
    const known = this.current.get(this.targetId(target));
    if (!known) return;
    const { sink, changes } = await this.tables.prepare(target, known.schema, { generation, changes: known.logsChanges });
    this.schemaChanges.push(...changes);
    await this.useSink(this.targetId(target), sink);
  }

  flush(): Promise<readonly Rejection[]> {
    return this.explained(() => this.flushAll());
  }

  private async flushAll(): Promise<readonly Rejection[]> {
    this.bytes += await this.session.writer.finish();
    const rejections = this.rejected.splice(0);
    for (const sink of this.sinks.values()) {
      if (sink.pending.staged > 0) rejections.push(...await findViolations(this.context, this.session, sink));
    }
    this.refused += rejections.length;
    return rejections;
  }

  commit(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    return this.explained(() => this.commitAll(at, rejections));
  }

  private async commitAll(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    this.bytes += await this.session.writer.finish();
    let revision: number;
    const rows = this.accepted - this.refused;
    try {
      const begins = !this.inTransaction;
      this.inTransaction = true;
      revision = await this.commitIn(at, rejections, { rows, begins });
      await failpoint('sql.commit.before');
    } catch (error) {
      this.inTransaction = false;
      await this.session.rollback();
      throw error;
    }
    this.inTransaction = false;
    this.ended = true; // until the answer says otherwise: after an unknown commit nothing more is sent (rule 9)
    await this.session.commit();
    this.ended = false;
    await failpoint('sql.commit.after');
    const receipt = { revision, rows, rejected: rejections.length, bytes: this.bytes, schemaChanges: this.schemaChanges };
    this.startOver(at);
    return receipt;
  }

  private startOver(at: Checkpoint): void {
    for (const sink of this.sinks.values()) sink.pending = nothingPending();
    for (const stream of at.rebuilt ?? []) this.leaveShadow(stream);
    this.accepted = 0;
    this.refused = 0;
    this.bytes = 0;
    this.ordinal = 1n;
    this.schemaChanges = [];
  }

  /** From the swap on, rows of the stream go to the table that the shadow has become. */
  private leaveShadow(stream: string): void {
    this.generations.delete(stream);
    for (const [id, sink] of this.current) {
      if (sink.target.stream !== stream || sink.isTarget) continue;
      this.sinks.delete(sinkId(sink.into));
      const swapped: Sink = { ...sink, into: targetName(this.context.database.dialect, sink.target), isTarget: true, direct: undefined, pending: nothingPending() };
      this.sinks.set(sinkId(swapped.into), swapped);
      this.current.set(id, swapped);
    }
  }

  /** Locks and checks, rows, rejects, swaps, position: one transaction (rules 7, 16, 23). */
  private async commitIn(at: Checkpoint, rejections: readonly Rejection[], { rows, begins }: { readonly rows: number; readonly begins: boolean }): Promise<number> {
    const { context, session } = this;
    const { database, token } = context;
    const { load, split } = this.opening;
    const [, , before] = await holdFences(session, this.fences(), { begins });
    await failpoint('sql.commit.held');
    const dirty = [...this.sinks.values()].filter(isDirty).sort((a, b) => (sinkId(a.into) < sinkId(b.into) ? -1 : 1));
    await checkIncarnations(context, session, [...(load.rebuild ? [] : targetsOf(context, load, split)), ...dirty.map((sink) => ({ stream: sink.target.stream, name: sink.into }))]);
    for (const sink of dirty) {
      if (sink.target.write === 'scd2' && sink.isTarget) await applyVersions({ context, connection: session, position: at.position }, sink, load);
      else if (sink.pending.staged > 0 || sink.pending.truncatedAt !== undefined) await applySink({ context, connection: session, position: at.position }, sink);
      if (sink.stage) await session.query(`truncate table ${qualified(database.dialect, sink.stage)}`);
    }
    await this.storeRejections(rejections);
    for (const stream of at.rebuilt ?? []) await swapShadow(context, session, stream);
    const revision = count(before['revision']) + 1;
    await session.queries([
      {
        sql: `update ${STATE_SCHEMA}.splits set revision = $4, position = $5, complete = complete or $6, row_count = row_count + $7, rejected = rejected + $8, byte_count = byte_count + $9
          where pipe = $1 and load = $2 and split = $3`, params: [token.pipe, load.id, split.id, revision, json(at.position), at.last === true, rows, rejections.length, this.bytes],
      },
      ...(load.staged ? [] : [{
        sql: `update ${STATE_SCHEMA}.streams set fingerprint = $2 where pipe = $1 and fingerprint is null and stream in (${split.streams.map((stream) => database.dialect.literal(stream)).join(', ')})`, params: [token.pipe, load.fingerprint],
      }]),
    ]);
    return revision;
  }

  /** The same row rejected at a replay lands on itself (rule 31). */
  private async storeRejections(rejections: readonly Rejection[]): Promise<void> {
    const { database, token, now } = this.context;
    const rows = new Map(rejections.map((rejection) => [JSON.stringify([rejection.stream, rejection.id]), {
      pipe: token.pipe, stream: rejection.stream, id: rejection.id, load: this.opening.load.id, code: rejection.code, reason: rejection.reason,
      column_name: rejection.column ?? null, key_json: json(rejection.key), row_json: JSON.stringify(rejection.row), at: now(),
    }]));
    await this.session.queries(database.dialect.put({ table: 'quarantine', key: ['pipe', 'stream', 'id'], replaces: ['load', 'reason', 'at'], rows: [...rows.values()] }));
  }

  /** Never commits. What was staged goes with the connection (rule 2). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.opening.abort.removeEventListener('abort', this.onAbort);
    this.opening.closed(this);
    if (!this.ended && this.inTransaction) await this.session.cancel().catch(() => undefined);
    await this.session.close();
  }
}

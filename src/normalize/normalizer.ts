import { Arena, DELETE, gather, PRESENT, type Batch, type Schema, type Vector } from '../batch/index.ts';
import { EtlError } from '../errors/error.ts';
import type { Checkpoint, Rejection, SourceMessage, TargetMessage } from '../sdk/contract.ts';
import { nullRows, type ColumnPlan } from './column.ts';
import { compilePlan, heldAtFirst, type Held, type StreamPlan } from './plan.ts';
import { normalizeRejection, rejectionOf, type Reason, type Reasons } from './rejections.ts';
import type { NormalizeSpec } from './spec.ts';

export interface NormalizeCounts {
  /** Rows seen, the source's rejected ones included. */
  rows: number;
  rejected: number;
  /** Values that held bad text: repaired, rejected or kept, as the policy says. */
  repairedText: number;
}

export interface Normalizer {
  /** One message becomes none or several. Owns the batch and hands on its rows. */
  apply(message: Exclude<SourceMessage, Checkpoint>): readonly TargetMessage[];
  /** Rejections since the last take, by normalisation and by the source. */
  takeRejections(): readonly Rejection[];
  /** Per stream, cumulative. */
  readonly counts: ReadonlyMap<string, Readonly<NormalizeCounts>>;
}

export function createNormalizer(specs: readonly NormalizeSpec[]): Normalizer {
  const rejections: Rejection[] = [];
  const streams = new Map(specs.map((spec) => [spec.stream, new StreamNormalizer(spec, rejections)]));
  const counts = new Map([...streams].map(([name, stream]) => [name, stream.counts]));
  return {
    counts,
    takeRejections: () => rejections.splice(0),
    apply: (message) => {
      const stream = streams.get(message.stream);
      if (!stream) throw new EtlError({ kind: 'internal', code: 'ETL-NRM-004', message: `The source sent ${message.stream}, which is not selected.` });
      return stream.apply(message);
    },
  };
}

class StreamNormalizer {
  readonly counts: NormalizeCounts = { rows: 0, rejected: 0, repairedText: 0 };
  private readonly spec: NormalizeSpec;
  private readonly rejections: Rejection[];
  private readonly held: Held;
  private plan: StreamPlan | undefined;
  private planned: string | undefined;

  constructor(spec: NormalizeSpec, rejections: Rejection[]) {
    this.spec = spec;
    this.rejections = rejections;
    this.held = heldAtFirst(spec);
  }

  apply(message: Exclude<SourceMessage, Checkpoint>): readonly TargetMessage[] {
    const { target } = this.spec;
    switch (message.type) {
      case 'schema': return [{ type: 'schema', target, schema: this.planFor(message.schema).plan.schema }];
      case 'truncate': return [{ type: 'truncate', target }];
      case 'rebuild': return [{ type: 'rebuild', target, generation: message.generation }];
      case 'rejected': return this.takeRejected(message.rejections);
      case 'batch': return this.applyBatch(message.batch);
    }
  }

  private planFor(schema: Schema): { plan: StreamPlan; isNew: boolean } {
    if (this.plan?.source === schema) return { plan: this.plan, isNew: false };
    const shape = JSON.stringify(schema);
    if (this.plan && this.planned === shape) return { plan: this.plan, isNew: false };
    this.plan = compilePlan(this.spec, schema, this.held, (values) => { this.counts.repairedText += values; });
    this.planned = shape;
    return { plan: this.plan, isNew: true };
  }

  private takeRejected(rejected: readonly Rejection[]): readonly TargetMessage[] {
    const names = new Map((this.plan?.columns ?? []).map((column) => [column.source.name, column.target.name]));
    this.counts.rows += rejected.length;
    this.reject(rejected.map((rejection) => normalizeRejection(this.spec, names, rejection)));
    return [];
  }

  private reject(rejections: readonly Rejection[]): void {
    const [first] = rejections;
    if (!first) return;
    if (this.spec.badRows === 'fail' || (this.spec.badText === 'fail' && rejections.some((rejection) => rejection.code === 'ETL-NRM-011'))) {
      throw new EtlError({
        kind: 'data', code: first.code, message: `${this.spec.stream}, key ${JSON.stringify(first.key ?? null)}: ${first.reason}`,
        hint: 'Correct the row at the source, or let the job quarantine rows that can\'t be delivered (errors.bad_rows).',
      });
    }
    this.counts.rejected += rejections.length;
    this.rejections.push(...rejections);
  }

  private applyBatch(batch: Batch): readonly TargetMessage[] {
    const { target } = this.spec;
    const arena = new Arena();
    let normal: Batch | undefined;
    try {
      const { plan, isNew } = this.planFor(batch.schema);
      const work = new BatchWork(this.spec, plan, batch, arena);
      normal = batch.derive(work.parts(), [arena]);
      this.counts.rows += batch.length;
      this.reject(work.rejections());
      const kept = work.keptRows();
      const handed = kept ? gather(normal, kept) : normal;
      if (kept) normal.release();
      normal = undefined;
      const messages: TargetMessage[] = isNew ? [{ type: 'schema', target, schema: plan.schema }] : [];
      if (handed.length > 0 || batch.length === 0) messages.push({ type: 'batch', target, batch: handed });
      else handed.release();
      return messages;
    } catch (error) {
      if (normal) normal.release();
      else arena.release();
      throw error;
    } finally {
      batch.release();
    }
  }
}

/** The changes of one batch, column by column, and the rows that they reject. */
class BatchWork {
  private readonly reasons = new Map<number, Reasons>();
  private readonly given: Vector[] = [];
  private readonly changed: Vector[] = [];
  private readonly spec: NormalizeSpec;
  private readonly plan: StreamPlan;
  private readonly batch: Batch;
  private readonly arena: Arena;

  constructor(spec: NormalizeSpec, plan: StreamPlan, batch: Batch, arena: Arena) {
    this.spec = spec;
    this.plan = plan;
    this.batch = batch;
    this.arena = arena;
  }

  parts() {
    const { batch, plan } = this;
    for (const { index, name } of plan.discarded) this.discard(batch.columns[index], name);
    plan.columns.forEach((column, c) => this.changeColumn(column, plan.key.includes(c)));
    const oldKeys = batch.oldKeys && plan.key.flatMap((c, k) => this.changeOldKey(plan.columns[c], batch.oldKeys?.[k]));
    const { before } = batch;
    const oldRows = before && plan.columns.flatMap((column) => this.changeBefore(column, before[column.index]));
    return {
      stream: batch.stream, schema: plan.schema, length: batch.length, columns: this.changed,
      ...(batch.ops && { ops: batch.ops }), ...(batch.seq && { seq: batch.seq }), ...(oldKeys && { oldKeys }), ...(oldRows && { before: oldRows }),
    };
  }

  /** Indices of the rows that stay; undefined when all do. */
  keptRows(): Int32Array | undefined {
    if (this.reasons.size === 0) return undefined;
    const kept = new Int32Array(this.batch.length - this.reasons.size);
    for (let i = 0, at = 0; i < this.batch.length; i++) if (!this.reasons.has(i)) kept[at++] = i;
    return kept;
  }

  rejections(): Rejection[] {
    const columns = { given: this.given, changed: this.changed };
    return [...this.reasons].sort(([a], [b]) => a - b).map(([i, reasons]) => rejectionOf(this.spec, this.plan, columns, { i, reasons }));
  }

  private discard(vector: Vector | undefined, name: string): void {
    for (let i = 0; i < this.batch.length; i++) {
      if (vector && (vector.validity?.[i] ?? PRESENT) === PRESENT && !this.isDelete(i)) {
        this.refuse(i, { code: 'ETL-NRM-014', reason: `Column ${name} is not in the contract.`, column: name });
      }
    }
  }

  private changeColumn(column: ColumnPlan, isKey: boolean): void {
    const vector = this.batch.columns[column.index];
    if (!vector) throw new EtlError({ kind: 'internal', code: 'ETL-BAT-003', message: `${this.spec.stream}: a batch lacks the column ${column.source.name}.` });
    const excused = new Set<number>();
    const changed = column.change(vector, this.arena, (rows, code, reason) => {
      for (const i of rows) {
        if (!isKey && this.isDelete(i)) {
          if (code !== 'ETL-NRM-012') excused.add(i);
        } else this.refuse(i, { code, reason, column: column.source.name });
      }
    });
    this.given.push(vector);
    this.changed.push(nullRows(changed, excused, this.arena));
  }

  private changeOldKey(column: ColumnPlan | undefined, vector: Vector | undefined): Vector[] {
    if (!column || !vector) return [];
    return [column.change(vector, this.arena, (rows, code, reason) => {
      // An old key that is NULL is a key that did not change: no check is about it.
      if (code === 'ETL-NRM-012') return;
      for (const i of rows) this.refuse(i, { code, reason, column: column.source.name });
    })];
  }

  /** An old row's value that can't be changed is NULL: it decides nothing. */
  private changeBefore(column: ColumnPlan, vector: Vector | undefined): Vector[] {
    if (!vector) return [];
    const lost = new Set<number>();
    const changed = column.change(vector, this.arena, (rows, code) => {
      if (code !== 'ETL-NRM-012') for (const i of rows) lost.add(i);
    });
    return [nullRows(changed, lost, this.arena)];
  }

  /** A delete carries its key; that another column of the old row is bad must not keep the row alive at the target. */
  private isDelete(i: number): boolean {
    return this.batch.ops?.[i] === DELETE && this.spec.target.write !== 'append';
  }

  /** Each fault of a row is told; a value that could not be changed has no further ones. */
  private refuse(i: number, reason: Reason): void {
    const before = this.reasons.get(i);
    if (!before) this.reasons.set(i, [reason]);
    else if (!before.some((one) => one.column === reason.column && (one.code !== 'ETL-NRM-012' || one.reason === reason.reason))) this.reasons.set(i, [...before, reason]);
  }
}


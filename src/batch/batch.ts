import type { Arena } from './memory.ts';
import { widthOf, type Field, type LogicalType, type Schema } from './types.ts';

/**
 * One column of a batch, all of it in the linear memory (`data.byteOffset` is its address for a kernel).
 *
 * - fixed width: `data` holds `length * widthOf(type)` bytes, little-endian; bool is one byte a value, 0 or 1; uuid in text order
 * - text, bytes, number, json: `data` holds the bytes, value i is `offsets[i]` to `offsets[i + 1]`; `offsets[0]` is 0
 * - list: value i is `children[0]` from `offsets[i]` to `offsets[i + 1]`; struct: one child a field, of the same length
 *
 * What a value that is not present holds is undefined, but its offsets are equal.
 */
export interface Vector {
  readonly type: LogicalType;
  readonly length: number;
  /** One byte a row: NULL, PRESENT or UNAVAILABLE; undefined when all are present. */
  readonly validity: Uint8Array | undefined;
  readonly data: Uint8Array;
  readonly offsets: Int32Array | undefined;
  readonly children: readonly Vector[];
}

/** The columns and marks of some rows, in source order. */
export interface BatchParts {
  readonly stream: string;
  readonly schema: Schema;
  readonly length: number;
  readonly columns: readonly Vector[];
  /** Per row SNAPSHOT, INSERT, UPDATE or DELETE; absent: all SNAPSHOT. */
  readonly ops?: Uint8Array;
  /** The key before the change, a vector a key column in the schema's key order; null where the key did not change. */
  readonly oldKeys?: readonly Vector[];
  /** The whole old row, a vector a field, where the source has it. */
  readonly before?: readonly Vector[];
  /** Place of each row in the source's order within this read. */
  readonly seq?: BigInt64Array;
}

/** The unit of flow. Owned by one holder at a time, who hands it on or releases it. */
export class Batch implements BatchParts {
  readonly stream: string;
  readonly schema: Schema;
  readonly length: number;
  readonly columns: readonly Vector[];
  readonly ops?: Uint8Array;
  readonly oldKeys?: readonly Vector[];
  readonly before?: readonly Vector[];
  readonly seq?: BigInt64Array;
  readonly byteSize: number;
  private readonly arenas: readonly Arena[];
  private released = false;

  /** `arenas` hold the memory of the parts; the batch owns one share of each. */
  constructor(parts: BatchParts, arenas: readonly Arena[]) {
    this.stream = parts.stream;
    this.schema = parts.schema;
    this.length = parts.length;
    this.columns = parts.columns;
    if (parts.ops) this.ops = parts.ops;
    if (parts.oldKeys) this.oldKeys = parts.oldKeys;
    if (parts.before) this.before = parts.before;
    if (parts.seq) this.seq = parts.seq;
    this.byteSize = this.columns.reduce((sum, vector) => sum + vectorBytes(vector), 0);
    this.arenas = arenas;
  }

  /** A batch that shares this one's memory and owns `more` besides. Both have to be released. */
  derive(parts: BatchParts, more: readonly Arena[] = []): Batch {
    for (const arena of this.arenas) arena.retain();
    return new Batch(parts, [...this.arenas, ...more]);
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    for (const arena of this.arenas) arena.release();
  }
}

/** Bytes of values, offsets and validity. */
export function vectorBytes(vector: Vector): number {
  const own = widthOf(vector.type) === 0 ? (vector.offsets?.[vector.length] ?? 0) : vector.length * widthOf(vector.type);
  const values = vector.type.kind === 'list' || vector.type.kind === 'struct' ? 0 : own;
  return values + (vector.offsets?.byteLength ?? 0) + (vector.validity?.byteLength ?? 0)
    + vector.children.reduce((sum, child) => sum + vectorBytes(child), 0);
}

/** The column of that name, or undefined. */
export function columnOf(batch: BatchParts, name: string): { field: Field; vector: Vector } | undefined {
  const index = batch.schema.fields.findIndex((field) => field.name === name);
  const field = batch.schema.fields[index];
  const vector = batch.columns[index];
  return field && vector ? { field, vector } : undefined;
}

import type bindings from '@duckdb/node-bindings';
import type { Vector as NativeVector } from '@duckdb/node-bindings';
import { Arena, linearMemory, UNAVAILABLE, viewInt32, widthOf, type Batch, type LogicalType, type Vector } from '#batch';
import { kernels } from '#kernels';
import { EtlError } from '#sdk';
import type { RowColumn } from '../_shared/sql/dialect.ts';

type Bindings = typeof bindings;

/** Strings of at most this many bytes lie in DuckDB's string_t itself. */
const INLINE = 12;
/** One string_t. */
const STRING_BYTES = 16;

/** Types that DuckDB holds in another way than we do; the rest is copied as it lies. */
const CONVERTED: ReadonlySet<LogicalType['kind']> = new Set(['decimal', 'uuid', 'interval', 'date', 'timestamp', 'timestamptz']);

/** Where a value is in a batch, for a message. */
export interface Place {
  readonly stream: string;
  readonly column: string;
}

/** Copies rows of our vectors into DuckDB's own memory, column by column: one kernel and one copy for each column of a chunk. */
export class ChunkEncoder {
  private readonly native: Bindings;
  private scratch = new Arena();
  private readonly rooms: { address: number; size: number }[] = [];

  constructor(native: Bindings) {
    this.native = native;
  }

  dispose(): void {
    this.scratch.release();
    this.scratch = new Arena();
    this.rooms.length = 0;
  }

  /** Room that lasts until the next call for the same slot. Kernels and one copy use it before anything else does. */
  private room(slot: number, size: number): number {
    const known = this.rooms[slot];
    if (known && known.size >= size) return known.address;
    const fresh = { address: this.scratch.allocate(size), size };
    this.rooms[slot] = fresh;
    return fresh.address;
  }

  /** Rows `from` to `from + count` of what the column takes its values from, put from row `to` of the vector on: one that {@link mayFollow}. */
  column(into: NativeVector, column: RowColumn | undefined, at: { batch: Batch; mask: Vector | undefined; from: number; count: number; to: number }): void {
    const { batch, from, count, to } = at;
    if (!column) return this.vectorOrNull(into, undefined, { from, count, to, place: { stream: batch.stream, column: '' } });
    const source = column.from;
    const place = { stream: batch.stream, column: column.name };
    switch (source.kind) {
      case 'field': return this.vectorOrNull(into, batch.columns[source.index], { from, count, to, place });
      case 'oldKey': return this.vectorOrNull(into, batch.oldKeys?.[source.index], { from, count, to, place });
      case 'unavailable': return this.vectorOrNull(into, at.mask, { from, count, to, place });
      case 'ordinal': {
        const out = this.room(0, count * 8);
        kernels().duckOrdinals(source.base + BigInt(from), count, out);
        return this.copy(into, out, { width: 8, count, to });
      }
      case 'op': {
        const out = this.room(0, count * 2);
        kernels().duckOps(batch.ops ? batch.ops.byteOffset + from : 0, count, out);
        return this.copy(into, out, { width: 2, count, to });
      }
    }
  }

  private vectorOrNull(into: NativeVector, vector: Vector | undefined, rows: Rows): void {
    if (vector) return this.vector(into, vector, rows);
    const bytes = validityBytes(rows.count);
    const out = this.room(0, bytes);
    new Uint8Array(linearMemory.buffer, out, bytes).fill(0);
    this.validity(into, out, rows);
  }

  private vector(into: NativeVector, vector: Vector, rows: Rows): void {
    const { from, count } = rows;
    if (count === 0) return;
    this.values(into, vector, rows);
    if (!vector.validity) return;
    const out = this.room(0, validityBytes(count));
    const present = kernels().duckValidity(vector.validity.byteOffset, from, count, out);
    if (present === count) return;
    this.validity(into, out, rows);
  }

  private validity(into: NativeVector, address: number, { count, to }: Rows): void {
    this.native.vector_ensure_validity_writable(into);
    this.native.copy_data_to_vector_validity(into, to / 8, linearMemory.buffer, address, validityBytes(count));
  }

  private values(into: NativeVector, vector: Vector, rows: Rows): void {
    const { type } = vector;
    if (type.kind === 'list') this.list(into, vector, rows);
    else if (type.kind === 'struct') vector.children.forEach((child, index) => this.vector(this.native.struct_vector_get_child(into, index), child, rows));
    else if (widthOf(type) === 0) this.strings(into, vector, rows);
    else if (CONVERTED.has(type.kind)) this.converted(into, vector, rows);
    else this.copy(into, vector.data.byteOffset + rows.from * widthOf(type), { ...rows, width: widthOf(type) });
  }

  private converted(into: NativeVector, vector: Vector, { from, count, to, place }: Rows): void {
    const { type } = vector;
    const data = vector.data.byteOffset + from * widthOf(type);
    const valid = vector.validity ? vector.validity.byteOffset + from : 0;
    const width = physicalWidth(type);
    if (type.kind === 'decimal' && width === widthOf(type)) return this.copy(into, data, { width, count, to });
    const out = this.room(0, count * width);
    let bad = -1;
    if (type.kind === 'decimal') kernels().duckNarrow(width, data, count, out);
    else if (type.kind === 'uuid') kernels().duckUuids(data, count, out);
    else if (type.kind === 'interval') kernels().duckIntervals(data, count, out);
    else if (type.kind === 'date') bad = kernels().duckDates(data, valid, count, out);
    else bad = kernels().duckInstants(data, valid, count, out);
    if (bad >= 0) throw unfit(place, `row ${from + bad} of the batch holds a ${type.kind} that is out of DuckDB's range`);
    this.copy(into, out, { width, count, to });
  }

  /** All bytes of these rows go over at once, as the value of their first row; then each row points into that copy. */
  private strings(into: NativeVector, vector: Vector, { from, count, to, place }: Rows): void {
    const offsets = vector.offsets ?? viewInt32(0, 0);
    const start = offsets[from] ?? 0;
    const length = (offsets[from + count] ?? 0) - start;
    let heap = 0n;
    if (length > INLINE) {
      this.native.vector_assign_string_element_len(into, to, vector.data.subarray(start, start + length));
      const entries = this.native.vector_get_data(into, (to + 1) * STRING_BYTES);
      const view = new DataView(entries.buffer, entries.byteOffset + to * STRING_BYTES, STRING_BYTES);
      if (view.getUint32(0, true) !== length) throw unfit(place, 'a text is not UTF-8');
      heap = view.getBigUint64(8, true);
    }
    const out = this.room(0, count * STRING_BYTES);
    kernels().duckStrings(vector.data.byteOffset, offsets.byteOffset, vector.validity?.byteOffset ?? 0, from, count, heap, out);
    this.copy(into, out, { width: STRING_BYTES, count, to });
  }

  private list(into: NativeVector, vector: Vector, { from, count, to, place }: Rows): void {
    const offsets = vector.offsets ?? viewInt32(0, 0);
    const start = offsets[from] ?? 0;
    const elements = (offsets[from + count] ?? 0) - start;
    const out = this.room(0, count * 16);
    kernels().duckLists(offsets.byteOffset, vector.validity?.byteOffset ?? 0, from, count, out);
    this.copy(into, out, { width: 16, count, to });
    this.native.list_vector_reserve(into, elements);
    this.native.list_vector_set_size(into, elements);
    const child = vector.children[0];
    if (child) this.vector(this.native.list_vector_get_child(into), child, { from: start, count: elements, to: 0, place });
  }

  private copy(into: NativeVector, address: number, { width, count, to }: { width: number; count: number; to: number }): void {
    this.native.copy_data_to_vector(into, to * width, linearMemory.buffer, address, count * width);
  }
}

/** Whether rows may be put after so many: validity is copied in words of 64 rows, and elements of lists begin at the first. */
export function mayFollow(rows: number, columns: readonly RowColumn[]): boolean {
  return rows % 64 === 0 && columns.every(({ from }) => !('type' in from) || isFlat(from.type));
}

function isFlat(type: LogicalType): boolean {
  return type.kind === 'struct' ? type.fields.every((field) => isFlat(field.type)) : type.kind !== 'list';
}

interface Rows {
  readonly from: number;
  readonly count: number;
  /** The vector's row that the first goes to. */
  readonly to: number;
  readonly place: Place;
}

const validityBytes = (rows: number): number => Math.ceil(rows / 64) * 8;

function physicalWidth(type: LogicalType): number {
  if (type.kind !== 'decimal') return widthOf(type);
  if (type.precision <= 4) return 2;
  return type.precision <= 9 ? 4 : widthOf(type);
}

function unfit(place: Place, what: string): EtlError {
  return new EtlError({
    kind: 'data', code: 'ETL-DUCK-010', message: `Column ${place.column} of ${place.stream}: ${what}.`, hint: 'Cast the column to text, or correct the value at the source.',
  });
}

/** A text a row, one character a field: `1` where the value is unavailable. undefined when all values of the batch are there. */
export function unavailableMask(batch: Batch, arena: Arena): Vector | undefined {
  const lacking = batch.columns.map((column) => column.validity?.subarray(0, batch.length).includes(UNAVAILABLE) === true);
  if (!lacking.includes(true)) return undefined;
  const width = batch.columns.length;
  const data = arena.bytes(batch.length * width).fill(0x30);
  const validity = arena.bytes(batch.length).fill(0);
  const offsets = viewInt32(arena.allocate((batch.length + 1) * 4), batch.length + 1);
  for (let row = 0; row <= batch.length; row++) offsets[row] = row * width;
  batch.columns.forEach((column, index) => {
    for (let row = 0; lacking[index] && row < batch.length; row++) {
      if (column.validity?.[row] !== UNAVAILABLE) continue;
      data[row * width + index] = 0x31;
      validity[row] = 1;
    }
  });
  return { type: { kind: 'text' }, length: batch.length, validity, data, offsets, children: [] };
}

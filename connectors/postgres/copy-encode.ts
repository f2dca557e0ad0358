import { Arena, toTextVector, viewBytes, type Batch, type LogicalType, type Vector, UNAVAILABLE } from '#batch';
import { kernels } from '#kernels';
import { EtlError } from '#sdk';
import type { RowColumn, RowTarget } from '../_shared/sql/dialect.ts';
import { canonicalName, isFlat } from './target-types.ts';

/** Element types of arrays: array_recv wants exactly the column's. */
const OIDS: Readonly<Record<string, number>> = {
  boolean: 16, bytea: 17, bigint: 20, smallint: 21, integer: 23, text: 25, json: 114, real: 700, 'double precision': 701, date: 1082, 'time without time zone': 1083,
  'timestamp without time zone': 1114, 'timestamp with time zone': 1184, interval: 1186, numeric: 1700, uuid: 2950,
};

interface Encoded {
  size(sizes: number, n: number): void;
  write(cursors: number, n: number): void;
}

const address = (view: Uint8Array | Int32Array | undefined): number => view?.byteOffset ?? 0;

/** Bytes of rows as COPY wants them, in a slab of the arena, with room for the head of a CopyData message before them. */
export function encodeRows(into: RowTarget, batch: Batch, arena: Arena): Uint8Array {
  const n = batch.length;
  const sizes = arena.allocate(n * 4);
  viewBytes(sizes, n * 4).fill(0);
  const columns = into.columns.map((column) => encoder(column, batch, arena));
  for (const column of columns) column.size(sizes, n);
  const total = new Uint32Array(viewBytes(sizes, n * 4).buffer, sizes, n).reduce((sum, size) => sum + size + 2, 0);
  const out = arena.allocate(total + HEAD);
  kernels().writeRows(sizes, n, columns.length, out + HEAD);
  for (const column of columns) column.write(sizes, n);
  return viewBytes(out, total + HEAD);
}
/** Length of a CopyData message's head. */
export const HEAD = 5;

function encoder(column: RowColumn, batch: Batch, arena: Arena): Encoded {
  const { from } = column;
  switch (from.kind) {
    case 'field': return fieldEncoder(batch.columns[from.index], column, arena);
    case 'oldKey': return batch.oldKeys ? fieldEncoder(batch.oldKeys[from.index], column, arena) : nothing;
    case 'ordinal': return { size: (sizes, n) => kernels().writeSizeFixed(sizes, n, 0, 8), write: (cursors, n) => kernels().writeOrdinal(cursors, n, from.base) };
    case 'op': {
      const ops = batch.ops ?? arena.bytes(batch.length).fill(0);
      return { size: (sizes, n) => kernels().writeSizeFixed(sizes, n, 0, 2), write: (cursors, n) => kernels().writeInt2(cursors, n, 0, address(ops), 1) };
    }
    case 'unavailable': {
      const mask = maskOf(batch, arena);
      return mask ? vectorEncoder(mask, column, arena) : nothing;
    }
  }
}

const nothing: Encoded = { size: (sizes, n) => kernels().writeSizeFixed(sizes, n, 0, 0), write: (cursors, n) => kernels().writeNull(cursors, n) };

/** One character a field, `1` where the value was not sent; NULL where all were. */
function maskOf(batch: Batch, arena: Arena): Vector | undefined {
  const columns = batch.columns.map((vector) => vector.validity);
  const lacking = columns.flatMap((validity, index) => (validity?.includes(UNAVAILABLE) ? [index] : []));
  if (lacking.length === 0) return undefined;
  const width = batch.columns.length;
  const data = arena.bytes(batch.length * width);
  const validity = arena.bytes(batch.length).fill(0);
  const offsets = new Int32Array(data.buffer, arena.allocate((batch.length + 1) * 4), batch.length + 1);
  data.fill(0x30);
  for (const index of lacking) {
    columns[index]?.forEach((state, row) => {
      if (state !== UNAVAILABLE) return;
      validity[row] = 1;
      data[row * width + index] = 0x31;
    });
  }
  offsets.forEach((_, row) => { offsets[row] = row * width; });
  return { type: { kind: 'text' }, length: batch.length, validity, data, offsets, children: [] };
}

function fieldEncoder(vector: Vector | undefined, column: RowColumn, arena: Arena): Encoded {
  if (!vector) return nothing;
  const name = canonicalName(column.type).replace(/\(.*\)/, '');
  const isText = ['text', 'character varying', 'character', 'name'].includes(name);
  const asText = isText && vector.type.kind !== 'text' && vector.type.kind !== 'json';
  const asJson = vector.type.kind === 'struct' || (vector.type.kind === 'list' && !isFlat(vector.type));
  return vectorEncoder(asText || asJson ? toTextVector(vector, arena) : vector, column, arena);
}

function vectorEncoder(vector: Vector, column: RowColumn, arena: Arena): Encoded {
  const validity = address(vector.validity);
  const data = address(vector.data);
  const offsets = address(vector.offsets);
  const { type } = vector;
  const k = kernels();
  if (type.kind === 'list') return listEncoder(vector, column, arena);
  if (type.kind === 'struct') return vectorEncoder(toTextVector(vector, arena), column, arena);
  if (type.kind === 'text' || type.kind === 'bytes' || type.kind === 'json') return bytesEncoder(vector, type.kind === 'json' && canonicalName(column.type) === 'jsonb');
  if (type.kind === 'number') return { size: (sizes, n) => k.writeSizeNumber(sizes, n, validity, data, offsets), write: (cursors, n) => k.writeNumber(cursors, n, validity, data, offsets) };
  if (type.kind === 'uint64') return { size: (sizes, n) => k.writeSizeUnsigned(sizes, n, validity, data), write: (cursors, n) => k.writeUnsigned(cursors, n, validity, data) };
  if (type.kind !== 'decimal') return fixedEncoder(vector, column);
  const wide = type.precision > 18 ? 1 : 0;
  return { size: (sizes, n) => k.writeSizeDecimal(sizes, n, validity, data, wide, type.scale), write: (cursors, n) => k.writeDecimal(cursors, n, validity, data, wide, type.scale) };
}

/** jsonb has its version before the text. */
function bytesEncoder(vector: Vector, isJsonb: boolean): Encoded {
  const [validity, data, offsets] = [address(vector.validity), address(vector.data), address(vector.offsets)];
  return {
    size: (sizes, n) => kernels().writeSizeBytes(sizes, n, validity, offsets, isJsonb ? 1 : 0),
    write: (cursors, n) => kernels().writeBytes(cursors, n, validity, data, offsets, isJsonb ? 1 : -1),
  };
}

function listEncoder(vector: Vector, column: RowColumn, arena: Arena): Encoded {
  const [child] = vector.children;
  const element = canonicalName(column.type).replace(/\[\]$/, '');
  const oid = OIDS[element.replace(/\(.*\)/, '')];
  if (!child || oid === undefined) throw new EtlError({ kind: 'internal', code: 'ETL-PG-107', message: `There is no array of ${element}.` });
  const inner = vectorEncoder(child, { ...column, type: element }, arena);
  const sizes = arena.allocate(child.length * 4);
  const [validity, offsets] = [address(vector.validity), address(vector.offsets)];
  return {
    size: (rows, n) => {
      viewBytes(sizes, child.length * 4).fill(0);
      inner.size(sizes, child.length);
      kernels().writeSizeList(rows, n, validity, offsets, sizes);
    },
    write: (cursors, n) => {
      kernels().writeList(cursors, n, validity, offsets, sizes, oid);
      inner.write(sizes, child.length);
    },
  };
}

type Writing = (cursors: number, n: number, validity: number, data: number) => number | void;

interface Writer {
  readonly width: number;
  readonly write: Writing;
}
/** How a value of a fixed width is written; all others are eight bytes. */
const WRITERS: Partial<Record<LogicalType['kind'], Writer>> = {
  bool: { width: 1, write: (...at) => kernels().writeFixed1(...at) },
  int8: { width: 2, write: (...at) => kernels().writeInt2(...at, 0) },
  uint8: { width: 2, write: (...at) => kernels().writeInt2(...at, 1) },
  int16: { width: 2, write: (...at) => kernels().writeInt2(...at, 2) },
  uint16: { width: 4, write: (...at) => kernels().writeFixed4(...at, 1) },
  int32: { width: 4, write: (...at) => kernels().writeFixed4(...at, 0) },
  float32: { width: 4, write: (...at) => kernels().writeFixed4(...at, 0) },
  uint32: { width: 8, write: (...at) => kernels().writeFixed8(...at, 1) },
  date: { width: 4, write: (...at) => kernels().writeDate(...at) },
  timestamp: { width: 8, write: (...at) => kernels().writeTimestamp(...at) },
  timestamptz: { width: 8, write: (...at) => kernels().writeTimestamp(...at) },
  uuid: { width: 16, write: (...at) => kernels().writeUuid(...at) },
  interval: { width: 16, write: (...at) => kernels().writeInterval(...at) },
};
const EIGHT: Writer = { width: 8, write: (...at) => kernels().writeFixed8(...at, 0) };

function fixedEncoder(vector: Vector, column: RowColumn): Encoded {
  const { width, write } = WRITERS[vector.type.kind] ?? EIGHT;
  const [validity, data] = [address(vector.validity), address(vector.data)];
  return {
    size: (sizes, n) => kernels().writeSizeFixed(sizes, n, validity, width),
    write: (cursors, n) => {
      const bad = write(cursors, n, validity, data);
      if (typeof bad === 'number' && bad >= 0) {
        throw new EtlError({ kind: 'data', code: 'ETL-PG-106', message: `Row ${bad} of a batch has a ${vector.type.kind} in ${column.name} that Postgres does not hold (before 4713 BC, or too late).`, hint: 'Cast the column to text, or let a check reject such rows.' });
      }
    },
  };
}

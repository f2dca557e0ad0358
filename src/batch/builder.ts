import { EtlError } from '../errors/error.ts';
import { Batch, type Vector } from './batch.ts';
import { canonicalNumber } from './numbers.ts';
import { Arena, viewBytes, viewInt32, viewInt64 } from './memory.ts';
import { writeScalar } from './scalar.ts';
import { NULL, PRESENT, UNAVAILABLE, widthOf, type Field, type LogicalType, type Schema } from './types.ts';
import { OP_NAMES, UNAVAILABLE_VALUE, type RowInput, type Value } from './value.ts';

/** Where a column of values stands, for the message of an error. */
export interface Place {
  readonly stream: string;
  readonly column: string;
}

/** A batch of these rows, in an arena of its own. What a value does not fit throws ETL-BAT-001 with stream, row and column. */
export function batchOf(stream: string, schema: Schema, rows: readonly RowInput[]): Batch {
  const arena = new Arena();
  try {
    return new Batch({ stream, schema, length: rows.length, ...partsOf(stream, schema, rows, arena) }, [arena]);
  } catch (error) {
    arena.release();
    throw error;
  }
}

/** A column may be called `valueOf`: only what the object itself has counts. */
function memberOf(object: Readonly<Record<string, Value>> | null | undefined, name: string): Value {
  return object && Object.hasOwn(object, name) ? object[name] ?? null : null;
}

type Source = (row: RowInput) => Readonly<Record<string, Value>> | null | undefined;

function partsOf(stream: string, schema: Schema, rows: readonly RowInput[], arena: Arena) {
  const vectorsOf = (fields: readonly Field[], source: Source): Vector[] => fields.map((field) =>
    vectorOf(field.type, rows.map((row) => memberOf(source(row), field.name)), arena, { stream, column: field.name }));
  const keyFields = schema.key.flatMap((name) => schema.fields.filter((field) => field.name === name));
  return {
    columns: vectorsOf(schema.fields, (row) => row.values),
    ...(rows.some((row) => row.op) && { ops: opsOf(rows, arena) }),
    ...(rows.some((row) => row.oldKey) && { oldKeys: vectorsOf(keyFields, (row) => row.oldKey) }),
    ...(rows.some((row) => row.before) && { before: vectorsOf(schema.fields, (row) => row.before) }),
    ...(rows.some((row) => row.seq !== undefined) && { seq: seqOf(rows, arena) }),
  };
}

function opsOf(rows: readonly RowInput[], arena: Arena): Uint8Array {
  const ops = arena.bytes(rows.length);
  rows.forEach((row, i) => { ops[i] = OP_NAMES.indexOf(row.op ?? 'snapshot'); });
  return ops;
}

function seqOf(rows: readonly RowInput[], arena: Arena): BigInt64Array {
  const seq = viewInt64(arena.allocate(rows.length * 8), rows.length);
  rows.forEach((row, i) => { seq[i] = row.seq ?? 0n; });
  return seq;
}

/** A vector of these values. */
export function vectorOf(type: LogicalType, values: readonly Value[], arena: Arena, place: Place = { stream: '?', column: '?' }): Vector {
  const validity = validityOf(values, arena);
  const build = type.kind === 'list' ? buildList : type.kind === 'struct' ? buildStruct : widthOf(type) > 0 ? buildFixed : buildVar;
  return { ...build(type, values, arena, place), validity };
}

function validityOf(values: readonly Value[], arena: Arena): Uint8Array | undefined {
  if (values.every(isPresent)) return undefined;
  const validity = arena.bytes(values.length);
  values.forEach((value, i) => { validity[i] = value === null ? NULL : value === UNAVAILABLE_VALUE ? UNAVAILABLE : PRESENT; });
  return validity;
}

function isPresent(value: Value): boolean {
  return value !== null && value !== UNAVAILABLE_VALUE;
}

function buildFixed(type: LogicalType, values: readonly Value[], arena: Arena, place: Place): Vector {
  const vector = fixedVector(type, values.length, arena);
  const view = new DataView(vector.data.buffer, vector.data.byteOffset, vector.data.byteLength);
  const width = widthOf(type);
  values.forEach((value, i) => {
    if (isPresent(value) && !writeScalar(type, value, view, i * width)) refuse(type, value, i, place);
  });
  return vector;
}

function buildVar(type: LogicalType, values: readonly Value[], arena: Arena, place: Place): Vector {
  const encoded = values.map((value, i) => (isPresent(value) ? encode(type, value) ?? refuse(type, value, i, place) : ''));
  const total = encoded.reduce((sum, value) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : value.length), 0);
  const vector = varVector(type, values.length, total, arena);
  const buffer = Buffer.from(vector.data.buffer, vector.data.byteOffset, total);
  let at = 0;
  encoded.forEach((value, i) => {
    if (typeof value === 'string') at += buffer.write(value, at, 'utf8');
    else {
      buffer.set(value, at);
      at += value.length;
    }
    vector.offsets[i + 1] = at;
  });
  return vector;
}

function encode(type: LogicalType, value: Value): string | Uint8Array | undefined {
  if (type.kind === 'bytes') return value instanceof Uint8Array ? value : undefined;
  if (typeof value !== 'string') return undefined;
  if (type.kind === 'number') return canonicalNumber(value);
  return /[\ud800-\udfff]/.test(value) ? encodeSurrogates(value) : value;
}

/** A lone surrogate keeps its three bytes, so that the policy for bad text finds it: Buffer would replace it silently. */
function encodeSurrogates(text: string): Uint8Array {
  return Buffer.concat(Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code >= 0xd800 && code <= 0xdfff ? Buffer.from([0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)]) : Buffer.from(character);
  }));
}

function buildList(type: LogicalType, values: readonly Value[], arena: Arena, place: Place): Vector {
  if (type.kind !== 'list') throw new TypeError('not a list');
  const offsets = viewInt32(arena.allocate((values.length + 1) * 4), values.length + 1);
  const elements: Value[] = [];
  offsets[0] = 0;
  values.forEach((value, i) => {
    if (isPresent(value)) for (const element of isList(value) ? value : refuse(type, value, i, place)) elements.push(element);
    offsets[i + 1] = elements.length;
  });
  const child = vectorOf(type.element, elements, arena, place);
  return { type, length: values.length, validity: undefined, data: new Uint8Array(0), offsets, children: [child] };
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

function buildStruct(type: LogicalType, values: readonly Value[], arena: Arena, place: Place): Vector {
  if (type.kind !== 'struct') throw new TypeError('not a struct');
  const objects = values.map((value, i) => {
    if (!isPresent(value)) return {};
    return isObject(value) ? value : refuse(type, value, i, place);
  });
  const children = type.fields.map((field) =>
    vectorOf(field.type, objects.map((object) => memberOf(object, field.name)), arena, { ...place, column: `${place.column}.${field.name}` }));
  return { type, length: values.length, validity: undefined, data: new Uint8Array(0), offsets: undefined, children };
}

function isObject(value: Value): value is { readonly [field: string]: Value } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function refuse(type: LogicalType, value: Value, row: number, place: Place): never {
  const form = value instanceof Uint8Array ? 'bytes' : Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  throw new EtlError({
    kind: 'data', code: 'ETL-BAT-001',
    message: `Row ${row + 1} of ${place.stream}: the value of column ${place.column} (${form}) does not fit the type ${type.kind}.`,
    hint: hintFor(type, value),
  });
}

function hintFor({ kind }: LogicalType, value: Value): string {
  if (kind === 'json') return 'A json column takes text: JSON.stringify(value).';
  if (value instanceof Date) return 'Dates and times are given as text: value.toISOString(), for a date its first 10 characters.';
  return kind === 'decimal' && typeof value === 'number' ? 'Decimals are given as text, which keeps every digit.' : 'Cast the column to a wider type or to text, or correct the value at the source.';
}

/** An uninitialised column of a fixed width, all present. */
export function fixedVector(type: LogicalType, length: number, arena: Arena): Vector {
  return { type, length, validity: undefined, data: arena.bytes(length * widthOf(type)), offsets: undefined, children: [] };
}

/** A column with `bytes` bytes of room and offsets yet to be set (`offsets[0]` is), all present. */
export function varVector(type: LogicalType, length: number, bytes: number, arena: Arena): Vector & { readonly offsets: Int32Array } {
  const offsets = viewInt32(arena.allocate((length + 1) * 4), length + 1);
  offsets[0] = 0;
  return { type, length, validity: undefined, data: viewBytes(arena.allocate(bytes), bytes), offsets, children: [] };
}

/** Collects the values of a column one by one. For sources that have rows; those that have columns write vectors. */
export class VectorBuilder {
  private readonly values: Value[] = [];
  private readonly type: LogicalType;
  private readonly place: Place;

  constructor(type: LogicalType, place: Place) {
    this.type = type;
    this.place = place;
  }

  append(value: Value): void {
    this.values.push(value);
  }

  get length(): number {
    return this.values.length;
  }

  finish(arena: Arena): Vector {
    return vectorOf(this.type, this.values, arena, this.place);
  }
}

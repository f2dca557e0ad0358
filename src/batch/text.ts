import type { Vector } from './batch.ts';
import { viewBytes, viewInt32, linearMemory, type Arena } from './memory.ts';
import { canonicalNumber, parseFloatText, parseInteger } from './numbers.ts';
import { isInteger, scalarText } from './scalar.ts';
import { PRESENT, UNAVAILABLE, widthOf, type LogicalType } from './types.ts';
import type { Value } from './value.ts';

const TEXT: LogicalType = { kind: 'text' };

/** The one text of a value that hashing, checksums, JSON and CSV rest on; null where no value is present. */
export function canonicalText(vector: Vector, i: number): string | null {
  return (vector.validity?.[i] ?? PRESENT) === PRESENT ? presentText(vector, i) : null;
}

function presentText(vector: Vector, i: number): string {
  const { type, data } = vector;
  const width = widthOf(type);
  if (width > 0) return scalarText(type, viewOf(vector), i * width);
  if (type.kind === 'struct') return structText(vector, i);
  const start = vector.offsets?.[i] ?? 0;
  const end = vector.offsets?.[i + 1] ?? start;
  if (type.kind === 'list') {
    const [child] = vector.children;
    return `[${Array.from({ length: end - start }, (_, element) => (child ? jsonText(child, start + element) : 'null')).join(',')}]`;
  }
  return Buffer.from(data.buffer, data.byteOffset + start, end - start).toString(type.kind === 'bytes' ? 'hex' : 'utf8');
}

/** A field whose value the source did not send is left out. */
function structText(vector: Vector, i: number): string {
  const fields = vector.type.kind === 'struct' ? vector.type.fields : [];
  const members = fields.flatMap((field, index) => {
    const child = vector.children[index];
    return child && child.validity?.[i] !== UNAVAILABLE ? [`${JSON.stringify(field.name)}:${jsonText(child, i)}`] : [];
  });
  return `{${members.join(',')}}`;
}

/** The value as JSON: finite numbers, booleans, json, lists and structs as they are, all others as a string of their text. */
export function jsonText(vector: Vector, i: number): string {
  const text = canonicalText(vector, i);
  if (text === null) return 'null';
  return isBareJson(vector.type, text) ? text : JSON.stringify(text);
}

function isBareJson(type: LogicalType, text: string): boolean {
  switch (type.kind) {
    case 'bool': case 'json': case 'list': case 'struct': case 'decimal': return true;
    case 'float32': case 'float64': case 'number': return text !== 'NaN' && !text.endsWith('Infinity');
    default: return isInteger(type.kind);
  }
}

let lastVector: Vector | undefined;
let lastView: DataView = new DataView(new ArrayBuffer(0));

/** A view of the values; kept for the vector asked last, since callers go down a column. */
function viewOf(vector: Vector): DataView {
  if (lastVector !== vector) {
    lastVector = vector;
    lastView = new DataView(vector.data.buffer, vector.data.byteOffset, vector.data.byteLength);
  }
  return lastView;
}

/** What a canonical text (and the forms near it that `parse…` reads) stands for, or undefined when it is not of the type. */
export function valueOfText(type: LogicalType, text: string): Value | undefined {
  if (isInteger(type.kind)) {
    const integer = parseInteger(text);
    return integer !== undefined && !type.kind.endsWith('64') ? Number(integer) : integer;
  }
  switch (type.kind) {
    case 'bool': return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'float64': return parseFloatText(text);
    case 'float32': {
      const value = parseFloatText(text);
      return value === undefined || !Number.isFinite(Math.fround(value)) && Number.isFinite(value) ? undefined : value;
    }
    case 'number': return canonicalNumber(text);
    case 'bytes': return /^(?:[\da-f]{2})*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : undefined;
    case 'list': case 'struct': return undefined;
    default: return text;
  }
}

/** Bytes that a canonical text of the kind needs at most, where the value does not decide it. */
const LONGEST: Readonly<Partial<Record<LogicalType['kind'], number>>> = {
  bool: 5, int8: 4, uint8: 4, int16: 6, uint16: 6, int32: 11, uint32: 11, int64: 20, uint64: 20, float32: 26, float64: 26, uuid: 36, date: 16, time: 15,
  timestamp: 40, timestamptz: 40, interval: 90,
};

function longest(type: LogicalType): number | undefined {
  return type.kind === 'decimal' ? type.precision + 3 : LONGEST[type.kind];
}

/** The column of canonical texts; text, json and number share their memory with `vector`. NULL and unavailable stay what they are. */
export function toTextVector(vector: Vector, arena: Arena): Vector {
  const { type } = vector;
  if (type.kind === 'text' || type.kind === 'json' || type.kind === 'number') return { ...vector, type: TEXT };
  const offsets = viewInt32(arena.allocate((vector.length + 1) * 4), vector.length + 1);
  offsets[0] = 0;
  const data = type.kind === 'bytes' ? hexText(vector, offsets, arena) : scalarTexts(vector, offsets, arena);
  return { type: TEXT, length: vector.length, validity: vector.validity, data, offsets, children: [] };
}

function hexText(vector: Vector, offsets: Int32Array, arena: Arena): Uint8Array {
  const given = vector.offsets ?? new Int32Array(vector.length + 1);
  for (let i = 0; i <= vector.length; i++) offsets[i] = (given[i] ?? 0) * 2;
  const data = arena.bytes(offsets[vector.length] ?? 0);
  for (let i = 0, end = data.length / 2; i < end; i++) {
    const byte = vector.data[i] ?? 0;
    data[i * 2] = HEX.charCodeAt(byte >> 4);
    data[i * 2 + 1] = HEX.charCodeAt(byte & 15);
  }
  return data;
}
const HEX = '0123456789abcdef';

function scalarTexts(vector: Vector, offsets: Int32Array, arena: Arena): Uint8Array {
  const bound = longest(vector.type);
  if (bound === undefined) return nestedTexts(vector, offsets, arena);
  const pointer = arena.allocate(bound * vector.length);
  const buffer = Buffer.from(linearMemory.buffer, pointer, bound * vector.length);
  const small = smallIntegers(vector); // written digit by digit, without a string
  let at = 0;
  for (let i = 0; i < vector.length; i++) {
    if (vector.validity === undefined || vector.validity[i] === PRESENT) {
      if (small) at = writeInteger(buffer, at, small[i] ?? 0);
      else at += buffer.write(presentText(vector, i), at, 'latin1');
    }
    offsets[i + 1] = at;
  }
  return viewBytes(pointer, at);
}

/** The integers of a vector as a typed array; undefined of wider ones and of other kinds. */
export function smallIntegers(vector: Vector): Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | undefined {
  const { buffer, byteOffset } = vector.data;
  switch (vector.type.kind) {
    case 'int8': return new Int8Array(buffer, byteOffset, vector.length);
    case 'uint8': return new Uint8Array(buffer, byteOffset, vector.length);
    case 'int16': return new Int16Array(buffer, byteOffset, vector.length);
    case 'uint16': return new Uint16Array(buffer, byteOffset, vector.length);
    case 'int32': return new Int32Array(buffer, byteOffset, vector.length);
    case 'uint32': return new Uint32Array(buffer, byteOffset, vector.length);
    default: return undefined;
  }
}

function writeInteger(buffer: Uint8Array, start: number, value: number): number {
  let at = start;
  if (value < 0) buffer[at++] = 45;
  let rest = Math.abs(value);
  let digits = 1;
  for (let bound = 10; rest >= bound; bound *= 10) digits++;
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = Math.floor(rest / 10);
    buffer[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
  return at + digits;
}

function nestedTexts(vector: Vector, offsets: Int32Array, arena: Arena): Uint8Array {
  const texts = Array.from({ length: vector.length }, (_, i) => canonicalText(vector, i) ?? '');
  const total = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  const data = arena.bytes(total);
  const buffer = Buffer.from(data.buffer, data.byteOffset, total);
  let at = 0;
  texts.forEach((text, i) => {
    at += buffer.write(text, at, 'utf8');
    offsets[i + 1] = at;
  });
  return data;
}

/** Whether the text is one JSON value. */
export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

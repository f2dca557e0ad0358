import {
  Arena, canonicalNumber, canonicalText, fixedVector, isInteger, isJson, PRESENT, smallIntegers, toTextVector, valueAt, valueOfText, vectorOf, widthOf, writeScalar,
  type LogicalType, type Value, type Vector,
} from '../batch/index.ts';
import { isWidening, sameType } from './widening.ts';

export interface Changed {
  readonly vector: Vector;
  /** Rows whose value could not be changed; their value in `vector` is undefined. */
  readonly failed: readonly number[];
}

/** The column as another type: exact, or the row is named in `failed`. Nothing is rounded or cut. */
export function castVector(vector: Vector, to: LogicalType, arena: Arena): Changed {
  if (sameType(vector.type, to)) return { vector, failed: [] };
  if (to.kind === 'text') return toText(vector, to, arena);
  if (to.kind === 'number' && (isInteger(vector.type.kind) || vector.type.kind === 'decimal')) {
    return { vector: { ...toTextVector(vector, arena), type: to }, failed: [] };
  }
  const fast = vector.type.kind === 'float32' || isWidening(vector.type, to) ? widen(vector, to, arena) : undefined;
  return fast ?? throughText(vector, to, arena);
}

function toText(vector: Vector, to: LogicalType & { kind: 'text' }, arena: Arena): Changed {
  const texts = { ...toTextVector(vector, arena), type: to };
  const longest = to.maxLength;
  if (longest === undefined) return { vector: texts, failed: [] };
  const failed = presentRows(texts).filter((i) => {
    const bytes = (texts.offsets?.[i + 1] ?? 0) - (texts.offsets?.[i] ?? 0);
    return bytes > longest && [...(canonicalText(texts, i) ?? '')].length > longest;
  });
  return { vector: texts, failed };
}

type Numbers = Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array | Float32Array | Float64Array;

/** The values as a typed array, where there is one. */
function numbersOf(vector: Vector): Numbers | undefined {
  const { buffer, byteOffset } = vector.data;
  switch (vector.type.kind) {
    case 'float32': return new Float32Array(buffer, byteOffset, vector.length);
    case 'float64': return new Float64Array(buffer, byteOffset, vector.length);
    default: return smallIntegers(vector);
  }
}

/** Typed array to typed array, where no value can fail. */
function widen(vector: Vector, to: LogicalType, arena: Arena): Changed | undefined {
  const from = numbersOf(vector);
  if (!from || widthOf(to) === 0) return undefined;
  const wide = { ...fixedVector(to, vector.length, arena), validity: vector.validity };
  const numbers = numbersOf(wide);
  if (numbers && (vector.type.kind !== 'float32' || to.kind === 'float64')) {
    numbers.set(from);
    return { vector: wide, failed: [] };
  }
  if (to.kind !== 'int64' && to.kind !== 'uint64') return undefined;
  const halves = new Int32Array(wide.data.buffer, wide.data.byteOffset, vector.length * 2);
  for (let i = 0; i < vector.length; i++) {
    const value = from[i] ?? 0;
    halves[i * 2] = value;
    halves[i * 2 + 1] = value < 0 ? -1 : 0;
  }
  return { vector: wide, failed: [] };
}

/** Value by value through the canonical text, which is what the value means. */
function throughText(vector: Vector, to: LogicalType, arena: Arena): Changed {
  const failed: number[] = [];
  const scratch = new DataView(new ArrayBuffer(16));
  const values: Value[] = [];
  for (let i = 0; i < vector.length; i++) {
    const text = canonicalText(vector, i);
    if (text === null) {
      values.push(valueAt(vector, i));
      continue;
    }
    const value = castText(vector.type, to, text);
    if (value !== undefined && (widthOf(to) === 0 || writeScalar(to, value, scratch, 0))) values.push(value);
    else {
      failed.push(i);
      values.push(null);
    }
  }
  return { vector: vectorOf(to, values, arena), failed };
}

function castText(from: LogicalType, to: LogicalType, text: string): Value | undefined {
  if (from.kind === 'date' && to.kind === 'timestamp') return text.endsWith('infinity') ? text : `${text}T00:00:00`;
  if (to.kind === 'json') return isJson(text) ? text : undefined;
  // A number may print with an exponent; an integer of its value is meant.
  if (isInteger(to.kind)) return valueOfText(to, canonicalNumber(text) ?? text);
  return valueOfText(to, text);
}

export function presentRows(vector: Vector): number[] {
  const rows: number[] = [];
  for (let i = 0; i < vector.length; i++) if ((vector.validity?.[i] ?? PRESENT) === PRESENT) rows.push(i);
  return rows;
}

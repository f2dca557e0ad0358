import { bigInstantText, dateText, instantText, intervalText, parseDate, parseInstant, parseInterval, parseTime, timeText } from './calendar.ts';
import { decimalText, float32Text, float64Text, parseDecimal } from './numbers.ts';
import type { IntegerKind, LogicalType } from './types.ts';
import type { Value } from './value.ts';

/** One value of a fixed width between its bytes, its JavaScript form and its canonical text. */

const RANGES: Readonly<Record<IntegerKind, readonly [bigint, bigint]>> = {
  int8: [-128n, 127n], int16: [-32_768n, 32_767n], int32: [-(2n ** 31n), 2n ** 31n - 1n], int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n], uint16: [0n, 65_535n], uint32: [0n, 2n ** 32n - 1n], uint64: [0n, 2n ** 64n - 1n],
};

export function isInteger(kind: LogicalType['kind']): kind is IntegerKind {
  return kind in RANGES;
}

/** Writes the value at `at`; false when it does not fit the type. */
export function writeScalar(type: LogicalType, value: Value, view: DataView, at: number): boolean {
  if (isInteger(type.kind)) return writeInteger(type.kind, value, view, at);
  switch (type.kind) {
    case 'bool':
      if (typeof value === 'boolean') view.setUint8(at, value ? 1 : 0);
      return typeof value === 'boolean';
    case 'float64':
      if (typeof value === 'number') view.setFloat64(at, value, true);
      return typeof value === 'number';
    case 'float32': return writeFloat32(value, view, at);
    default: return typeof value === 'string' && writeText(type, value, view, at);
  }
}

function writeFloat32(value: Value, view: DataView, at: number): boolean {
  if (typeof value !== 'number') return false;
  const single = Math.fround(value);
  // A number is a float32, or the shortest text of one read back.
  if (!Object.is(single, value) && Number(float32Text(single)) !== value) return false;
  view.setFloat32(at, value, true);
  return true;
}

function writeInteger(kind: IntegerKind, value: Value, view: DataView, at: number): boolean {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return false;
  const [least, greatest] = RANGES[kind];
  const integer = value as number | bigint;
  if (integer < least || integer > greatest) return false;
  switch (kind) {
    case 'int8': case 'uint8': view.setInt8(at, Number(integer)); break;
    case 'int16': case 'uint16': view.setInt16(at, Number(integer), true); break;
    case 'int32': case 'uint32': view.setInt32(at, Number(integer), true); break;
    case 'int64': case 'uint64': view.setBigInt64(at, BigInt.asIntN(64, BigInt(integer)), true); break;
  }
  return true;
}

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/i;

function writeText(type: LogicalType, text: string, view: DataView, at: number): boolean {
  switch (type.kind) {
    case 'date': return present(parseDate(text), (days) => view.setInt32(at, days, true));
    case 'time': return present(parseTime(text), (micros) => view.setBigInt64(at, BigInt(micros), true));
    case 'timestamp': case 'timestamptz':
      return present(parseInstant(text, type.kind === 'timestamptz'), (micros) => view.setBigInt64(at, micros, true));
    case 'interval': return present(parseInterval(text), ({ months, days, micros }) => {
      view.setBigInt64(at, micros, true);
      view.setInt32(at + 8, days, true);
      view.setInt32(at + 12, months, true);
    });
    case 'decimal': return present(parseDecimal(text, type.precision, type.scale), (unscaled) => {
      view.setBigInt64(at, BigInt.asIntN(64, unscaled), true);
      if (type.precision > 18) view.setBigInt64(at + 8, unscaled >> 64n, true);
    });
    case 'uuid': {
      if (!UUID.test(text)) return false;
      const digits = text.replaceAll('-', '');
      for (let i = 0; i < 4; i++) view.setUint32(at + i * 4, Number.parseInt(digits.slice(i * 8, i * 8 + 8), 16));
      return true;
    }
    default: return false;
  }
}

function present<T>(parsed: T | undefined, write: (value: T) => void): boolean {
  if (parsed !== undefined) write(parsed);
  return parsed !== undefined;
}

/** The value at `at` in its JavaScript form. */
export function readScalar(type: LogicalType, view: DataView, at: number): Value {
  switch (type.kind) {
    case 'bool': return view.getUint8(at) !== 0;
    case 'int8': return view.getInt8(at);
    case 'uint8': return view.getUint8(at);
    case 'int16': return view.getInt16(at, true);
    case 'uint16': return view.getUint16(at, true);
    case 'int32': return view.getInt32(at, true);
    case 'uint32': return view.getUint32(at, true);
    case 'int64': return view.getBigInt64(at, true);
    case 'uint64': return view.getBigUint64(at, true);
    case 'float32': return Number(float32Text(view.getFloat32(at, true)));
    case 'float64': return view.getFloat64(at, true);
    default: return scalarText(type, view, at);
  }
}

/** The canonical text of the value at `at`. */
export function scalarText(type: LogicalType, view: DataView, at: number): string {
  switch (type.kind) {
    case 'float32': return float32Text(view.getFloat32(at, true));
    case 'float64': return float64Text(view.getFloat64(at, true));
    case 'date': return dateText(view.getInt32(at, true));
    case 'time': return timeText(Number(view.getBigInt64(at, true)));
    case 'timestamp': return microsText(view, at);
    case 'timestamptz': {
      const text = microsText(view, at);
      return text.endsWith('infinity') ? text : `${text}Z`;
    }
    case 'interval':
      return intervalText({ micros: view.getBigInt64(at, true), days: view.getInt32(at + 8, true), months: view.getInt32(at + 12, true) });
    case 'decimal': return decimalText(unscaledAt(type.precision, view, at), type.scale);
    case 'uuid': return uuidText(view, at);
    default: return `${readScalar(type, view, at) as boolean | number | bigint}`;
  }
}

/** The unscaled integer of a decimal. */
export function unscaledAt(precision: number, view: DataView, at: number): bigint {
  const low = view.getBigInt64(at, true);
  return precision > 18 ? (view.getBigInt64(at + 8, true) << 64n) | BigInt.asUintN(64, low) : low;
}

function microsText(view: DataView, at: number): string {
  const high = view.getInt32(at + 4, true);
  // Within 2^53 plain numbers do, and they are several times faster.
  if (high >= -2_097_152 && high < 2_097_152) return instantText(high * 4_294_967_296 + view.getUint32(at, true));
  return bigInstantText(view.getBigInt64(at, true));
}

function uuidText(view: DataView, at: number): string {
  const hex = (offset: number, bytes: number): string =>
    (bytes === 4 ? view.getUint32(at + offset) : view.getUint16(at + offset)).toString(16).padStart(bytes * 2, '0');
  return `${hex(0, 4)}-${hex(4, 2)}-${hex(6, 2)}-${hex(8, 2)}-${hex(10, 4)}${hex(14, 2)}`;
}

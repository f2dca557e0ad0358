/**
 * Logical types: what a column holds, whatever the source and whatever the destination.
 * A source maps its own types onto these, a destination maps these onto its own; nothing else knows a type.
 */

/** Whole numbers that have a typed array of their own. */
export type IntegerKind = 'int8' | 'int16' | 'int32' | 'int64' | 'uint8' | 'uint16' | 'uint32' | 'uint64';

export type LogicalType =
  | { readonly kind: 'bool' }
  | { readonly kind: IntegerKind }
  | { readonly kind: 'float32' | 'float64' }
  /** Fixed point, at most 38 digits: 8 bytes a value up to 18 digits, 16 bytes above. */
  | { readonly kind: 'decimal'; readonly precision: number; readonly scale: number }
  /** Any decimal, as canonical text; may hold NaN and the infinities. */
  | { readonly kind: 'number' }
  /** UTF-8. `origin` says that it is a source's own text of a type without a vector, such as `pg:int4range`. */
  | { readonly kind: 'text'; readonly maxLength?: number; readonly origin?: string }
  | { readonly kind: 'bytes' }
  | { readonly kind: 'uuid' }
  /** int32 days from 1970-01-01; the least and greatest int32 are -infinity and infinity. */
  | { readonly kind: 'date' }
  /** int64 microseconds of the day, 24:00 allowed. */
  | { readonly kind: 'time' }
  /** int64 microseconds from 1970-01-01T00:00:00; the least and greatest int64 are -infinity and infinity. */
  | { readonly kind: 'timestamp' }
  /** As `timestamp`, an instant in UTC. */
  | { readonly kind: 'timestamptz' }
  /** 16 bytes, little-endian: int64 microseconds, int32 days, int32 months. */
  | { readonly kind: 'interval' }
  /** The text as it came, not normalised. */
  | { readonly kind: 'json' }
  | { readonly kind: 'list'; readonly element: LogicalType }
  | { readonly kind: 'struct'; readonly fields: readonly Field[] };

export interface Field {
  readonly name: string;
  readonly type: LogicalType;
  readonly nullable: boolean;
  /** The source's name of the type, for people and for `plan`: `numeric(18,2)`. */
  readonly sourceType?: string;
  /** The source's own type of the values (`pg:integer[]`), whose text form a destination of the same kind reads back. */
  readonly origin?: string;
  /** All that the source lets a value be, of an enumeration or a list of its values. */
  readonly labels?: readonly string[];
  /** Set on a hashed column: which key and domain made the digest. */
  readonly hash?: { readonly keyId: string; readonly domain: string };
  /** A lasting fact about the row's place in the source (LSN, offset, commit time), not a column of the table. */
  readonly meta?: true;
}

export interface Schema {
  readonly fields: readonly Field[];
  /** Names of the key's columns, in order; empty when the stream has none. */
  readonly key: readonly string[];
}

export const NULL = 0;
export const PRESENT = 1;
/** The source did not send the value since it did not change (an unchanged TOAST value). Never the same as NULL. */
export const UNAVAILABLE = 2;

/** The op of a row: what the source did to it. */
export const SNAPSHOT = 0;
export const INSERT = 1;
export const UPDATE = 2;
export const DELETE = 3;

const WIDTHS: Readonly<Record<Exclude<LogicalType['kind'], 'decimal'>, number>> = {
  bool: 1, int8: 1, uint8: 1, int16: 2, uint16: 2, int32: 4, uint32: 4, float32: 4, date: 4,
  int64: 8, uint64: 8, float64: 8, time: 8, timestamp: 8, timestamptz: 8, uuid: 16, interval: 16,
  number: 0, text: 0, bytes: 0, json: 0, list: 0, struct: 0,
};

/** Whether this is the name of a type. */
export function isKind(name: string): name is LogicalType['kind'] {
  return name === 'decimal' || Object.hasOwn(WIDTHS, name);
}

/** Bytes of one value in a vector's `data`; 0 for text, bytes, number, json, list and struct. */
export function widthOf(type: LogicalType): number {
  if (type.kind === 'decimal') return type.precision <= 18 ? 8 : 16;
  return WIDTHS[type.kind];
}

/** Stands for a value that the source did not send since it did not change. Never the same as null. */
export const UNAVAILABLE_VALUE = Symbol('unavailable');

/**
 * A value in JavaScript: number for integers up to 32 bits and floats, bigint for those of 64 bits (safe numbers are taken too),
 * string for text, json, number, decimal, uuid, date, time, timestamp(tz) and interval (canonical text), Uint8Array for bytes,
 * an array for a list and an object for a struct.
 */
export type Value =
  | null | typeof UNAVAILABLE_VALUE | boolean | number | bigint | string | Uint8Array | readonly Value[] | { readonly [field: string]: Value };

export type OpName = 'snapshot' | 'insert' | 'update' | 'delete';
export const OP_NAMES: readonly OpName[] = ['snapshot', 'insert', 'update', 'delete'];

/** One row with what happened to it. A column that `values` lacks is NULL. */
export interface ChangeRow {
  readonly values: Readonly<Record<string, Value>>;
  readonly op?: OpName;
  /** The key before the change, by column; null or absent where the key did not change. */
  readonly oldKey?: Readonly<Record<string, Value>> | null;
  /** The whole old row, where the source has it. */
  readonly before?: Readonly<Record<string, Value>> | null;
  readonly seq?: bigint;
}
export type RowInput = ChangeRow;

/** Postgres' COPY (FORMAT binary) into columns; see as/copy-binary.ts. */
export interface CopyBinaryKernels {
  /**
   * Reads whole CopyData messages of [from, to) into the columns. `to` may be followed by padding that is read and never used.
   * Returns a {@link copyStatus}; how far it came stands in the state.
   */
  copyRows(from: number, to: number, descriptors: number, columns: number, state: number, maxRows: number): number;
}

export const copyStatus = {
  /** All whole messages are consumed. */
  more: 0,
  /** The batch has its rows. */
  full: 1,
  /** Another message than CopyData stands at `consumed`. */
  other: 2,
  /** The row at `consumed` needs a larger slab. */
  need: 3,
  /** The row at `consumed` is not what a server sends. */
  corrupt: 4,
  /** The row was decoded to place `rows` and is consumed, but a value of it has no place in its column. */
  rejected: 5,
} as const;

export const copyKinds = {
  bool: 1, int16: 2, int32: 4, int64: 8, date: 9, timestamp: 10, interval: 11, uuid: 12, decimal64: 13, decimal128: 14,
  bytes: 20, jsonb: 21, number: 22, list: 30,
} as const;
export type CopyKind = (typeof copyKinds)[keyof typeof copyKinds];

export const copyReasons = { nan: 1, range: 2, dimensions: 3, lowerBound: 4 } as const;

/** Places in a column's descriptor, in 4-byte words. */
export const copyDescriptor = {
  words: 16, kind: 0, data: 1, validity: 2, offsets: 3, capacity: 4, nulls: 5, scale: 6, child: 7, items: 8,
  /** 10 to the power of a decimal's precision: 16 bytes. */
  limit: 10,
} as const;

/** Places in the state of one COPY, in 4-byte words. */
export const copyState = {
  words: 9, rows: 0, header: 1, needColumn: 2, needBytes: 3, reason: 4, reasonColumn: 5, needChild: 6, consumed: 7,
  /** Where the message of the rejected row begins; its place has {@link copyRefused} as the validity of what has no place there. */
  rejected: 8,
} as const;
export const copyRefused = 255;
export const copyNeed = { data: 0, childData: 1, childItems: 2 } as const;

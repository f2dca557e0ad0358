// What the kernels of COPY (FORMAT binary) share: the layout of a column's descriptor, and how a value tells that it does not fit.
// The names on the other side stand in src/kernels/copy-binary.ts.

// Kinds of columns: copyKinds.
export const K_BOOL: i32 = 1;
export const K_INT16: i32 = 2;
export const K_INT32: i32 = 4;
export const K_INT64: i32 = 8;
export const K_DATE: i32 = 9;
export const K_TIMESTAMP: i32 = 10;
export const K_INTERVAL: i32 = 11;
export const K_UUID: i32 = 12;
export const K_DECIMAL64: i32 = 13;
export const K_DECIMAL128: i32 = 14;
export const K_BYTES: i32 = 20;
export const K_JSONB: i32 = 21;
export const K_NUMBER: i32 = 22;
export const K_LIST: i32 = 30;

// A descriptor: 64 bytes a column.
export const D_KIND: usize = 0;
export const D_DATA: usize = 4;
export const D_VALID: usize = 8;
export const D_OFFSETS: usize = 12;
export const D_CAP: usize = 16;      // bytes of data that fit
export const D_NULLS: usize = 20;    // whether a NULL came
export const D_SCALE: usize = 24;
export const D_CHILD: usize = 28;    // descriptor of the element
export const D_ITEMS: usize = 32;    // elements that fit
export const D_LIMIT: usize = 40;    // 10 to the power of a decimal's precision, 16 bytes

// Reasons of a rejection.
export const R_NAN: i32 = 1;         // NaN or an infinity where a decimal stands
export const R_RANGE: i32 = 2;       // an instant past the calendar of microseconds from 1970, a decimal past its digits
export const R_DIMENSIONS: i32 = 3;  // more than one dimension
export const R_BOUND: i32 = 4;       // first index other than 1

// What a function gives instead of a size.
export const FAIL: i32 = -1;         // not what a server sends
export const GROW: i32 = -2;         // a larger slab is needed: needChild, needBytes

export namespace outcome {
  /** Why the value has no place in its column; 0 where it has. */
  export let reason: i32 = 0;
  /** Which slab must grow: 0 the column's data, 1 its elements' data, 2 the number of elements. */
  export let needChild: i32 = 0;
  export let needBytes: usize = 0;
}

/** The value is to be rejected; the first reason counts. */
export function refuse(reason: i32): void { if (outcome.reason == 0) outcome.reason = reason; }

@inline export function be16(p: usize): i32 { return <i32>bswap<u16>(load<u16>(p)); }
@inline export function be32(p: usize): i32 { return <i32>bswap<u32>(load<u32>(p)); }
@inline export function be64(p: usize): i64 { return <i64>bswap<u64>(load<u64>(p)); }

/** Short texts go in steps of 16 bytes: slabs are padded, and so is the window. */
@inline export function copyBytes(to: usize, from: usize, length: usize): void {
  if (length > 256) { memory.copy(to, from, length); return; }
  const end = to + length;
  while (to < end) { v128.store(to, v128.load(from)); to += 16; from += 16; }
}

// One value of a COPY (FORMAT binary) into its column. `d` is the column's descriptor.
import {
  be16, be32, be64, copyBytes, D_CAP, D_CHILD, D_DATA, D_ITEMS, D_LIMIT, D_OFFSETS, D_SCALE, D_VALID, FAIL, GROW, K_BOOL, K_BYTES, K_DATE,
  K_DECIMAL128, K_DECIMAL64, K_INT16, K_INT32, K_INT64, K_INTERVAL, K_JSONB, K_NUMBER, K_TIMESTAMP, K_UUID, outcome, R_BOUND, R_DIMENSIONS,
  R_RANGE, refuse,
} from "./copy-layout";
import { decimal, numberText, readDecimal } from "./numeric";

const DAYS_TO_2000: i32 = 10957;
const MICROS_TO_2000: i64 = 946684800000000;

/** A value of fixed width to place `i` of data: 0 or FAIL. */
export function fixed(d: usize, kind: i32, i: usize, f: usize, length: i32): i32 {
  const data = <usize>load<u32>(d, D_DATA);
  switch (kind) {
    case K_INT64:
      if (length != 8) return FAIL;
      store<i64>(data + (i << 3), be64(f));
      return 0;
    case K_INT32:
      if (length != 4) return FAIL;
      store<i32>(data + (i << 2), be32(f));
      return 0;
    case K_TIMESTAMP: {
      if (length != 8) return FAIL;
      const value = be64(f);
      if (value == i64.MIN_VALUE || value == i64.MAX_VALUE) store<i64>(data + (i << 3), value);
      else if (value >= i64.MAX_VALUE - MICROS_TO_2000) { store<i64>(data + (i << 3), 0); refuse(R_RANGE); }
      else store<i64>(data + (i << 3), value + MICROS_TO_2000);
      return 0;
    }
    case K_BOOL:
      if (length != 1 || load<u8>(f) > 1) return FAIL;
      store<u8>(data + i, load<u8>(f));
      return 0;
    case K_INT16:
      if (length != 2) return FAIL;
      store<u16>(data + (i << 1), <u16>be16(f));
      return 0;
    case K_DATE: {
      if (length != 4) return FAIL;
      const value = be32(f);
      if (value == i32.MIN_VALUE || value == i32.MAX_VALUE) store<i32>(data + (i << 2), value);
      else if (value >= i32.MAX_VALUE - DAYS_TO_2000) { store<i32>(data + (i << 2), 0); refuse(R_RANGE); }
      else store<i32>(data + (i << 2), value + DAYS_TO_2000);
      return 0;
    }
    case K_UUID:
      if (length != 16) return FAIL;
      v128.store(data + (i << 4), v128.load(f));
      return 0;
    case K_INTERVAL:
      if (length != 16) return FAIL;
      store<i64>(data + (i << 4), be64(f));
      store<i32>(data + (i << 4), be32(f + 8), 8);
      store<i32>(data + (i << 4), be32(f + 12), 12);
      return 0;
    case K_DECIMAL64:
      if (readDecimal(f, length, load<i32>(d, D_SCALE), d + D_LIMIT) < 0) return FAIL;
      store<u64>(data + (i << 3), decimal.low);
      return 0;
    case K_DECIMAL128:
      if (readDecimal(f, length, load<i32>(d, D_SCALE), d + D_LIMIT) < 0) return FAIL;
      store<u64>(data + (i << 4), decimal.low);
      store<u64>(data + (i << 4), decimal.high, 8);
      return 0;
  }
  return FAIL;
}

/** A value of own length to data at `at`; the bytes that it took, FAIL or GROW. */
export function varying(d: usize, kind: i32, at: usize, f: usize, length: i32): i32 {
  const to = <usize>load<u32>(d, D_DATA) + at;
  const room = <usize>load<u32>(d, D_CAP) - at;
  if (kind == K_NUMBER) {
    const took = numberText(f, length, to, room);
    if (took == GROW) outcome.needBytes += at;
    return took;
  }
  if (kind == K_JSONB) {
    if (length < 1 || load<u8>(f) != 1) return FAIL;
    f++; length--;
  }
  if (<usize>length > room) { outcome.needBytes = at + <usize>length; outcome.needChild = 0; return GROW; }
  copyBytes(to, f, <usize>length);
  return length;
}

/** The elements of a one-dimensional array, placed after `first`; how many, FAIL or GROW. */
export function list(d: usize, first: i32, f: usize, length: i32): i32 {
  if (length < 12) return FAIL;
  const end = f + <usize>length;
  const dimensions = be32(f);
  f += 12;
  if (dimensions == 0) return f == end ? 0 : FAIL;
  if (dimensions < 0 || dimensions > 6) return FAIL;
  if (f + <usize>(8 * dimensions) > end) return FAIL;
  if (dimensions > 1) { refuse(R_DIMENSIONS); return 0; }
  const count = be32(f);
  if (count < 0 || <u64>f + 8 + 4 * <u64>count > <u64>end) return FAIL;
  if (be32(f + 4) != 1) { refuse(R_BOUND); return 0; }
  const child = <usize>load<u32>(d, D_CHILD);
  if (<u32>first + <u32>count > load<u32>(child, D_ITEMS)) { outcome.needBytes = <usize>(first + count); outcome.needChild = 2; return GROW; }
  return elements(child, first, first + count, f + 8, end);
}

/** Elements first to `last` from `f` on, which must come out at `end`; how many, FAIL or GROW. */
function elements(child: usize, first: i32, last: i32, f: usize, end: usize): i32 {
  const kind = load<i32>(child);
  const valid = <usize>load<u32>(child, D_VALID);
  const offsets = <usize>load<u32>(child, D_OFFSETS);
  for (let i = first; i < last; i++) {
    if (f + 4 > end) return FAIL;
    const size = be32(f);
    f += 4;
    if (size < -1 || (size > 0 && f + <usize>size > end)) return FAIL;
    store<u8>(valid + i, size >= 0 ? 1 : 0);
    if (kind >= K_BYTES) {
      let at = load<i32>(offsets + (<usize>i << 2));
      if (size >= 0) {
        const took = varying(child, kind, at, f, size);
        if (took == GROW) outcome.needChild = 1;
        if (took < 0) return took;
        at += took;
      }
      store<i32>(offsets + (<usize>(i + 1) << 2), at);
    } else if (size >= 0 && fixed(child, kind, i, f, size) < 0) return FAIL;
    if (size > 0) f += size;
  }
  return f == end ? last - first : FAIL;
}

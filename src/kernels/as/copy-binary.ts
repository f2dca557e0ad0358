// Postgres' COPY (FORMAT binary), as it comes from the socket, into columns.
//
// Every length is checked against the end of its message and against the slab that it goes to: corrupt input ends in a status,
// never in a write elsewhere. A row is stored only as a whole: what it writes lies past the ends that offsets[row] names, so a row
// that is tried again, or given up, leaves nothing behind.

// Status at the end of a call.
const MORE: i32 = 0;        // all whole messages are consumed
const FULL: i32 = 1;        // maxRows rows are there
const OTHER: i32 = 2;       // a message that is not CopyData stands at `consumed`
const NEED: i32 = 3;        // the row at `consumed` needs a larger slab: needColumn, needBytes
const CORRUPT: i32 = 4;     // the row at `consumed` is not what the server would send
const REJECTED: i32 = 5;    // the row was decoded to place `rows`, but one of its values has no place there; it is consumed

// Kinds of columns: copyKinds in src/kernels/copy-binary.ts.
const K_BOOL: i32 = 1;
const K_INT16: i32 = 2;
const K_INT32: i32 = 4;
const K_INT64: i32 = 8;
const K_DATE: i32 = 9;
const K_TIMESTAMP: i32 = 10;
const K_INTERVAL: i32 = 11;
const K_UUID: i32 = 12;
const K_DECIMAL64: i32 = 13;
const K_DECIMAL128: i32 = 14;
const K_BYTES: i32 = 20;
const K_JSONB: i32 = 21;
const K_NUMBER: i32 = 22;
const K_LIST: i32 = 30;

// Reasons of a rejection.
const R_NAN: i32 = 1;         // NaN or an infinity where a decimal stands
const R_RANGE: i32 = 2;       // an instant past the calendar of microseconds from 1970, a decimal past its digits
const R_DIMENSIONS: i32 = 3;  // more than one dimension
const R_BOUND: i32 = 4;       // first index other than 1

// A descriptor: 64 bytes a column.
const D_KIND: usize = 0;
const D_DATA: usize = 4;
const D_VALID: usize = 8;
const D_OFFSETS: usize = 12;
const D_CAP: usize = 16;      // bytes of data that fit, or, of a list's child, elements that fit in D_ITEMS
const D_NULLS: usize = 20;
const D_SCALE: usize = 24;
const D_CHILD: usize = 28;    // descriptor of the element
const D_ITEMS: usize = 32;    // elements that fit
const D_PRECISION: usize = 36;

// The state: shared by the calls of one COPY.
const S_ROWS: usize = 0;
const S_HEADER: usize = 4;    // 1 once the stream's header is read
const S_NEED_COLUMN: usize = 8;
const S_NEED_BYTES: usize = 12;
const S_REASON: usize = 16;
const S_REASON_COLUMN: usize = 20;
const S_NEED_CHILD: usize = 24; // 0: the column's data, 1: its elements' data, 2: the number of elements
const S_CONSUMED: usize = 28;

// @ts-ignore: decorator
@inline function be16(p: usize): i32 { return <i32>bswap<u16>(load<u16>(p)); }
// @ts-ignore: decorator
@inline function be32(p: usize): i32 { return <i32>bswap<u32>(load<u32>(p)); }
// @ts-ignore: decorator
@inline function be64(p: usize): i64 { return <i64>bswap<u64>(load<u64>(p)); }

/** Short texts go in steps of eight bytes: slabs are padded, and so is the window. */
// @ts-ignore: decorator
@inline function copyBytes(to: usize, from: usize, length: usize): void {
  if (length > 64) { memory.copy(to, from, length); return; }
  const end = to + length;
  while (to < end) { store<u64>(to, load<u64>(from)); to += 8; from += 8; }
}

const DAYS_TO_2000: i32 = 10957;
const MICROS_TO_2000: i64 = 946684800000000;

let needChild: i32 = 0;
let needBytes: usize = 0;
let reason: i32 = 0;
const FAIL: i32 = -1;
const GROW: i32 = -2;

function pow10(n: i32): i64 {
  let value: i64 = 1;
  for (let i = 0; i < n; i++) value *= 10;
  return value;
}

// ── numeric ──────────────────────────────────────────────────────────────────────────────────────────────────────────

let high: u64 = 0;
let low: u64 = 0;
/** (high, low) = (high, low) * by + plus; false past 127 bits. */
function multiplyAdd(by: u64, plus: u64): bool {
  const l0 = (low & 0xffffffff) * by + plus;
  const l1 = (low >> 32) * by + (l0 >> 32);
  const h0 = (high & 0xffffffff) * by + (l1 >> 32);
  const h1 = (high >> 32) * by + (h0 >> 32);
  low = (l1 << 32) | (l0 & 0xffffffff);
  high = (h1 << 32) | (h0 & 0xffffffff);
  return h1 < 0x80000000;
}

/** 10^precision > |value|: compared as two words. */
function fitsDigits(precision: i32): bool {
  const h = high, l = low;
  high = 0; low = 1;
  for (let i = 0; i < precision; i++) multiplyAdd(10, 0);
  const fits = h < high || (h == high && l < low);
  high = h; low = l;
  return fits;
}

/** The digits of a numeric as an integer of `scale`; leaves it in (high, low). 0: done, FAIL: corrupt; sets `reason` where it doesn't fit. */
function decimal(f: usize, length: i32, precision: i32, scale: i32): i32 {
  if (length < 8) return FAIL;
  const digits = be16(f);
  const weight = <i32>(<i16>be16(f + 2));
  const sign = be16(f + 4);
  high = 0; low = 0;
  if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) { if (reason == 0) reason = R_NAN; return 0; }
  if (length != 8 + 2 * digits || (sign != 0 && sign != 0x4000)) return FAIL;
  let exponent = 4 * (weight - digits + 1) + scale;
  let at = f + 8;
  for (let i = 0; i < digits; i++, at += 2) {
    const digit = be16(at);
    if (digit > 9999) return FAIL;
    if (i == digits - 1 && exponent < 0) {
      if (exponent < -3) { if (digit != 0 && reason == 0) reason = R_RANGE; return 0; }
      const cut = <i32>pow10(-exponent);
      if (digit % cut != 0) { if (reason == 0) reason = R_RANGE; return 0; }
      if (!multiplyAdd(pow10(4 + exponent), digit / cut)) { if (reason == 0) reason = R_RANGE; return 0; }
      exponent = 0;
    } else if (!multiplyAdd(10000, digit)) { if (reason == 0) reason = R_RANGE; return 0; }
  }
  if (digits > 0) {
    if (exponent > 40) { if (reason == 0) reason = R_RANGE; return 0; }
    for (; exponent > 0; exponent--) if (!multiplyAdd(10, 0)) { if (reason == 0) reason = R_RANGE; return 0; }
  }
  if (!fitsDigits(precision)) { if (reason == 0) reason = R_RANGE; return 0; }
  if (sign == 0x4000) { low = ~low + 1; high = ~high + (low == 0 ? 1 : 0); }
  return 0;
}

// @ts-ignore: decorator
@inline function put4(to: usize, digit: i32): void {
  store<u8>(to, 48 + digit / 1000);
  store<u8>(to + 1, 48 + (digit / 100) % 10);
  store<u8>(to + 2, 48 + (digit / 10) % 10);
  store<u8>(to + 3, 48 + digit % 10);
}

/** Canonical text of a numeric at `to`, of which `room` bytes are free; its length, FAIL or GROW. */
function numberText(f: usize, length: i32, to: usize, room: usize): i32 {
  if (length < 8) return FAIL;
  const digits = be16(f);
  const weight = <i32>(<i16>be16(f + 2));
  const sign = be16(f + 4);
  if (length != 8 + 2 * digits) return FAIL;
  const integers = max(weight + 1, 0);
  const fractions = max(digits - weight - 1, 0);
  const most = <usize>(16 + 4 * (integers + fractions));
  if (most > room) { needBytes = most; needChild = 0; return GROW; }
  if (sign == 0xC000) { store<u8>(to, 78); store<u8>(to + 1, 97); store<u8>(to + 2, 78); return 3; }
  if (sign == 0xD000 || sign == 0xF000) {
    let p = to;
    if (sign == 0xF000) store<u8>(p++, 45);
    store<u64>(p, 0x7974696e69666e49); // Infinity
    return <i32>(p + 8 - to);
  }
  if (sign != 0 && sign != 0x4000) return FAIL;
  for (let i = 0; i < digits; i++) if (be16(f + 8 + 2 * i) > 9999) return FAIL;
  let p = to;
  if (sign == 0x4000) store<u8>(p++, 45);
  const start = p;
  for (let i = 0; i < integers; i++, p += 4) put4(p, i < digits ? be16(f + 8 + 2 * i) : 0);
  // leading zeros go, but for one
  let zeros: usize = 0;
  while (start + zeros + 1 < p && load<u8>(start + zeros) == 48) zeros++;
  if (zeros > 0) { memory.copy(start, start + zeros, p - start - zeros); p -= zeros; }
  if (p == start) store<u8>(p++, 48);
  const point = p;
  store<u8>(p++, 46);
  for (let place = -1; place > weight - digits; place--, p += 4) {
    const i = weight - place;
    put4(p, i >= 0 && i < digits ? be16(f + 8 + 2 * i) : 0);
  }
  while (p > point + 1 && load<u8>(p - 1) == 48) p--;
  if (p == point + 1) p = point;
  // -0 is 0
  if (sign == 0x4000 && p == start + 1 && load<u8>(start) == 48) { store<u8>(to, 48); return 1; }
  return <i32>(p - to);
}

// ── one value ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A value of fixed width to place `i` of data. */
function fixed(d: usize, kind: i32, i: usize, f: usize, length: i32): i32 {
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
      else if (value >= i64.MAX_VALUE - MICROS_TO_2000) { store<i64>(data + (i << 3), 0); if (reason == 0) reason = R_RANGE; }
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
      else if (value >= i32.MAX_VALUE - DAYS_TO_2000) { store<i32>(data + (i << 2), 0); if (reason == 0) reason = R_RANGE; }
      else store<i32>(data + (i << 2), value + DAYS_TO_2000);
      return 0;
    }
    case K_UUID:
      if (length != 16) return FAIL;
      store<u64>(data + (i << 4), load<u64>(f));
      store<u64>(data + (i << 4), load<u64>(f, 8), 8);
      return 0;
    case K_INTERVAL:
      if (length != 16) return FAIL;
      store<i64>(data + (i << 4), be64(f));
      store<i32>(data + (i << 4), be32(f + 8), 8);
      store<i32>(data + (i << 4), be32(f + 12), 12);
      return 0;
    case K_DECIMAL64:
      if (decimal(f, length, load<i32>(d, D_PRECISION), load<i32>(d, D_SCALE)) < 0) return FAIL;
      store<u64>(data + (i << 3), low);
      return 0;
    case K_DECIMAL128:
      if (decimal(f, length, load<i32>(d, D_PRECISION), load<i32>(d, D_SCALE)) < 0) return FAIL;
      store<u64>(data + (i << 4), low);
      store<u64>(data + (i << 4), high, 8);
      return 0;
  }
  return FAIL;
}

/** A value of own length to data at `at`; the bytes that it took, FAIL or GROW. */
function varying(d: usize, kind: i32, at: usize, f: usize, length: i32): i32 {
  const to = <usize>load<u32>(d, D_DATA) + at;
  const room = <usize>load<u32>(d, D_CAP) - at;
  if (kind == K_NUMBER) {
    const took = numberText(f, length, to, room);
    if (took == GROW) needBytes += at;
    return took;
  }
  if (kind == K_JSONB) {
    if (length < 1 || load<u8>(f) != 1) return FAIL;
    f++; length--;
  }
  if (<usize>length > room) { needBytes = at + <usize>length; needChild = 0; return GROW; }
  copyBytes(to, f, <usize>length);
  return length;
}

// ── arrays ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The elements of a one-dimensional array, placed after `first`; how many, FAIL or GROW. */
function list(d: usize, first: i32, f: usize, length: i32): i32 {
  if (length < 12) return FAIL;
  const end = f + <usize>length;
  const dimensions = be32(f);
  f += 12;
  if (dimensions == 0) return f == end ? 0 : FAIL;
  if (dimensions < 0 || dimensions > 6) return FAIL;
  if (f + <usize>(8 * dimensions) > end) return FAIL;
  if (dimensions > 1) { if (reason == 0) reason = R_DIMENSIONS; return 0; }
  const count = be32(f);
  if (count < 0 || <u64>f + 8 + 4 * <u64>count > <u64>end) return FAIL;
  if (be32(f + 4) != 1) { if (reason == 0) reason = R_BOUND; return 0; }
  f += 8;
  const child = <usize>load<u32>(d, D_CHILD);
  if (<u32>first + <u32>count > load<u32>(child, D_ITEMS)) { needBytes = <usize>(first + count); needChild = 2; return GROW; }
  const kind = load<i32>(child);
  const valid = <usize>load<u32>(child, D_VALID);
  const offsets = <usize>load<u32>(child, D_OFFSETS);
  for (let i = first; i < first + count; i++) {
    if (f + 4 > end) return FAIL;
    const size = be32(f);
    f += 4;
    if (size < -1 || (size > 0 && <u64>f + <u64>size > <u64>end)) return FAIL;
    store<u8>(valid + i, size >= 0 ? 1 : 0);
    if (kind >= K_BYTES) {
      let at = load<i32>(offsets + (<usize>i << 2));
      if (size >= 0) {
        const took = varying(child, kind, at, f, size);
        if (took == GROW) needChild = 1;
        if (took < 0) return took;
        at += took;
      }
      store<i32>(offsets + (<usize>(i + 1) << 2), at);
    } else if (size >= 0 && fixed(child, kind, i, f, size) < 0) return FAIL;
    if (size > 0) f += size;
  }
  return f == end ? count : FAIL;
}

// ── rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The fields of one row from `f` to `end` to place `r`. 0, FAIL or GROW, with `column` left in the state. */
function row(f: usize, end: usize, descriptors: usize, columns: i32, r: usize, state: usize): i32 {
  let d = descriptors;
  for (let c = 0; c < columns; c++, d += 64) {
    if (f + 4 > end) return FAIL;
    const length = be32(f);
    f += 4;
    if (length < -1 || (length > 0 && <u64>f + <u64>length > <u64>end)) return FAIL;
    const kind = load<i32>(d);
    store<u8>(<usize>load<u32>(d, D_VALID) + r, length >= 0 ? 1 : 0);
    let outcome = 0;
    if (kind >= K_BYTES) {
      const offsets = <usize>load<u32>(d, D_OFFSETS) + (r << 2);
      const at = load<i32>(offsets);
      if (length >= 0) outcome = kind == K_LIST ? list(d, at, f, length) : varying(d, kind, at, f, length);
      store<i32>(offsets, at + max(outcome, 0), 4);
    } else if (length >= 0) outcome = fixed(d, kind, r, f, length);
    if (outcome < 0) { store<i32>(state, c, S_NEED_COLUMN); return outcome; }
    if (reason != 0 && load<i32>(state, S_REASON) == 0) {
      store<i32>(state, reason, S_REASON);
      store<i32>(state, c, S_REASON_COLUMN);
    }
    if (length > 0) f += length;
  }
  return f == end ? 0 : FAIL;
}

/** Adds the NULLs of row `r` to the columns' counts: a column without any needs no validity. */
function countNulls(descriptors: usize, columns: i32, r: usize): void {
  let d = descriptors;
  for (let c = 0; c < columns; c++, d += 64) {
    store<i32>(d, load<i32>(d, D_NULLS) + 1 - <i32>load<u8>(<usize>load<u32>(d, D_VALID) + r), D_NULLS);
  }
}

/**
 * Reads whole CopyData messages in [p, end) into the columns, up to `maxRows` rows; the window is padded. Returns a status, and in the
 * state how far it came.
 */
export function copyRows(p: usize, end: usize, descriptors: usize, columns: i32, state: usize, maxRows: i32): i32 {
  let r = load<i32>(state, S_ROWS);
  let status = MORE;
  while (p + 5 <= end) {
    const size = <u64>(<u32>be32(p + 1)) + 1;
    if (load<u8>(p) != 100) { status = OTHER; break; }
    if (size < 5) { status = CORRUPT; break; }
    if (<u64>p + size > <u64>end) break;
    const next = p + <usize>size;
    let f = p + 5;
    if (load<i32>(state, S_HEADER) == 0) {
      // PGCOPY\n\377\r\n\0, flags, length of the extension
      if (f + 19 > next || be64(f) != 0x5047434f50590aff || load<u8>(f, 8) != 13 || load<u8>(f, 9) != 10 || load<u8>(f, 10) != 0) { status = CORRUPT; break; }
      if ((be32(f + 11) & 0xffff0000) != 0) { status = CORRUPT; break; }
      const extension = <u64>(<u32>be32(f + 15));
      if (<u64>f + 19 + extension > <u64>next) { status = CORRUPT; break; }
      f += 19 + <usize>extension;
      store<i32>(state, 1, S_HEADER);
      if (f < next) {
        // the first row comes in the header's message: what was read of it is kept by moving the message's frame behind it
        const rest = next - f;
        p = f - 5;
        store<u8>(p, 100);
        store<u32>(p, bswap<u32>(<u32>rest + 4), 1);
        continue;
      }
      p = next;
      continue;
    }
    if (f + 2 > next) { status = CORRUPT; break; }
    const fields = be16(f);
    if (fields == 0xffff && f + 2 == next) { p = next; continue; }
    if (fields != columns) { status = CORRUPT; break; }
    if (r >= maxRows) { status = FULL; break; }
    reason = 0;
    store<i32>(state, 0, S_REASON);
    const outcome = row(f + 2, next, descriptors, columns, <usize>r, state);
    if (outcome == GROW) {
      store<i32>(state, <i32>needBytes, S_NEED_BYTES);
      store<i32>(state, needChild, S_NEED_CHILD);
      status = NEED;
      break;
    }
    if (outcome < 0) { status = CORRUPT; break; }
    p = next;
    if (reason != 0) { status = REJECTED; break; }
    countNulls(descriptors, columns, <usize>r);
    r++;
  }
  store<i32>(state, r, S_ROWS);
  store<i32>(state, <i32>p, S_CONSUMED);
  return status;
}

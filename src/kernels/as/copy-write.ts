// Columns into Postgres' COPY (FORMAT binary). First every column adds its bytes to the size of each row, then the rows get their
// places, then every column writes its field into each row and moves the row's cursor on. Cursors are addresses, one i32 a row.

const NULL_FIELD: u32 = 0xffffffff; // length -1

@inline function there(validity: usize, i: usize): bool { return validity == 0 || load<u8>(validity + i) == 1; }
@inline function put16(p: usize, v: u32): void { store<u16>(p, bswap<u16>(<u16>v)); }
@inline function put32(p: usize, v: u32): void { store<u32>(p, bswap<u32>(v)); }
@inline function put64(p: usize, v: u64): void { store<u64>(p, bswap<u64>(v)); }
@inline function add(p: usize, n: usize): void { store<u32>(p, load<u32>(p) + <u32>n); }

/** Fields of one width. */
export function writeSizeFixed(sizes: usize, n: usize, validity: usize, width: usize): void {
  for (let i: usize = 0; i < n; i++) add(sizes + (i << 2), there(validity, i) ? 4 + width : 4);
}
/** Fields of bytes, with `extra` before them. */
export function writeSizeBytes(sizes: usize, n: usize, validity: usize, offsets: usize, extra: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const at = offsets + (i << 2);
    add(sizes + (i << 2), there(validity, i) ? 4 + extra + load<u32>(at + 4) - load<u32>(at) : 4);
  }
}

/** Sizes become places from `out` on, each row with its number of fields before it; returns the end. */
export function writeRows(sizes: usize, n: usize, fields: u32, out: usize): usize {
  for (let i: usize = 0; i < n; i++) {
    const size = load<u32>(sizes + (i << 2));
    put16(out, fields);
    store<u32>(sizes + (i << 2), <u32>(out + 2));
    out += 2 + size;
  }
  return out;
}

export function writeNull(cursors: usize, n: usize): void {
  for (let i: usize = 0; i < n; i++) { const c = cursors + (i << 2); put32(load<u32>(c), NULL_FIELD); add(c, 4); }
}
export function writeFixed1(cursors: usize, n: usize, validity: usize, data: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    put32(p, 1); store<u8>(p + 4, load<u8>(data + i)); add(c, 5);
  }
}
/** int2 from int8, uint8 (kinds 0, 1) and int16 (2). */
export function writeInt2(cursors: usize, n: usize, validity: usize, data: usize, from: i32): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    const v = from == 0 ? <i32>load<i8>(data + i) : from == 1 ? <i32>load<u8>(data + i) : <i32>load<i16>(data + (i << 1));
    put32(p, 2); put16(p + 4, <u32>v); add(c, 6);
  }
}
/** Four bytes, from uint16 where `narrow`. */
export function writeFixed4(cursors: usize, n: usize, validity: usize, data: usize, narrow: i32): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    put32(p, 4); put32(p + 4, narrow ? <u32>load<u16>(data + (i << 1)) : load<u32>(data + (i << 2))); add(c, 8);
  }
}
/** int8: from uint32 where `narrow`. */
export function writeFixed8(cursors: usize, n: usize, validity: usize, data: usize, narrow: i32): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    put32(p, 8); put64(p + 4, narrow ? <u64>load<u32>(data + (i << 2)) : load<u64>(data + (i << 3))); add(c, 12);
  }
}
/** Days from 2000; the infinities are the same integers. Returns the first row that lies before what Postgres holds, or -1. */
export function writeDate(cursors: usize, n: usize, validity: usize, data: usize): i32 {
  let bad = -1;
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    let v = load<i32>(data + (i << 2));
    if (v != i32.MAX_VALUE && v != i32.MIN_VALUE) {
      if (bad < 0 && (v < -2440588 || v > 2145042905)) bad = <i32>i;
      v -= 10957;
    }
    put32(p, 4); put32(p + 4, <u32>v); add(c, 8);
  }
  return bad;
}
/** Microseconds from 2000. Returns as `writeDate`. */
export function writeTimestamp(cursors: usize, n: usize, validity: usize, data: usize): i32 {
  let bad = -1;
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    let v = load<i64>(data + (i << 3));
    if (v != i64.MAX_VALUE && v != i64.MIN_VALUE) {
      if (bad < 0 && v < -210866803200000000) bad = <i32>i;
      v -= 946684800000000;
    }
    put32(p, 8); put64(p + 4, <u64>v); add(c, 12);
  }
  return bad;
}
export function writeUuid(cursors: usize, n: usize, validity: usize, data: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    put32(p, 16); store<u64>(p + 4, load<u64>(data + (i << 4))); store<u64>(p + 12, load<u64>(data + (i << 4) + 8)); add(c, 20);
  }
}
export function writeInterval(cursors: usize, n: usize, validity: usize, data: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c), v = data + (i << 4);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    put32(p, 16); put64(p + 4, load<u64>(v)); put32(p + 12, load<u32>(v + 8)); put32(p + 16, load<u32>(v + 12)); add(c, 20);
  }
}
/** Text, bytes, json; `prefix` (if not negative) goes before: the version of jsonb. */
export function writeBytes(cursors: usize, n: usize, validity: usize, data: usize, offsets: usize, prefix: i32): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    const from = <usize>load<u32>(offsets + (i << 2)), length = <usize>load<u32>(offsets + (i << 2) + 4) - from;
    let to = p + 4;
    if (prefix >= 0) { store<u8>(to, <u8>prefix); to++; }
    put32(p, <u32>(to + length - p - 4));
    memory.copy(to, data + from, length);
    store<u32>(c, <u32>(to + length));
  }
}
/** `base` + row number. */
export function writeOrdinal(cursors: usize, n: usize, base: i64): void {
  for (let i: usize = 0; i < n; i++) { const c = cursors + (i << 2), p = <usize>load<u32>(c); put32(p, 8); put64(p + 4, <u64>(base + <i64>i)); add(c, 12); }
}

// ── numeric ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const groups = memory.data(2 * 64);  // base 10000, least first
const limbs = memory.data(4 * 6);
let groupCount: i32 = 0;
let skipped: i32 = 0; // groups of zeros at the least end

/** A magnitude of at most 128 bits, times 10^pad, as groups. */
function toGroups(low: u64, high: u64, pad: i32): void {
  store<u32>(limbs, <u32>low); store<u32>(limbs, <u32>(low >> 32), 4);
  store<u32>(limbs, <u32>high, 8); store<u32>(limbs, <u32>(high >> 32), 12);
  store<u32>(limbs, 0, 16);
  let times: u64 = pad == 0 ? 1 : pad == 1 ? 10 : pad == 2 ? 100 : 1000;
  let carry: u64 = 0;
  let top: usize = 0;
  for (let k: usize = 0; k < 5; k++) {
    const v = <u64>load<u32>(limbs + (k << 2)) * times + carry;
    store<u32>(limbs + (k << 2), <u32>v);
    carry = v >> 32;
    if (<u32>v != 0) top = k + 1;
  }
  groupCount = 0;
  while (top > 0) {
    let rest: u64 = 0;
    for (let k = top; k > 0; k--) {
      const v = (rest << 32) | <u64>load<u32>(limbs + ((k - 1) << 2));
      store<u32>(limbs + ((k - 1) << 2), <u32>(v / 10000));
      rest = v % 10000;
    }
    store<u16>(groups + (<usize>groupCount << 1), <u16>rest);
    groupCount++;
    while (top > 0 && load<u32>(limbs + ((top - 1) << 2)) == 0) top--;
  }
  skipped = 0;
  while (skipped < groupCount && load<u16>(groups + (<usize>skipped << 1)) == 0) skipped++;
}

function decimalGroups(data: usize, i: usize, wide: i32, pad: i32): bool {
  if (!wide) {
    const v = load<i64>(data + (i << 3));
    toGroups(v < 0 ? <u64>(-v) : <u64>v, 0, pad);
    return v < 0;
  }
  let low = load<u64>(data + (i << 4)), high = load<u64>(data + (i << 4) + 8);
  const negative = <i64>high < 0;
  if (negative) { low = ~low + 1; high = ~high + (low == 0 ? 1 : 0); }
  toGroups(low, high, pad);
  return negative;
}

export function writeSizeDecimal(sizes: usize, n: usize, validity: usize, data: usize, wide: i32, scale: i32): void {
  const pad = (4 - scale % 4) % 4;
  for (let i: usize = 0; i < n; i++) {
    if (!there(validity, i)) { add(sizes + (i << 2), 4); continue; }
    decimalGroups(data, i, wide, pad);
    add(sizes + (i << 2), 12 + 2 * (groupCount - skipped));
  }
}
export function writeDecimal(cursors: usize, n: usize, validity: usize, data: usize, wide: i32, scale: i32): void {
  const pad = (4 - scale % 4) % 4, below = (scale + pad) / 4;
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    const negative = decimalGroups(data, i, wide, pad);
    const count = groupCount - skipped;
    put32(p, 8 + 2 * count);
    put16(p + 4, count);
    put16(p + 6, count == 0 ? 0 : groupCount - below - 1);
    put16(p + 8, negative ? 0x4000 : 0);
    put16(p + 10, scale);
    let to = p + 12;
    for (let k = groupCount - 1; k >= skipped; k--, to += 2) put16(to, load<u16>(groups + (<usize>k << 1)));
    store<u32>(c, <u32>to);
  }
}

let signOf: u32 = 0;
let fraction: i32 = 0;
let firstGroup: i32 = 0; // place of the first group that is not zero; 0 is the one left of the point
let lastGroup: i32 = 0;
let point: usize = 0;
let start: usize = 0;
let end: usize = 0;

/** The digit that stands `place` places left of the point (negative: right of it). */
@inline function digitAt(place: i32): i32 {
  const p = place > 0 ? point - <usize>place : point - <usize>place + 1;
  return place > 0 ? (p >= start && point >= <usize>place + start ? <i32>load<u8>(p) - 48 : 0) : (p < end ? <i32>load<u8>(p) - 48 : 0);
}
/** Group g holds digits of weight 10000^g. */
function groupAt(g: i32): i32 {
  const top = 4 * g + 4;
  return top > 0
    ? digitAt(top) * 1000 + digitAt(top - 1) * 100 + digitAt(top - 2) * 10 + digitAt(top - 3)
    : digitAt(top) * 1000 + digitAt(top - 1) * 100 + digitAt(top - 2) * 10 + digitAt(top - 3);
}
/** A canonical number's groups: false when it is not a finite one. */
function scanNumber(from: usize, to: usize): bool {
  signOf = 0;
  start = from;
  end = to;
  if (load<u8>(start) == 0x2d) { signOf = 0x4000; start++; }
  if (load<u8>(start) == 0x4e) { signOf = 0xC000; return false; }
  if (load<u8>(start) == 0x49) { signOf = signOf == 0 ? 0xD000 : 0xF000; return false; }
  point = start;
  while (point < end && load<u8>(point) != 0x2e) point++;
  fraction = point < end ? <i32>(end - point) - 1 : 0;
  firstGroup = (<i32>(point - start) + 3) / 4 - 1;
  lastGroup = -((fraction + 3) / 4);
  while (firstGroup >= lastGroup && groupAt(firstGroup) == 0) firstGroup--;
  while (lastGroup <= firstGroup && groupAt(lastGroup) == 0) lastGroup++;
  return true;
}
export function writeSizeNumber(sizes: usize, n: usize, validity: usize, data: usize, offsets: usize): void {
  for (let i: usize = 0; i < n; i++) {
    if (!there(validity, i)) { add(sizes + (i << 2), 4); continue; }
    const at = offsets + (i << 2);
    const finite = scanNumber(data + load<u32>(at), data + load<u32>(at + 4));
    add(sizes + (i << 2), finite && firstGroup >= lastGroup ? 12 + 2 * <usize>(firstGroup - lastGroup + 1) : 12);
  }
}
export function writeNumber(cursors: usize, n: usize, validity: usize, data: usize, offsets: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c), at = offsets + (i << 2);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    const finite = scanNumber(data + load<u32>(at), data + load<u32>(at + 4));
    const count = finite && firstGroup >= lastGroup ? firstGroup - lastGroup + 1 : 0;
    put32(p, 8 + 2 * count);
    put16(p + 4, count);
    put16(p + 6, count == 0 ? 0 : firstGroup);
    put16(p + 8, finite && count == 0 ? 0 : signOf);
    put16(p + 10, finite ? fraction : 0);
    let to = p + 12;
    for (let k = 0; k < count; k++, to += 2) put16(to, groupAt(firstGroup - k));
    store<u32>(c, <u32>to);
  }
}
/** uint64 as numeric. */
export function writeSizeUnsigned(sizes: usize, n: usize, validity: usize, data: usize): void {
  for (let i: usize = 0; i < n; i++) {
    if (!there(validity, i)) { add(sizes + (i << 2), 4); continue; }
    toGroups(load<u64>(data + (i << 3)), 0, 0);
    add(sizes + (i << 2), 12 + 2 * (groupCount - skipped));
  }
}
export function writeUnsigned(cursors: usize, n: usize, validity: usize, data: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    toGroups(load<u64>(data + (i << 3)), 0, 0);
    const count = groupCount - skipped;
    put32(p, 8 + 2 * count); put16(p + 4, count); put16(p + 6, count == 0 ? 0 : groupCount - 1); put32(p + 8, 0);
    let to = p + 12;
    for (let k = groupCount - 1; k >= skipped; k--, to += 2) put16(to, load<u16>(groups + (<usize>k << 1)));
    store<u32>(c, <u32>to);
  }
}

// ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Arrays of one dimension: `children` are the sizes of the elements as fields. */
export function writeSizeList(sizes: usize, n: usize, validity: usize, offsets: usize, children: usize): void {
  for (let i: usize = 0; i < n; i++) {
    const at = offsets + (i << 2);
    if (!there(validity, i)) { add(sizes + (i << 2), 4); continue; }
    const from = load<u32>(at), to = load<u32>(at + 4);
    let size: usize = from == to ? 16 : 24;
    for (let k = from; k < to; k++) size += load<u32>(children + (<usize>k << 2));
    add(sizes + (i << 2), size);
  }
}
/** Writes the heads; `children` become the cursors of the elements. */
export function writeList(cursors: usize, n: usize, validity: usize, offsets: usize, children: usize, oid: u32): void {
  for (let i: usize = 0; i < n; i++) {
    const c = cursors + (i << 2), p = <usize>load<u32>(c), at = offsets + (i << 2);
    if (!there(validity, i)) { put32(p, NULL_FIELD); add(c, 4); continue; }
    const from = load<u32>(at), to = load<u32>(at + 4);
    put32(p + 4, from == to ? 0 : 1); put32(p + 8, 0); put32(p + 12, oid);
    let next = p + 16;
    if (from != to) { put32(p + 16, to - from); put32(p + 20, 1); next = p + 24; }
    for (let k = from; k < to; k++) {
      const size = load<u32>(children + (<usize>k << 2));
      store<u32>(children + (<usize>k << 2), <u32>next);
      next += size;
    }
    put32(p, <u32>(next - p - 4));
    store<u32>(c, <u32>next);
  }
}

// Parquet pages: values without their nulls, levels, dictionaries, least and greatest values. `valid` is 0 when all are present.

// @ts-ignore: decorator
@inline function present(valid: usize, i: i32): bool { return valid == 0 || load<u8>(valid + i) == 1; }

/** Definition levels of a flat column: 1 for present, 0 for all else. Returns how many are present. */
export function pqLevels(valid: usize, from: i32, to: i32, out: usize): i32 {
  const n = to - from;
  if (valid == 0) { memory.fill(out, 1, n); return n; }
  let count = 0;
  for (let i = 0; i < n; i++) { const v = <i32>(load<u8>(valid + from + i) == 1); store<u8>(out + i, <u8>v); count += v; }
  return count;
}

function copyAs<S, D>(data: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  for (let i = from; i < to; i++) {
    store<D>(out, <D>load<S>(data + <usize>i * sizeof<S>()));
    out += present(valid, i) ? sizeof<D>() : 0;
  }
  return out;
}
function copySame<T>(data: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  if (valid != 0) return copyAs<T, T>(data, valid, from, to, out);
  const size = <usize>(to - from) * sizeof<T>();
  memory.copy(out, data + <usize>from * sizeof<T>(), size);
  return out + size;
}
function copy16(data: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  for (let i = from; i < to; i++) {
    v128.store(out, v128.load(data + (<usize>i << 4)));
    out += present(valid, i) ? 16 : 0;
  }
  return out;
}
/** 16 bytes little-endian to big-endian. */
function copy16Swapped(data: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  for (let i = from; i < to; i++) {
    const p = data + (<usize>i << 4);
    store<u64>(out, bswap<u64>(load<u64>(p + 8))); store<u64>(out + 8, bswap<u64>(load<u64>(p)));
    out += present(valid, i) ? 16 : 0;
  }
  return out;
}
/** Appends the present values of rows from..to as PLAIN (bool: a byte each) and returns the end. `how` is Copy in column.ts. */
export function pqCopy(how: i32, data: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  switch (how) {
    case 0: return copySame<u8>(data, valid, from, to, out);
    case 1: return copyAs<i8, i32>(data, valid, from, to, out);
    case 2: return copyAs<i16, i32>(data, valid, from, to, out);
    case 3: return copyAs<u8, i32>(data, valid, from, to, out);
    case 4: return copyAs<u16, i32>(data, valid, from, to, out);
    case 5: return copySame<u32>(data, valid, from, to, out);
    case 6: return copySame<u64>(data, valid, from, to, out);
    case 7: return copyAs<i64, i32>(data, valid, from, to, out);
    case 8: return copy16(data, valid, from, to, out);
    default: return copy16Swapped(data, valid, from, to, out);
  }
}

// Statistics of fixed width lie at `s`: least (16 bytes), greatest (16 bytes), u32 whether there are any, u32 whether a float is NaN.
function range<T>(p: usize, n: i32, s: usize): void {
  if (n == 0) return;
  let lo = load<T>(p), hi = lo;
  if (load<u32>(s + 32)) { lo = load<T>(s); hi = load<T>(s + 16); }
  for (let i = 0; i < n; i++) { const v = load<T>(p + <usize>i * sizeof<T>()); lo = v < lo ? v : lo; hi = v > hi ? v : hi; }
  store<T>(s, lo); store<T>(s + 16, hi); store<u32>(s + 32, 1);
}
/** NaN has no order here, but is the greatest to some readers: where one is, there are no bounds. */
function rangeFloat<T>(p: usize, n: i32, s: usize): void {
  let any = load<u32>(s + 32), nan = load<u32>(s + 36), lo: T = <T>Infinity, hi: T = <T>-Infinity;
  if (any) { lo = load<T>(s); hi = load<T>(s + 16); }
  for (let i = 0; i < n; i++) {
    const v = load<T>(p + <usize>i * sizeof<T>());
    any |= <u32>(v == v); nan |= <u32>(v != v); lo = v < lo ? v : lo; hi = v > hi ? v : hi;
  }
  store<T>(s, lo); store<T>(s + 16, hi); store<u32>(s + 32, any); store<u32>(s + 36, nan);
}
/** 16 bytes, big-endian: signed for decimals, unsigned for uuid. `flip` is the sign bit of the first half or 0. */
function range16(p: usize, n: i32, s: usize, flip: u64): void {
  for (let i = 0; i < n; i++) {
    const q = p + (<usize>i << 4), a = bswap<u64>(load<u64>(q)) ^ flip, b = bswap<u64>(load<u64>(q + 8));
    const any = load<u32>(s + 32) != 0;
    const la = bswap<u64>(load<u64>(s)) ^ flip, lb = bswap<u64>(load<u64>(s + 8));
    if (!any || a < la || (a == la && b < lb)) v128.store(s, v128.load(q));
    const ha = bswap<u64>(load<u64>(s + 16)) ^ flip, hb = bswap<u64>(load<u64>(s + 24));
    if (!any || a > ha || (a == ha && b > hb)) v128.store(s + 16, v128.load(q));
    store<u32>(s + 32, 1);
  }
}
/** Widens the statistics at `s` by n PLAIN values. `order` is Order in column.ts. */
export function pqRange(order: i32, p: usize, n: i32, s: usize): void {
  switch (order) {
    case 0: range<u8>(p, n, s); break;
    case 1: range<i32>(p, n, s); break;
    case 2: range<u32>(p, n, s); break;
    case 3: range<i64>(p, n, s); break;
    case 4: range<u64>(p, n, s); break;
    case 5: rangeFloat<f32>(p, n, s); break;
    case 6: rangeFloat<f64>(p, n, s); break;
    case 7: range16(p, n, s, 0x8000000000000000); break;
    default: range16(p, n, s, 0);
  }
}

// Statistics of byte strings lie at `s`: u32 any, u32 least length, u32 greatest length, u32 least is cut, u32 greatest is cut,
// the first KEPT bytes of the least at 32, of the greatest at 128. A cut greatest value has to be raised before it is a bound.
const KEPT: i32 = 64;
// @ts-ignore: decorator
@inline function head(p: usize, len: i32): u64 {
  const v = bswap<u64>(load<u64>(p));
  return len >= 8 ? v : len == 0 ? 0 : v & (<u64>-1 << (<u64>(8 - len) << 3));
}
function compare(a: usize, an: i32, b: usize, bn: i32): i32 {
  const n = min(an, bn);
  let i = 0;
  for (; i + 8 <= n; i += 8) {
    const x = load<u64>(a + i), y = load<u64>(b + i);
    if (x != y) return bswap<u64>(x) < bswap<u64>(y) ? -1 : 1;
  }
  for (; i < n; i++) { const x = <i32>load<u8>(a + i), y = <i32>load<u8>(b + i); if (x != y) return x - y; }
  return an - bn;
}
function keep(p: usize, len: i32, s: usize, lenAt: usize, at: usize): void {
  const n = min(len, KEPT);
  store<i32>(s + lenAt, n); memory.copy(s + at, p, n);
}
/** Widens the statistics at `s` by the present values of rows from..to. */
export function pqTextRange(data: usize, offsets: usize, valid: usize, from: i32, to: i32, s: usize): void {
  let any = load<u32>(s) != 0;
  let lo = any ? head(s + 32, load<i32>(s + 4)) : <u64>-1, hi = any ? head(s + 128, load<i32>(s + 8)) : 0;
  for (let i = from; i < to; i++) {
    if (!present(valid, i)) continue;
    const a = load<i32>(offsets + (<usize>i << 2)), len = load<i32>(offsets + (<usize>i << 2), 4) - a, p = data + a;
    const h = head(p, len);
    if (any && h > lo && h < hi) continue;
    const n = min(len, KEPT);
    if (!any || h < lo || (h == lo && compare(p, n, s + 32, load<i32>(s + 4)) < 0)) {
      keep(p, len, s, 4, 32); store<u32>(s + 12, <u32>(len > KEPT)); lo = h;
    }
    const c = !any || h > hi ? 1 : h < hi ? -1 : compare(p, n, s + 128, load<i32>(s + 8));
    if (c > 0) { keep(p, len, s, 8, 128); store<u32>(s + 16, <u32>(len > KEPT)); hi = h; }
    else if (c == 0 && len > KEPT) store<u32>(s + 16, 1);
    any = true;
  }
  store<u32>(s, <u32>any);
}

/** Appends the present texts of rows from..to, each behind its length, and returns the end. */
export function pqTextPlain(data: usize, offsets: usize, valid: usize, from: i32, to: i32, out: usize): usize {
  let a = load<i32>(offsets + (<usize>from << 2));
  for (let i = from; i < to; i++) {
    const b = load<i32>(offsets + (<usize>i << 2), 4);
    if (present(valid, i)) {
      const len = b - a;
      store<i32>(out, len); out += 4;
      const end = out + len;
      if (len <= 64) { for (let s = data + a; out < end; s += 8, out += 8) store<u64>(out, load<u64>(s)); } else memory.copy(out, data + a, len);
      out = end;
    }
    a = b;
  }
  return out;
}
/** The last row of from..to so that the texts before it fit `room` as PLAIN; `from` when not one does. */
export function pqTextFit(offsets: usize, from: i32, to: i32, room: i32): i32 {
  const base = <i64>load<i32>(offsets + (<usize>from << 2));
  let lo = from, hi = to;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    const size = <i64>load<i32>(offsets + (<usize>mid << 2)) - base + (<i64>(mid - from) << 2);
    if (size <= room) lo = mid; else hi = mid - 1;
  }
  return lo;
}

// A dictionary lies at `d`: u32 entries, u32 bytes, u32 most entries, u32 most bytes, u32 mask, then addresses of: slots (u32, entry + 1),
// starts (u32 per entry, texts only), values (PLAIN).
// @ts-ignore: decorator
@inline function mix(h: u64): u64 { h = (h ^ (h >> 32)) * 0xd6e8feb86659fd93; return h ^ (h >> 32); }

export function pqDictClear(d: usize): void {
  store<u32>(d, 0); store<u32>(d + 4, 0);
  memory.fill(load<u32>(d + 20), 0, (load<u32>(d + 16) + 1) << 2);
}
function dictFixed<T>(p: usize, n: i32, d: usize, out: usize): i32 {
  const slots = <usize>load<u32>(d + 20), values = <usize>load<u32>(d + 28), mask = load<u32>(d + 16), most = load<u32>(d + 8);
  let count = load<u32>(d), i = 0;
  for (; i < n; i++) {
    const v = load<T>(p + <usize>i * sizeof<T>());
    let slot = <u32>mix(<u64>v) & mask, e: u32 = 0;
    while ((e = load<u32>(slots + (<usize>slot << 2))) != 0 && load<T>(values + <usize>(e - 1) * sizeof<T>()) != v) slot = (slot + 1) & mask;
    if (e == 0) {
      if (count == most) break;
      store<T>(values + <usize>count * sizeof<T>(), v);
      e = ++count; store<u32>(slots + (<usize>slot << 2), e);
    }
    store<u32>(out + (<usize>i << 2), e - 1);
  }
  store<u32>(d, count); store<u32>(d + 4, count * sizeof<T>());
  return i;
}
/** Writes the index of each of n PLAIN values of 4 or 8 bytes; stops when the dictionary is full. Returns how many were written. */
export function pqDict(width: i32, p: usize, n: i32, d: usize, out: usize): i32 {
  return width == 4 ? dictFixed<u32>(p, n, d, out) : dictFixed<u64>(p, n, d, out);
}
// @ts-ignore: decorator
@inline function same(a: usize, b: usize, len: i32): bool {
  let i = 0;
  for (; i + 8 <= len; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false;
  if (i == len) return true;
  return ((load<u64>(a + i) ^ load<u64>(b + i)) << (<u64>(8 - (len - i)) << 3)) == 0;
}
// @ts-ignore: decorator
@inline function hash(p: usize, len: i32): u64 {
  let h: u64 = 0x9E3779B97F4A7C15 ^ <u64>len, k = 0;
  for (; k + 8 <= len; k += 8) h = (h ^ load<u64>(p + k)) * 0xff51afd7ed558ccd, h ^= h >> 29;
  if (k < len) h = h ^ (load<u64>(p + k) << (<u64>(8 - (len - k)) << 3));
  return mix(h);
}
/** As pqDict over the present texts of rows from..to. Returns the row where it stopped: `to`, or the first that has no room. */
export function pqDictText(data: usize, offsets: usize, valid: usize, from: i32, to: i32, d: usize, out: usize): i32 {
  const slots = <usize>load<u32>(d + 20), starts = <usize>load<u32>(d + 24), values = <usize>load<u32>(d + 28);
  const mask = load<u32>(d + 16), most = load<u32>(d + 8), mostBytes = load<u32>(d + 12);
  let count = load<u32>(d), size = load<u32>(d + 4), i = from;
  for (; i < to; i++) {
    if (!present(valid, i)) continue;
    const a = load<i32>(offsets + (<usize>i << 2)), len = load<i32>(offsets + (<usize>i << 2), 4) - a, p = data + a;
    let slot = <u32>hash(p, len) & mask, e: u32 = 0;
    while ((e = load<u32>(slots + (<usize>slot << 2))) != 0) {
      const q = values + load<u32>(starts + (<usize>(e - 1) << 2));
      if (load<i32>(q) == len && same(q + 4, p, len)) break;
      slot = (slot + 1) & mask;
    }
    if (e == 0) {
      if (count == most || <u64>size + 4 + len > <u64>mostBytes) break;
      store<u32>(starts + (<usize>count << 2), size);
      const q = values + size;
      store<i32>(q, len); memory.copy(q + 4, p, len);
      size += 4 + len; e = ++count; store<u32>(slots + (<usize>slot << 2), e);
    }
    store<u32>(out, e - 1); out += 4;
  }
  store<u32>(d, count); store<u32>(d + 4, size);
  return i;
}
/** The texts of n indices as PLAIN again. Returns the end. */
export function pqUndict(indices: usize, n: i32, d: usize, out: usize): usize {
  const starts = <usize>load<u32>(d + 24), values = <usize>load<u32>(d + 28);
  for (let i = 0; i < n; i++) {
    const q = values + load<u32>(starts + (<usize>load<u32>(indices + (<usize>i << 2)) << 2)), size = load<i32>(q) + 4;
    memory.copy(out, q, size); out += size;
  }
  return out;
}
/** Bytes of n texts as PLAIN again. */
export function pqUndictSize(indices: usize, n: i32, d: usize): i32 {
  const starts = <usize>load<u32>(d + 24), values = <usize>load<u32>(d + 28);
  let size = 0;
  for (let i = 0; i < n; i++) size += load<i32>(values + load<u32>(starts + (<usize>load<u32>(indices + (<usize>i << 2)) << 2))) + 4;
  return size;
}
/** How many of n levels are `most`. */
export function pqCount(levels: usize, n: i32, most: i32): i32 {
  let count = 0;
  for (let i = 0; i < n; i++) count += <i32>(load<u8>(levels + i) == <u8>most);
  return count;
}
/** How many of the rows from..to are present. */
export function pqCountPresent(valid: usize, from: i32, to: i32): i32 {
  if (valid == 0) return to - from;
  let count = 0;
  for (let i = from; i < to; i++) count += <i32>(load<u8>(valid + i) == 1);
  return count;
}

// @ts-ignore: decorator
@inline function varint(v: u32, out: usize): usize {
  while (v > 127) { store<u8>(out++, <u8>((v & 127) | 128)); v >>= 7; }
  store<u8>(out++, <u8>v);
  return out;
}
// @ts-ignore: decorator
@inline function level<T>(src: usize, i: i32): u32 { return <u32>load<T>(src + <usize>i * sizeof<T>()); }
/** How many values from i on equal value i, at most n. */
function runOf<T>(src: usize, i: i32, n: i32): i32 {
  const v = level<T>(src, i);
  let j = i + 1;
  if (sizeof<T>() == 1) { const all = <u64>v * 0x0101010101010101; while (j + 8 <= n && load<u64>(src + j) == all) j += 8; }
  while (j < n && level<T>(src, j) == v) j++;
  return j - i;
}
function hybrid<T>(src: usize, n: i32, width: i32, out: usize): usize {
  let i = 0;
  while (i < n) {
    const run = runOf<T>(src, i, n);
    if (run >= 16 || run == n - i) {
      out = varint(<u32>run << 1, out);
      const v = level<T>(src, i);
      for (let b = 0; b < width; b += 8) store<u8>(out++, <u8>(v >> b));
      i += run;
      continue;
    }
    // groups of eight until a group begins a long run
    let end = i;
    while (end < n) { end += 8; if (end < n && level<T>(src, end) == level<T>(src, min(end + 15, n - 1)) && runOf<T>(src, end, n) >= 16) break; }
    const groups = (end - i) >> 3;
    out = varint((<u32>groups << 1) | 1, out);
    let acc: u64 = 0, bits: u64 = 0;
    for (let j = i; j < end; j++) {
      acc |= <u64>(j < n ? level<T>(src, j) : 0) << bits; bits += width;
      while (bits >= 8) { store<u8>(out++, <u8>acc); acc >>= 8; bits -= 8; }
    }
    i = min(end, n);
  }
  return out;
}
/** The RLE and bit-packing hybrid of n levels of one byte. Returns the end. */
export function pqHybrid8(src: usize, n: i32, width: i32, out: usize): usize { return hybrid<u8>(src, n, width, out); }
/** The same of n indices of four bytes, width at most 24. */
export function pqHybrid32(src: usize, n: i32, width: i32, out: usize): usize { return hybrid<u32>(src, n, width, out); }
/** n bytes of 0 or 1 to bits, least first. Returns the end. */
export function pqBits(src: usize, n: i32, out: usize): usize {
  for (let i = 0; i < n; i += 8) {
    let b: u32 = 0;
    for (let j = 0; j < 8 && i + j < n; j++) b |= <u32>(load<u8>(src + i + j) & 1) << j;
    store<u8>(out++, <u8>b);
  }
  return out;
}

// Levels of nested columns, one step a node of the path: entries (u8 definition, u8 repetition, i32 row or -1 when nothing lies below).
/** A node that may be null: rows present go one level deeper. valid 0: all present. */
export function pqStepOptional(valid: usize, defs: usize, rows: usize, n: i32): void {
  for (let i = 0; i < n; i++) {
    const row = load<i32>(rows + (<usize>i << 2));
    if (row < 0) continue;
    if (present(valid, row)) store<u8>(defs + i, load<u8>(defs + i) + 1); else store<i32>(rows + (<usize>i << 2), -1);
  }
}
/** How many entries pqStepList makes of n. */
export function pqStepListSize(offsets: usize, rows: usize, n: i32): i32 {
  let size = 0;
  for (let i = 0; i < n; i++) {
    const row = load<i32>(rows + (<usize>i << 2));
    const len = row < 0 ? 0 : load<i32>(offsets + (<usize>row << 2), 4) - load<i32>(offsets + (<usize>row << 2));
    size += max(len, 1);
  }
  return size;
}
/** A list: each entry becomes one for each of its elements. `to` holds room for three arrays of `size`: rows, definitions, repetitions. */
export function pqStepList(offsets: usize, from: usize, n: i32, to: usize, size: i32, repetition: i32): void {
  const rows = from, defs = from + (<usize>n << 2), reps = defs + n, toDefs = to + (<usize>size << 2), toReps = toDefs + size;
  let o = 0;
  for (let i = 0; i < n; i++) {
    const row = load<i32>(rows + (<usize>i << 2));
    const def = load<u8>(defs + i), rep = load<u8>(reps + i);
    const a = row < 0 ? 0 : load<i32>(offsets + (<usize>row << 2)), b = row < 0 ? 0 : load<i32>(offsets + (<usize>row << 2), 4);
    if (a == b) { store<i32>(to + (<usize>o << 2), -1); store<u8>(toDefs + o, def); store<u8>(toReps + o, rep); o++; continue; }
    for (let k = a; k < b; k++, o++) {
      store<i32>(to + (<usize>o << 2), k); store<u8>(toDefs + o, def + 1); store<u8>(toReps + o, k == a ? rep : <u8>repetition);
    }
  }
}
/** Rows from..to as entries that nothing is known of yet. */
export function pqStepRoot(from: i32, to: i32, entries: usize): void {
  const n = to - from;
  for (let i = 0; i < n; i++) store<i32>(entries + (<usize>i << 2), from + i);
  memory.fill(entries + (<usize>n << 2), 0, n << 1);
}
/** Marks in `valid`, which begins at row `from`, which of the rows from..to the n entries name. */
export function pqStepLeaf(rows: usize, n: i32, valid: usize, from: i32, to: i32): void {
  memory.fill(valid, 0, to - from);
  for (let i = 0; i < n; i++) { const row = load<i32>(rows + (<usize>i << 2)); if (row >= 0) store<u8>(valid + (row - from), 1); }
}

// Values that the file has no form for.
/** Copies `valid` to `out` with infinite dates (width 4) and timestamps (width 8) as null; returns how many there are. */
export function pqFinite(width: i32, data: usize, valid: usize, n: i32, out: usize): i32 {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const v = valid == 0 ? 1 : load<u8>(valid + i);
    const infinite = v == 1 && (width == 4 ? isInfinite<i32>(load<i32>(data + (<usize>i << 2))) : isInfinite<i64>(load<i64>(data + (<usize>i << 3))));
    store<u8>(out + i, infinite ? 0 : v); count += <i32>infinite;
  }
  return count;
}
// @ts-ignore: decorator
@inline function isInfinite<T>(v: T): bool {
  return sizeof<T>() == 4 ? <i32>v == i32.MIN_VALUE || <i32>v == i32.MAX_VALUE : <i64>v == i64.MIN_VALUE || <i64>v == i64.MAX_VALUE;
}
// @ts-ignore: decorator
@inline function beyond(find: i32, data: usize, i: i32, low: i64, high: i64): bool {
  if (find == 1) return isInfinite<i32>(load<i32>(data + (<usize>i << 2)));
  if (find < 5) {
    const v = load<i64>(data + (<usize>i << 3));
    return find == 2 ? isInfinite<i64>(v) : find == 3 ? v < 0 || v >= 86400000000 : v >= low || v <= -low;
  }
  let a = load<u64>(data + (<usize>i << 4)), b = load<i64>(data + (<usize>i << 4), 8);
  if (b < 0) { a = ~a + 1; b = ~b + <i64>(a == 0); }
  return b < 0 || b > high || (b == high && a >= <u64>low);
}
/** The first row from `i` on that has what `find` names, or n. `low` and `high` are the bound of decimals. */
export function pqFind(find: i32, data: usize, valid: usize, i: i32, n: i32, low: i64, high: i64): i32 {
  for (; i < n; i++) {
    if (find == 0) { if (!present(valid, i)) return i; }
    else if (present(valid, i) && beyond(find, data, i, low, high)) return i;
  }
  return n;
}
/** Every 16 bytes a value of 4 or 8. */
export function pqPick(width: i32, from: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) {
    if (width == 4) store<i32>(out + (<usize>i << 2), load<i32>(from + (<usize>i << 4)));
    else store<i64>(out + (<usize>i << 3), load<i64>(from + (<usize>i << 4)));
  }
}

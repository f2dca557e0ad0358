// Least and greatest values of Parquet's pages. `valid` is 0 when all are present.
import { present } from "./present";

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
  if (n == 0) return;
  if (!load<u32>(s + 32)) { v128.store(s, v128.load(p)); v128.store(s + 16, v128.load(p)); store<u32>(s + 32, 1); }
  let lo = bswap<u64>(load<u64>(s)) ^ flip, loTail = bswap<u64>(load<u64>(s + 8)), hi = bswap<u64>(load<u64>(s + 16)) ^ flip, hiTail = bswap<u64>(load<u64>(s + 24));
  for (let i = 0; i < n; i++) {
    const q = p + (<usize>i << 4), v = bswap<u64>(load<u64>(q)) ^ flip;
    if (v > lo && v < hi) continue;
    const tail = bswap<u64>(load<u64>(q + 8));
    if (v < lo || (v == lo && tail < loTail)) { lo = v; loTail = tail; v128.store(s, v128.load(q)); }
    if (v > hi || (v == hi && tail > hiTail)) { hi = v; hiTail = tail; v128.store(s + 16, v128.load(q)); }
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

/** Widens the statistics at `s` by all that those at `other` have seen; not of byte strings. */
export function pqWiden(order: i32, other: usize, s: usize): void {
  store<u32>(s, load<u32>(s, 36) | load<u32>(other, 36), 36);
  if (!load<u32>(other, 32)) return;
  pqRange(order, other, 1, s);
  pqRange(order, other + 16, 1, s);
}

// Statistics of byte strings lie at `s`: u32 any, u32 least length, u32 greatest length, u32 least is cut, u32 greatest is cut,
// the first KEPT bytes of the least at 32, of the greatest at 128. A cut greatest value has to be raised before it is a bound.
const KEPT: i32 = 64;
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
/** Makes p the least (`at` 32) or the greatest (`at` 128), as far as texts are kept. */
function keep(p: usize, len: i32, s: usize, at: usize): void {
  const words = s + (at == 32 ? 4 : 8);
  store<i32>(words, min(len, KEPT)); store<u32>(words, <u32>(len > KEPT), 8);
  for (let k = 0; k < min(len, KEPT); k += 16) v128.store(s + at + k, v128.load(p + k));
}
/** How many bytes, by eights, the least and the greatest have in common: what lies between them mostly begins with those too. */
function sharedBytes(s: usize): i32 {
  const n = min(min(load<i32>(s, 4), load<i32>(s, 8)) & ~7, KEPT - 8);
  let k = 0;
  while (k < n && load<u64>(s + 32 + k) == load<u64>(s + 128 + k)) k += 8;
  return k;
}
/** Makes p the least or the greatest if it is. */
function widenText(p: usize, len: i32, s: usize): void {
  const n = min(len, KEPT), any = load<u32>(s) != 0;
  if (!any || compare(p, n, s + 32, load<i32>(s, 4)) < 0) keep(p, len, s, 32);
  const order = any ? compare(p, n, s + 128, load<i32>(s, 8)) : 1;
  if (order > 0) keep(p, len, s, 128);
  else if (order == 0 && len > KEPT) store<u32>(s, 1, 16);
  store<u32>(s, 1);
}
/** The same of a p that is equal up to `from` with the least (`at` 32) or the greatest (`at` 128), and so is not beyond the other. */
function widenTail(p: usize, len: i32, s: usize, at: usize, from: i32): void {
  const kept = load<i32>(s + (at == 32 ? 4 : 8)) - from;
  const order = compare(p + from, min(len, KEPT) - from, s + at + from, kept);
  if (at == 32 ? order < 0 : order > 0) keep(p, len, s, at);
  else if (at == 128 && order == 0 && len > KEPT) store<u32>(s, 1, 16);
}
/**
 * Widens the statistics at `s` by the present values of rows from..to. Where a value stands is mostly told by the eight bytes after
 * those that the bounds share; of values that rise or fall each is a new bound.
 */
export function pqTextRange(data: usize, offsets: usize, valid: usize, from: i32, to: i32, s: usize): void {
  let skip = i32.MAX_VALUE, lo: u64 = 0, hi: u64 = 0, stale = load<u32>(s) != 0;
  let p = data + load<i32>(offsets + (<usize>from << 2));
  for (let i = from; i < to; i++) {
    const next = data + load<i32>(offsets + (<usize>i << 2), 4), len = <i32>(next - p), value = p;
    p = next;
    if (!present(valid, i)) continue;
    if (stale) {
      skip = sharedBytes(s); stale = false;
      lo = head(s + 32 + skip, load<i32>(s, 4) - skip); hi = head(s + 128 + skip, load<i32>(s, 8) - skip);
    }
    if (len >= skip) {
      let k = 0;
      while (k < skip && load<u64>(value + k) == load<u64>(s + 32 + k)) k += 8;
      if (k == skip) {
        const h = head(value + skip, len - skip);
        if (h > lo && h < hi) continue;
        if (h > hi) { keep(value, len, s, 128); hi = h; continue; }
        if (h < lo) { keep(value, len, s, 32); lo = h; continue; }
        if (len <= skip + 8 && len == (h == lo ? load<i32>(s, 4) : load<i32>(s, 8))) continue; // that bound itself
        if (lo < hi) { widenTail(value, len, s, h == lo ? 32 : 128, skip + 8); continue; }
      }
    }
    widenText(value, len, s);
    stale = true;
  }
}
/** Widens the statistics at `s` by the texts of a dictionary `d` that n indices name. `marks` is scratch of a byte for each entry. */
export function pqDictTextRange(indices: usize, n: i32, d: usize, marks: usize, s: usize): void {
  const starts = <usize>load<u32>(d + 24), values = <usize>load<u32>(d + 28), entries = load<u32>(d);
  memory.fill(marks, 0, entries);
  for (let i = 0; i < n; i++) store<u8>(marks + <usize>load<u32>(indices + (<usize>i << 2)), 1);
  for (let e: u32 = 0; e < entries; e++) {
    if (!load<u8>(marks + <usize>e)) continue;
    const p = values + <usize>load<u32>(starts + (<usize>e << 2));
    widenText(p + 4, load<i32>(p), s);
  }
}
/** Widens the statistics of byte strings at `s` by all that those at `other` have seen. */
export function pqTextWiden(other: usize, s: usize): void {
  if (!load<u32>(other)) return;
  // a length past KEPT says that the text is cut
  widenText(other + 32, load<i32>(other, 4) + load<i32>(other, 12), s);
  widenText(other + 128, load<i32>(other, 8) + load<i32>(other, 16), s);
}

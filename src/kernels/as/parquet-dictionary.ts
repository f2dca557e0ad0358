import { present } from "./present";

// A dictionary lies at `d`: u32 entries, u32 bytes, u32 most entries, u32 most bytes, u32 mask, then addresses of: slots (u32, entry + 1),
// starts (u32 per entry, texts only), values (PLAIN).
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
@inline function same(a: usize, b: usize, len: i32): bool {
  let i = 0;
  for (; i + 8 <= len; i += 8) if (load<u64>(a + i) != load<u64>(b + i)) return false;
  if (i == len) return true;
  return ((load<u64>(a + i) ^ load<u64>(b + i)) << (<u64>(8 - (len - i)) << 3)) == 0;
}
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

// Levels of Parquet's pages, and their encoding. `valid` is 0 when all are present.
import { present } from "./present";

/** Definition levels of a flat column: 1 for present, 0 for all else. Returns how many are present. */
export function pqLevels(valid: usize, from: i32, to: i32, out: usize): i32 {
  const n = to - from;
  if (valid == 0) { memory.fill(out, 1, n); return n; }
  let count = 0;
  for (let i = 0; i < n; i++) { const v = <i32>(load<u8>(valid + from + i) == 1); store<u8>(out + i, <u8>v); count += v; }
  return count;
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

@inline export function varint(v: u32, out: usize): usize {
  while (v > 127) { store<u8>(out++, <u8>((v & 127) | 128)); v >>= 7; }
  store<u8>(out++, <u8>v);
  return out;
}
@inline function level<T>(src: usize, i: i32): u32 { return <u32>load<T>(src + <usize>i * sizeof<T>()); }
/** How many values from i on equal value i, at most n. */
function runOf<T>(src: usize, i: i32, n: i32): i32 {
  const v = level<T>(src, i);
  let j = i + 1;
  if (sizeof<T>() == 1) { const all = <u64>v * 0x0101010101010101; while (j + 8 <= n && load<u64>(src + j) == all) j += 8; }
  while (j < n && level<T>(src, j) == v) j++;
  return j - i;
}
/** Eight levels of a byte each, which take `width` (1 or 2) bits. */
@inline function packEight(levels: u64, width: i32, out: usize): usize {
  if (width == 1) { store<u8>(out, <u8>((levels * 0x0102040810204080) >> 56)); return out + 1; }
  const fours = (levels | (levels >> 6)) & 0x000f000f000f000f, bytes = fours | (fours >> 12);
  store<u8>(out, <u8>bytes); store<u8>(out, <u8>(bytes >> 32), 1);
  return out + 2;
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
    let acc: u64 = 0, bits: u64 = 0, from = i;
    if (sizeof<T>() == 1 && width <= 2) for (; from + 8 <= min(end, n); from += 8) out = packEight(load<u64>(src + from), width, out);
    for (let j = from; j < end; j++) {
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

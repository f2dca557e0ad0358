// Parquet's PLAIN: values without their nulls. `valid` is 0 when all are present.
import { present } from "./present";

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

/** n bytes of 0 or 1 to bits, least first. Returns the end. */
export function pqBits(src: usize, n: i32, out: usize): usize {
  for (let i = 0; i < n; i += 8) {
    let b: u32 = 0;
    for (let j = 0; j < 8 && i + j < n; j++) b |= <u32>(load<u8>(src + i + j) & 1) << j;
    store<u8>(out++, <u8>b);
  }
  return out;
}

/** Every 16 bytes a value of 4 or 8. */
export function pqPick(width: i32, from: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) {
    if (width == 4) store<i32>(out + (<usize>i << 2), load<i32>(from + (<usize>i << 4)));
    else store<i64>(out + (<usize>i << 3), load<i64>(from + (<usize>i << 4)));
  }
}

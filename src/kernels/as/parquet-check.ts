import { present } from "./present";

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
@inline function isInfinite<T>(v: T): bool {
  return sizeof<T>() == 4 ? <i32>v == i32.MIN_VALUE || <i32>v == i32.MAX_VALUE : <i64>v == i64.MIN_VALUE || <i64>v == i64.MAX_VALUE;
}
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

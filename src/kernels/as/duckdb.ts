// DuckDB's vectors: strings as its 16-byte string_t, validity as bits, decimals narrowed, uuids and intervals in its byte order.

/**
 * n string_t of rows from..from+n. Up to 12 bytes lie inline; longer ones point into a copy of the bytes
 * `data[offsets[from]]...` that DuckDB holds at `heap`. Absent values become empty.
 */
export function duckStrings(data: usize, offsets: usize, valid: usize, from: i32, n: i32, heap: u64, out: usize): void {
  const first = load<i32>(offsets + (<usize>from << 2));
  for (let i = 0; i < n; i++) {
    const at = offsets + (<usize>(from + i) << 2);
    const a = load<i32>(at), p = data + a, q = out + (<usize>i << 4);
    const len = valid != 0 && load<u8>(valid + from + i) != 1 ? 0 : load<i32>(at, 4) - a;
    if (len > 12) {
      store<u64>(q, <u64>len | (<u64>load<u32>(p) << 32));
      store<u64>(q, heap + <u64>(a - first), 8);
      continue;
    }
    // Reads up to 12 bytes past the end of the text: the padding of its slab.
    const lo = load<u64>(p), hi = load<u32>(p, 8), bits = <u64>len << 3;
    const low = len >= 8 ? lo : len == 0 ? 0 : lo & (<u64>-1 >> (64 - bits));
    const high: u32 = len <= 8 ? 0 : len == 12 ? hi : hi & (<u32>-1 >> <u32>(96 - bits));
    store<u32>(q, len);
    store<u64>(q, low, 4);
    store<u32>(q, high, 12);
  }
}

/** n validity bytes to bits, 64 a word, least first; bits past n are set. Returns how many rows are present. */
export function duckValidity(valid: usize, from: i32, n: i32, out: usize): i32 {
  let count = 0;
  for (let w = 0; w < n; w += 64) {
    let bits: u64 = 0;
    for (let j = 0; j < 64; j++) {
      const one: u64 = w + j >= n ? 1 : <u64>(load<u8>(valid + from + w + j) == 1);
      bits |= one << <u64>j;
      count += w + j < n ? <i32>one : 0;
    }
    store<u64>(out + (<usize>w >> 3), bits);
  }
  return count;
}

/** int64 to int16 or int32, for decimals of few digits. */
export function duckNarrow(width: i32, data: usize, n: i32, out: usize): void {
  if (width == 2) for (let i = 0; i < n; i++) store<i16>(out + (<usize>i << 1), <i16>load<i64>(data + (<usize>i << 3)));
  else for (let i = 0; i < n; i++) store<i32>(out + (<usize>i << 2), <i32>load<i64>(data + (<usize>i << 3)));
}

/** uuids in text order to DuckDB's: a signed 128-bit integer, little-endian, with the first bit flipped. */
export function duckUuids(data: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) {
    const p = data + (<usize>i << 4), q = out + (<usize>i << 4);
    store<u64>(q, bswap<u64>(load<u64>(p, 8)));
    store<u64>(q, bswap<u64>(load<u64>(p)) ^ 0x8000000000000000, 8);
  }
}

/** int64 µs, int32 days, int32 months to months, days, µs. */
export function duckIntervals(data: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) {
    const p = data + (<usize>i << 4), q = out + (<usize>i << 4);
    store<i32>(q, load<i32>(p, 12)); store<i32>(q, load<i32>(p, 8), 4); store<i64>(q, load<i64>(p), 8);
  }
}

/** Days with -infinity as DuckDB has it. Returns the first row out of DuckDB's range, or -1. `valid` is of the first row, or 0. */
export function duckDates(data: usize, valid: usize, n: i32, out: usize): i32 {
  let bad = -1;
  for (let i = n - 1; i >= 0; i--) {
    const v = load<i32>(data + (<usize>i << 2));
    if (v == -2147483647 && (valid == 0 || load<u8>(valid + i) == 1)) bad = i;
    store<i32>(out + (<usize>i << 2), v == i32.MIN_VALUE ? -2147483647 : v);
  }
  return bad;
}

/** Microseconds, the same way. */
export function duckInstants(data: usize, valid: usize, n: i32, out: usize): i32 {
  let bad = -1;
  for (let i = n - 1; i >= 0; i--) {
    const v = load<i64>(data + (<usize>i << 3));
    if (v < -9223372022400000000 && v != i64.MIN_VALUE && (valid == 0 || load<u8>(valid + i) == 1)) bad = i;
    store<i64>(out + (<usize>i << 3), v == i64.MIN_VALUE ? -9223372036854775807 : v);
  }
  return bad;
}

/** Offsets to entries of u64 start, u64 length; starts count from the first row's. Absent lists become empty. */
export function duckLists(offsets: usize, valid: usize, from: i32, n: i32, out: usize): void {
  const first = load<i32>(offsets + (<usize>from << 2));
  for (let i = 0; i < n; i++) {
    const at = offsets + (<usize>(from + i) << 2), a = load<i32>(at);
    const absent = valid != 0 && load<u8>(valid + from + i) != 1;
    store<u64>(out + (<usize>i << 4), <u64>(a - first));
    store<u64>(out + (<usize>i << 4), absent ? 0 : <u64>(load<i32>(at, 4) - a), 8);
  }
}

/** Ops of one byte to int16; no ops: all snapshot. */
export function duckOps(ops: usize, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) store<u16>(out + (<usize>i << 1), ops == 0 ? 0 : <u16>load<u8>(ops + i));
}

export function duckOrdinals(base: i64, n: i32, out: usize): void {
  for (let i = 0; i < n; i++) store<i64>(out + (<usize>i << 3), base + <i64>i);
}

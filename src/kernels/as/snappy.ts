// Snappy's block format. `table` is 2^14 u16 positions within a block of 64 KiB.
const BLOCK: i32 = 65536;
const TABLE_BITS: u32 = 14;

@inline function slotOf(p: usize): u32 { return <u32>(((load<u64>(p) << 16) * 0x9E3779B185EBCA87) >> (64 - TABLE_BITS)); }

function literal(from: usize, to: usize, out: usize): usize {
  const len = <u32>(to - from), n = len - 1;
  if (n < 60) {
    store<u8>(out++, <u8>(n << 2));
    if (len <= 16) { v128.store(out, v128.load(from)); return out + len; }
  } else if (n < 256) { store<u8>(out, 60 << 2); store<u8>(out, <u8>n, 1); out += 2; }
  else { store<u8>(out, 61 << 2); store<u16>(out, <u16>n, 1); out += 3; }
  memory.copy(out, from, len);
  return out + len;
}
function copyTag(offset: u32, len: i32, out: usize): usize {
  while (len >= 68) { store<u8>(out, (63 << 2) | 2); store<u16>(out, <u16>offset, 1); out += 3; len -= 64; }
  if (len > 64) { store<u8>(out, (59 << 2) | 2); store<u16>(out, <u16>offset, 1); out += 3; len -= 60; }
  if (len < 12 && offset < 2048) { store<u8>(out, <u8>(1 | ((len - 4) << 2) | ((offset >> 8) << 5))); store<u8>(out, <u8>offset, 1); return out + 2; }
  store<u8>(out, <u8>(((len - 1) << 2) | 2)); store<u16>(out, <u16>offset, 1);
  return out + 3;
}
function block(base: usize, n: i32, out: usize, table: usize): usize {
  const end = base + n;
  let next = base; // what lies before it is written
  if (n >= 16) {
    memory.fill(table, 0, <usize>2 << TABLE_BITS);
    const limit = end - 15;
    let p = base + 1, skip: u32 = 32;
    while (p < limit) {
      const v = load<u32>(p), slot = table + (<usize>slotOf(p) << 1);
      const q = base + load<u16>(slot);
      store<u16>(slot, <u16>(p - base));
      if (load<u32>(q) != v) { p += skip >> 5; skip++; continue; }
      if (p - q >= 2048 && load<u64>(q) != load<u64>(p)) { p += skip >> 5; skip++; continue; }
      if (next < p) out = literal(next, p, out);
      let a = p + 4, b = q + 4;
      while (a + 8 <= end) {
        const x = load<u64>(a) ^ load<u64>(b);
        if (x != 0) { a += <usize>(ctz<u64>(x) >> 3); break; }
        a += 8; b += 8;
      }
      if (a + 8 > end) { b = q + (a - p); while (a < end && load<u8>(a) == load<u8>(b)) { a++; b++; } }
      out = copyTag(<u32>(p - q), <i32>(a - p), out);
      p = a; next = a; skip = 32;
      if (p < limit) store<u16>(table + (<usize>slotOf(p - 1) << 1), <u16>(p - 1 - base));
    }
  }
  return next < end ? literal(next, end, out) : out;
}
/** Compresses n bytes; `out` has room for 32 + n + n / 6 bytes. Returns the end. */
export function snappy(from: usize, n: i32, out: usize, table: usize): usize {
  let v = <u32>n;
  while (v > 127) { store<u8>(out++, <u8>((v & 127) | 128)); v >>= 7; }
  store<u8>(out++, <u8>v);
  for (let i = 0; i < n; i += BLOCK) out = block(from + i, min(BLOCK, n - i), out, table);
  return out;
}

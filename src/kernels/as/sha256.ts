// HMAC-SHA-256 of four values at once: one value in each lane of the vectors.

const K: StaticArray<u32> = [
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
  0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

// Scratch, below: the schedule (64 vectors), the state (8 vectors), four blocks of 64 bytes.
const SCHEDULE = memory.data(1024, 16);
const STATE = memory.data(128, 16);
const BLOCKS = memory.data(272, 16); // a tag shifts a block's words by one byte, so the last store may end behind it
const ROWS = memory.data(64, 16);

@inline function rotr4(x: v128, by: i32): v128 {
  return v128.or(i32x4.shr_u(x, by), i32x4.shl(x, 32 - by));
}

@inline function swapBytes(x: v128): v128 {
  return i8x16.swizzle(x, i8x16(3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12));
}

/** The message words of the four blocks, word t of each in the lanes of vector t. */
function transposeBlocks(): void {
  for (let q: usize = 0; q < 64; q += 16) {
    const a = swapBytes(v128.load(BLOCKS + q)), b = swapBytes(v128.load(BLOCKS + 64 + q));
    const c = swapBytes(v128.load(BLOCKS + 128 + q)), d = swapBytes(v128.load(BLOCKS + 192 + q));
    const ab0 = v128.shuffle<u32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<u32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    const to = SCHEDULE + (q << 2);
    v128.store(to, v128.shuffle<u64>(ab0, cd0, 0, 2));
    v128.store(to + 16, v128.shuffle<u64>(ab0, cd0, 1, 3));
    v128.store(to + 32, v128.shuffle<u64>(ab1, cd1, 0, 2));
    v128.store(to + 48, v128.shuffle<u64>(ab1, cd1, 1, 3));
  }
}

/** One compression of the words in SCHEDULE into STATE, in the lanes that `live` selects. */
function compress4(live: v128): void {
  for (let p: usize = SCHEDULE + 256, end: usize = SCHEDULE + 1024; p < end; p += 16) {
    const x = v128.load(p - 240), y = v128.load(p - 32);
    const s0 = v128.xor(v128.xor(rotr4(x, 7), rotr4(x, 18)), i32x4.shr_u(x, 3));
    const s1 = v128.xor(v128.xor(rotr4(y, 17), rotr4(y, 19)), i32x4.shr_u(y, 10));
    v128.store(p, i32x4.add(i32x4.add(v128.load(p - 256), s0), i32x4.add(v128.load(p - 112), s1)));
  }
  let a = v128.load(STATE), b = v128.load(STATE, 16), c = v128.load(STATE, 32), d = v128.load(STATE, 48);
  let e = v128.load(STATE, 64), f = v128.load(STATE, 80), g = v128.load(STATE, 96), h = v128.load(STATE, 112);
  for (let i = 0; i < 64; i++) {
    const sum1 = v128.xor(v128.xor(rotr4(e, 6), rotr4(e, 11)), rotr4(e, 25));
    const t1 = i32x4.add(
      i32x4.add(i32x4.add(h, sum1), v128.bitselect(f, g, e)),
      i32x4.add(i32x4.splat(unchecked(K[i])), v128.load(SCHEDULE + (<usize>i << 4))));
    const sum0 = v128.xor(v128.xor(rotr4(a, 2), rotr4(a, 13)), rotr4(a, 22));
    const t2 = i32x4.add(sum0, v128.bitselect(c, b, v128.xor(b, a)));
    h = g; g = f; f = e; e = i32x4.add(d, t1); d = c; c = b; b = a; a = i32x4.add(t1, t2);
  }
  accumulate(0, a, live); accumulate(16, b, live); accumulate(32, c, live); accumulate(48, d, live);
  accumulate(64, e, live); accumulate(80, f, live); accumulate(96, g, live); accumulate(112, h, live);
}

@inline function accumulate(at: usize, x: v128, live: v128): void {
  v128.store(STATE + at, i32x4.add(v128.load(STATE + at), v128.and(x, live)));
}

/** All lanes begin from one state of eight words. */
function setState(from: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(STATE + (i << 4), i32x4.splat(load<i32>(from + (i << 2))));
}

/** Writes block `index` of the padded message (64 bytes of key before it, the tag, the value) of one lane. */
function fillBlock(to: usize, value: usize, length: i32, index: i32, tag: u8): void {
  // The message is tag and value: byte m of it is the value's m - 1.
  const message = length + 1, start = index << 6;
  v128.store(to, i64x2.splat(0)); v128.store(to + 16, i64x2.splat(0)); v128.store(to + 32, i64x2.splat(0)); v128.store(to + 48, i64x2.splat(0));
  if (start == 0) {
    store<u8>(to, tag);
    copySmall(to + 1, value, min(length, 63));
  } else if (start < message) copySmall(to, value + start - 1, min(message - start, 64));
  if (message >= start && message < start + 64) store<u8>(to + (message - start), 0x80);
  if (index == blocksOf(length) - 1) store<u64>(to + 56, bswap<u64>(<u64>(message + 64) << 3));
}

@inline function copySmall(to: usize, from: usize, length: i32): void {
  // Vectors lie in slabs with room behind them, so whole words may be read past the end, never written.
  let i = 0;
  for (; i + 8 <= length; i += 8) store<u64>(to + i, load<u64>(from + i));
  const rest = length - i;
  if (rest > 0) store<u64>(to + i, load<u64>(from + i) & ((<u64>1 << (rest << 3)) - 1));
}

@inline function blocksOf(length: i32): i32 {
  return (length + 1 + 8 >> 6) + 1;
}

/** State of the lanes as the message of the outer hash: 32 bytes of digest, padding, 96 bytes of length in bits. */
function outerSchedule(): void {
  for (let i: usize = 0; i < 128; i += 16) v128.store(SCHEDULE + i, v128.load(STATE + i));
  v128.store(SCHEDULE + 128, i32x4.splat(0x80000000));
  for (let i: usize = 144; i < 240; i += 16) v128.store(SCHEDULE + i, i64x2.splat(0));
  v128.store(SCHEDULE + 240, i32x4.splat(768));
}

/** Eight bytes as sixteen hexadecimal digits. */
@inline function hexOf(bytes: v128): v128 {
  const spread = i8x16.shuffle(bytes, bytes, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
  const high = v128.and(i16x8.shr_u(spread, 4), i16x8.splat(0x000f)), low = v128.and(spread, i16x8.splat(0x0f00));
  return i8x16.swizzle(i8x16(48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102), v128.or(high, low));
}

/** Writes the digests of the first `lanes` lanes as hexadecimal digits, one after the other. */
function writeHex(to: usize, lanes: i32): void {
  for (let half: usize = 0; half < 2; half++) {
    const from = STATE + (half << 6);
    const a = v128.load(from), b = v128.load(from + 16), c = v128.load(from + 32), d = v128.load(from + 48);
    const ab0 = v128.shuffle<u32>(a, b, 0, 4, 1, 5), ab1 = v128.shuffle<u32>(a, b, 2, 6, 3, 7);
    const cd0 = v128.shuffle<u32>(c, d, 0, 4, 1, 5), cd1 = v128.shuffle<u32>(c, d, 2, 6, 3, 7);
    const at = to + (half << 5);
    writeDigits(at, v128.shuffle<u64>(ab0, cd0, 0, 2));
    if (lanes > 1) writeDigits(at + 64, v128.shuffle<u64>(ab0, cd0, 1, 3));
    if (lanes > 2) writeDigits(at + 128, v128.shuffle<u64>(ab1, cd1, 0, 2));
    if (lanes > 3) writeDigits(at + 192, v128.shuffle<u64>(ab1, cd1, 1, 3));
  }
}

@inline function writeDigits(to: usize, words: v128): void {
  const bytes = swapBytes(words);
  v128.store(to, hexOf(bytes));
  v128.store(to + 16, hexOf(v128.shuffle<u64>(bytes, bytes, 1, 1)));
}

/** Hashes the `lanes` values whose start and length lie in ROWS, four starts and then four lengths; all write to `to`. */
function hashLanes(lanes: i32, tag: u8, inner: usize, outer: usize, to: usize): void {
  let most = 0;
  for (let lane = 0; lane < lanes; lane++) most = max(most, blocksOf(load<i32>(ROWS + 16 + (lane << 2))));
  setState(inner);
  for (let index = 0; index < most; index++) {
    let live = i64x2.splat(0);
    for (let lane = 0; lane < lanes; lane++) {
      const length = load<i32>(ROWS + 16 + (lane << 2));
      if (index >= blocksOf(length)) continue;
      fillBlock(BLOCKS + (lane << 6), <usize>load<u32>(ROWS + (lane << 2)), length, index, tag);
      store<i32>(ROWS + 32 + (lane << 2), -1);
    }
    live = v128.load(ROWS + 32);
    v128.store(ROWS + 32, i64x2.splat(0));
    transposeBlocks();
    compress4(live);
  }
  outerSchedule();
  setState(outer);
  compress4(i32x4.splat(-1));
  writeHex(to, lanes);
}

/**
 * HMAC-SHA-256 of tag and value for each present value (all when `validity` is 0), as 64 hexadecimal digits each, one after the
 * other at `to`; sets the offsets. `inner` and `outer` are the states after the key's block.
 */
export function hmacHex(data: usize, offsets: usize, validity: usize, count: i32, tag: i32, inner: usize, outer: usize, to: usize, toOffsets: usize): void {
  let lanes = 0, at = to;
  store<i32>(toOffsets, 0);
  for (let i = 0; i < count; i++) {
    let end = load<i32>(toOffsets + (<usize>i << 2));
    if (validity == 0 || load<u8>(validity + i) == 1) {
      const start = load<i32>(offsets + (<usize>i << 2));
      store<u32>(ROWS + (lanes << 2), <u32>(data + start));
      store<i32>(ROWS + 16 + (lanes << 2), load<i32>(offsets + (<usize>i << 2), 4) - start);
      lanes++;
      end += 64;
      if (lanes == 4) {
        hashLanes(4, <u8>tag, inner, outer, at);
        at += 256;
        lanes = 0;
      }
    }
    store<i32>(toOffsets + (<usize>i << 2), end, 4);
  }
  if (lanes > 0) hashLanes(lanes, <u8>tag, inner, outer, at);
}

/** The states of HMAC after the key's block: 8 words at `inner`, 8 at `outer`. The key has at most 64 bytes. */
export function hmacStates(key: usize, length: i32, inner: usize, outer: usize): void {
  keyState(key, length, 0x36, inner);
  keyState(key, length, 0x5c, outer);
}

function keyState(key: usize, length: i32, pad: u8, to: usize): void {
  for (let i = 0; i < 64; i++) store<u8>(BLOCKS + i, (i < length ? load<u8>(key + i) : 0) ^ pad);
  const words = to;
  store<u32>(words, 0x6a09e667); store<u32>(words, 0xbb67ae85, 4); store<u32>(words, 0x3c6ef372, 8); store<u32>(words, 0xa54ff53a, 12);
  store<u32>(words, 0x510e527f, 16); store<u32>(words, 0x9b05688c, 20); store<u32>(words, 0x1f83d9ab, 24); store<u32>(words, 0x5be0cd19, 28);
  setState(words);
  transposeBlocks();
  compress4(i32x4.splat(-1));
  for (let i: usize = 0; i < 8; i++) store<u32>(words + (i << 2), load<u32>(STATE + (i << 4)));
  memory.fill(BLOCKS, 0, 256);
}

/**
 * ASCII texts without the blanks around them and in lower case. Returns their bytes, or -1 when a byte is not ASCII: then what is
 * written is undefined. `to` has as much room as the texts take.
 */
export function lowerAscii(data: usize, offsets: usize, count: i32, to: usize, toOffsets: usize): i32 {
  let at: usize = to, start = data + load<i32>(offsets);
  store<i32>(toOffsets, 0);
  for (let i = 0; i < count; i++) {
    const next = data + load<i32>(offsets + (<usize>i << 2), 4);
    let from = start, end = next;
    while (from < end && isBlank(load<u8>(from))) from++;
    while (end > from && isBlank(load<u8>(end - 1))) end--;
    let seen: u8 = 0;
    for (; from < end; from++) {
      const byte = load<u8>(from);
      seen |= byte;
      store<u8>(at++, byte - 65 < 26 ? byte | 0x20 : byte);
    }
    if (seen & 0x80) return -1;
    store<i32>(toOffsets + (<usize>i << 2), <i32>(at - to), 4);
    start = next;
  }
  return <i32>(at - to);
}

@inline function isBlank(byte: u8): bool {
  return byte == 32 || byte - 9 < 5;
}

// Finds text that no destination takes alike: NUL, invalid UTF-8 (lone surrogates are), and inside JSON what is escaped of these.

/** Whether all bytes are plain ASCII without NUL. */
function isPlain(from: usize, to: usize): bool {
  let p = from;
  for (; p + 16 <= to; p += 16) {
    const v = v128.load(p);
    if (i8x16.bitmask(v) | i8x16.bitmask(i8x16.eq(v, i8x16.splat(0)))) return false;
  }
  for (; p < to; p++) {
    const byte = load<u8>(p);
    if (byte == 0 || byte >= 0x80) return false;
  }
  return true;
}

/** Whether any byte is a backslash. */
function hasEscape(from: usize, to: usize): bool {
  let p = from;
  for (; p + 16 <= to; p += 16) if (v128.any_true(i8x16.eq(v128.load(p), i8x16.splat(0x5c)))) return true;
  for (; p < to; p++) if (load<u8>(p) == 0x5c) return true;
  return false;
}

/** Length of the well-formed character at p, or 0. */
@inline function characterLength(p: usize, to: usize): i32 {
  const a = load<u8>(p);
  if (a < 0x80) return a == 0 ? 0 : 1;
  if (a < 0xc2 || a > 0xf4) return 0;
  if (p + 1 >= to) return 0;
  const b = load<u8>(p + 1);
  if (a < 0xe0) return (b & 0xc0) == 0x80 ? 2 : 0;
  if (p + 2 >= to || (load<u8>(p + 2) & 0xc0) != 0x80) return 0;
  if (a < 0xf0) {
    const low: u8 = a == 0xe0 ? 0xa0 : 0x80, high: u8 = a == 0xed ? 0x9f : 0xbf;
    return b >= low && b <= high ? 3 : 0;
  }
  if (p + 3 >= to || (load<u8>(p + 3) & 0xc0) != 0x80) return 0;
  const low: u8 = a == 0xf0 ? 0x90 : 0x80, high: u8 = a == 0xf4 ? 0x8f : 0xbf;
  return b >= low && b <= high ? 4 : 0;
}

/** The unit that `\uXXXX` at p stands for; -1 where there is no such escape. */
function unitAt(p: usize, to: usize): i32 {
  if (p + 6 > to || load<u16>(p) != 0x755c) return -1;
  let unit = 0;
  for (let i: usize = 2; i < 6; i++) {
    const digit = <i32>load<u8>(p + i), lower = digit | 0x20;
    if (digit >= 0x30 && digit <= 0x39) unit = (unit << 4) | (digit - 0x30);
    else if (lower >= 0x61 && lower <= 0x66) unit = (unit << 4) | (lower - 0x57);
    else return -1;
  }
  return unit;
}

/** Bytes of the good escape at p, or 0. An escape is two bytes at least; \\ hides what follows it. */
function escapeLength(p: usize, to: usize, nul: bool): usize {
  const unit = unitAt(p, to);
  if (unit < 0) return 2;
  if (unit == 0) return nul ? 6 : 0;
  if ((unit & 0xf800) != 0xd800) return 6;
  return unit < 0xdc00 && (unitAt(p + 6, to) & 0xfffffc00) == 0xdc00 ? 12 : 0;
}

/** `json`: 0 no JSON, 1 escaped halves of surrogate pairs are bad, 2 escaped NULs too. */
function isGood(from: usize, to: usize, json: i32): bool {
  let p = from;
  while (p < to) {
    if (json != 0 && load<u8>(p) == 0x5c) {
      const escape = escapeLength(p, to, json == 1);
      if (escape == 0) return false;
      p += escape;
      continue;
    }
    const length = characterLength(p, to);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

/** Sets marks[i] to 1 for each bad value (0 otherwise) and returns how many; marks are written only when there may be one. */
export function scanText(data: usize, offsets: usize, count: i32, json: i32, marks: usize): i32 {
  const end = data + load<i32>(offsets + (<usize>count << 2));
  const first = data + load<i32>(offsets);
  if (isPlain(first, end) && !(json != 0 && hasEscape(first, end))) return 0;
  let bad = 0, from = first;
  for (let i = 0; i < count; i++) {
    const to = data + load<i32>(offsets + ((<usize>i + 1) << 2));
    const good = isGood(from, to, json);
    store<u8>(marks + i, good ? 0 : 1);
    if (!good) bad++;
    from = to;
  }
  return bad;
}

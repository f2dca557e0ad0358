// JSON lines. A column is described by 32 bytes: addresses of data, offsets (0: fixed width), validity (0: all present), key; u32 length of
// the key, which is `"name":`; u32 form; u32 width of an integer; u32 whether it is signed.
const BARE = 0, TEXT = 1, FLOAT = 2, JSON = 3, INTEGER = 4, BOOL = 5, HEX = 6;

@inline function hexDigit(v: u32): u8 { return <u8>(v < 10 ? 48 + v : 87 + v); }

function escaped(p: usize, end: usize, out: usize): usize {
  while (p < end) {
    while (p + 16 <= end) {
      const v = v128.load(p);
      const special = v128.or(v128.or(i8x16.eq(v, i8x16.splat(34)), i8x16.eq(v, i8x16.splat(92))), i8x16.lt_u(v, i8x16.splat(32)));
      v128.store(out, v);
      if (v128.any_true(special)) break;
      p += 16; out += 16;
    }
    // the special byte within the next 16, or the rest
    for (const stop = min(p + 16, end); p < stop; p++) {
      const c = load<u8>(p);
      if (c >= 32 && c != 34 && c != 92) { store<u8>(out++, c); continue; }
      store<u8>(out++, 92);
      switch (c) {
        case 34: case 92: store<u8>(out++, c); break;
        case 8: store<u8>(out++, 98); break;
        case 9: store<u8>(out++, 116); break;
        case 10: store<u8>(out++, 110); break;
        case 12: store<u8>(out++, 102); break;
        case 13: store<u8>(out++, 114); break;
        default: store<u8>(out++, 117); store<u16>(out, 0x3030); store<u8>(out, hexDigit(c >> 4), 2); store<u8>(out, hexDigit(c & 15), 3); out += 4;
      }
    }
  }
  return out;
}
function hex(p: usize, end: usize, out: usize): usize {
  for (; p < end; p++, out += 2) { const c = load<u8>(p); store<u8>(out, hexDigit(c >> 4)); store<u8>(out, hexDigit(c & 15), 1); }
  return out;
}
/** A line break is white space between JSON's tokens, and can't stand within them. */
function oneLine(p: usize, end: usize, out: usize): usize {
  for (; p < end; p++) { const c = load<u8>(p); store<u8>(out++, c == 10 || c == 13 ? 32 : c); }
  return out;
}
function digits(v: u64, out: usize): usize {
  let count: usize = 1;
  for (let rest = v / 10; rest != 0; rest /= 10) count++;
  for (let q = out + count; q > out; v /= 10) store<u8>(--q, <u8>(48 + v % 10));
  return out + count;
}
function integer(p: usize, width: u32, signed: bool, out: usize): usize {
  let v: i64;
  if (width == 8) v = load<i64>(p);
  else if (width == 4) v = signed ? <i64>load<i32>(p) : <i64>load<u32>(p);
  else if (width == 2) v = signed ? <i64>load<i16>(p) : <i64>load<u16>(p);
  else v = signed ? <i64>load<i8>(p) : <i64>load<u8>(p);
  if (signed && v < 0) { store<u8>(out++, 45); v = -v; }
  return digits(<u64>v, out);
}
/** NaN, Infinity and -Infinity are no JSON. */
@inline function isQuoted(form: u32, p: usize): bool {
  if (form == TEXT || form == HEX) return true;
  const first = load<u8>(p), second = load<u8>(p + 1);
  return form == FLOAT && (first > 57 || (first == 45 && second > 57));
}
/** The bytes of a value, without quotes: it may be called for one part after the other. */
@inline function part(form: u32, p: usize, end: usize, out: usize): usize {
  if (form == TEXT) return escaped(p, end, out);
  if (form == JSON) return oneLine(p, end, out);
  if (form == HEX) return hex(p, end, out);
  memory.copy(out, p, end - p);
  return out + (end - p);
}
function fixed(c: usize, row: i32, out: usize): usize {
  const data = <usize>load<u32>(c), width = load<u32>(c + 24);
  if (load<u32>(c + 20) == INTEGER) return integer(data + <usize>row * width, width, load<u32>(c + 28) != 0, out);
  if (load<u8>(data + row)) { store<u32>(out, 0x65757274); return out + 4; }
  store<u32>(out, 0x736c6166); store<u8>(out, 101, 4);
  return out + 5;
}
function value(c: usize, row: i32, out: usize): usize {
  const data = <usize>load<u32>(c), offsets = <usize>load<u32>(c + 4), form = load<u32>(c + 20);
  if (offsets == 0) return fixed(c, row, out);
  const p = data + load<i32>(offsets + (<usize>row << 2)), end = data + load<i32>(offsets + (<usize>row << 2), 4);
  if (!isQuoted(form, p)) return part(form, p, end, out);
  store<u8>(out, 34);
  out = part(form, p, end, out + 1);
  store<u8>(out, 34);
  return out + 1;
}
/** What stands before the value. */
@inline function key(c: usize, out: usize): usize {
  const length = load<u32>(c + 16);
  memory.copy(out, load<u32>(c + 12), length);
  return out + length;
}
@inline function validOf(c: usize, row: i32): u8 {
  const validity = <usize>load<u32>(c + 8);
  return validity == 0 ? 1 : load<u8>(validity + row);
}
/** Most bytes that the row may need. */
function bound(columns: usize, count: i32, row: i32): u64 {
  let size: u64 = 32;
  for (let i = 0; i < count; i++) {
    const c = columns + (<usize>i << 5), offsets = <usize>load<u32>(c + 4);
    const len = offsets == 0 ? 20 : load<i32>(offsets + (<usize>row << 2), 4) - load<i32>(offsets + (<usize>row << 2));
    size += <u64>load<u32>(c + 16) + <u64>len * (load<u32>(c + 20) == TEXT ? 6 : 2) + 24;
  }
  return size;
}
/** Writes rows from..to as lines while they fit from `out` to `limit`. Returns the end; the row that did not fit is at `state`. */
export function jlRows(columns: usize, count: i32, from: i32, to: i32, out: usize, limit: usize, state: usize): usize {
  let row = from;
  for (; row < to && <u64>out + bound(columns, count, row) <= <u64>limit; row++) {
    store<u8>(out++, 123);
    let any = false;
    for (let i = 0; i < count; i++) {
      const c = columns + (<usize>i << 5), valid = validOf(c, row);
      if (valid == 2) continue; // not sent by the source: not null, so no member
      if (any) store<u8>(out++, 44);
      any = true;
      out = key(c, out);
      if (valid == 1) out = value(c, row, out);
      else { store<u32>(out, 0x6c6c756e); out += 4; }
    }
    store<u16>(out, 0x0a7d); out += 2;
  }
  store<i32>(state, row);
  return out;
}
/**
 * Writes a row that is larger than the room, part after part. State: the column, the byte of its value to go on from (-1: before its key),
 * and whether a member stands before it. At the row's end the column is count + 1. There is room for the longest key and 128 bytes.
 */
export function jlPart(columns: usize, count: i32, row: i32, out: usize, limit: usize, state: usize): usize {
  let i = load<i32>(state), at = load<i32>(state, 4);
  for (; i < count; i++, at = -1) {
    const c = columns + (<usize>i << 5), form = load<u32>(c + 20), offsets = <usize>load<u32>(c + 4), valid = validOf(c, row);
    if (valid == 2) continue;
    if (limit - out < 64 + (at < 0 ? <usize>load<u32>(c + 16) : 0)) break;
    const first = <usize>load<u32>(c) + (offsets == 0 ? 0 : load<i32>(offsets + (<usize>row << 2)));
    const quoted = offsets != 0 && valid == 1 && isQuoted(form, first);
    if (at < 0) {
      store<u8>(out++, load<i32>(state, 8) == 0 ? 123 : 44);
      store<i32>(state, 1, 8);
      out = key(c, out);
      if (valid != 1) { store<u32>(out, 0x6c6c756e); out += 4; continue; }
      if (offsets == 0) { out = fixed(c, row, out); continue; }
      if (quoted) store<u8>(out++, 34);
      at = 0;
    }
    const p = first + at, end = first + load<i32>(offsets + (<usize>row << 2), 4) - load<i32>(offsets + (<usize>row << 2));
    const next = min(end, p + (limit - out - 32) / 6);
    out = part(form, p, next, out);
    at = <i32>(next - first);
    if (next < end) break;
    if (quoted) store<u8>(out++, 34);
  }
  if (i == count && limit - out >= 4) {
    if (load<i32>(state, 8) == 0) store<u8>(out++, 123);
    store<u16>(out, 0x0a7d); out += 2;
    i++;
  }
  store<i32>(state, i);
  store<i32>(state, at, 4);
  return out;
}

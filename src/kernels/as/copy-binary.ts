// Postgres' COPY (FORMAT binary), as it comes from the socket, into columns.
//
// Every length is checked against the end of its message and against the slab that it goes to: corrupt input ends in a status,
// never in a write elsewhere. A row is stored only as a whole: what it writes lies past the ends that offsets[row] names, so a row
// that is tried again, or given up, leaves nothing behind. Addresses stay below 2^30, so an address and a length add up in 32 bits.
import {
  be16, be32, be64, copyBytes, D_CAP, D_DATA, D_NULLS, D_OFFSETS, D_VALID, FAIL, GROW, K_BYTES, K_INT64, K_LIST, outcome,
} from "./copy-layout";
import { fixed, list, varying } from "./copy-values";

// Status at the end of a call.
const MORE: i32 = 0;        // all whole messages are consumed
const FULL: i32 = 1;        // maxRows rows are there
const OTHER: i32 = 2;       // a message that is not CopyData stands at `consumed`
const NEED: i32 = 3;        // the row at `consumed` needs a larger slab: needColumn, needBytes
const CORRUPT: i32 = 4;     // the row at `consumed` is not what the server would send
const REJECTED: i32 = 5;    // the row was decoded to place `rows`, but one of its values has no place there; it is consumed

/** In place of the validity of a value that has no place: its row is given up. */
const REFUSED: u8 = 255;

// The state: shared by the calls of one COPY.
const S_ROWS: usize = 0;
const S_HEADER: usize = 4;    // 1 once the stream's header is read
const S_NEED_COLUMN: usize = 8;
const S_NEED_BYTES: usize = 12;
const S_REASON: usize = 16;
const S_REASON_COLUMN: usize = 20;
const S_NEED_CHILD: usize = 24; // 0: the column's data, 1: its elements' data, 2: the number of elements
const S_CONSUMED: usize = 28;
const S_REJECTED: usize = 32;   // where the message of the rejected row begins

/** Bytes as they are, after value r - 1: the commonest of all values, so it is kept short. What they took or GROW. */
@inline function bytes(d: usize, at: i32, f: usize, length: i32): i32 {
  if (<usize>length > <usize>load<u32>(d, D_CAP) - at) { outcome.needBytes = <usize>at + length; outcome.needChild = 0; return GROW; }
  copyBytes(<usize>load<u32>(d, D_DATA) + at, f, length);
  return length;
}

/** The fields of one row from `f` to `end` to place `r`. 0, FAIL or GROW, with `column` left in the state. */
function row(f: usize, end: usize, descriptors: usize, columns: i32, r: usize, state: usize): i32 {
  let d = descriptors;
  for (let c = 0; c < columns; c++, d += 64) {
    if (f + 4 > end) return FAIL;
    const length = be32(f), kind = load<i32>(d), valid = <usize>load<u32>(d, D_VALID) + r;
    f += 4;
    if (length < 0) {
      if (length != -1) return FAIL;
      store<u8>(valid, 0);
      store<i32>(d, 1, D_NULLS);
      if (kind >= K_BYTES) { const p = <usize>load<u32>(d, D_OFFSETS) + (r << 2); store<i32>(p, load<i32>(p), 4); }
      continue;
    }
    if (f + <usize>length > end) return FAIL;
    store<u8>(valid, 1);
    if (kind == K_INT64 && length == 8) store<i64>(<usize>load<u32>(d, D_DATA) + (r << 3), be64(f));
    else if (kind < K_BYTES) {
      if (fixed(d, kind, r, f, length) < 0) return FAIL;
    } else {
      const p = <usize>load<u32>(d, D_OFFSETS) + (r << 2), at = load<i32>(p);
      const took = kind == K_BYTES ? bytes(d, at, f, length) : kind == K_LIST ? list(d, at, f, length) : varying(d, kind, at, f, length);
      if (took < 0) { store<i32>(state, c, S_NEED_COLUMN); return took; }
      store<i32>(p, at + took, 4);
    }
    if (outcome.reason != 0) {
      store<u8>(valid, REFUSED);
      store<i32>(d, 1, D_NULLS);
      if (load<i32>(state, S_REASON) == 0) {
        store<i32>(state, outcome.reason, S_REASON);
        store<i32>(state, c, S_REASON_COLUMN);
      }
      outcome.reason = 0;
    }
    f += length;
  }
  return f == end ? 0 : FAIL;
}

/** The length of the stream's header at `f`, or 0: PGCOPY\n\377\r\n\0, flags, length of the extension. */
function headerLength(f: usize, end: usize): usize {
  if (f + 19 > end || be64(f) != 0x5047434f50590aff || load<u8>(f, 8) != 13 || load<u8>(f, 9) != 10 || load<u8>(f, 10) != 0) return 0;
  if ((be32(f + 11) & 0xffff0000) != 0) return 0;
  const size = <u64>(<u32>be32(f + 15)) + 19;
  return <u64>f + size > <u64>end ? 0 : <usize>size;
}

/**
 * Reads whole CopyData messages in [p, end) into the columns, up to `maxRows` rows; the window is padded. Returns a status, and in the
 * state how far it came.
 */
export function copyRows(p: usize, end: usize, descriptors: usize, columns: i32, state: usize, maxRows: i32): i32 {
  let r = load<i32>(state, S_ROWS);
  let status = MORE;
  while (p + 5 <= end) {
    const size = <u64>(<u32>be32(p + 1)) + 1;
    if (load<u8>(p) != 100) { status = OTHER; break; }
    if (size < 5) { status = CORRUPT; break; }
    if (<u64>p + size > <u64>end) break;
    const next = p + <usize>size;
    if (load<i32>(state, S_HEADER) == 0) {
      const header = headerLength(p + 5, next);
      if (header == 0) { status = CORRUPT; break; }
      store<i32>(state, 1, S_HEADER);
      p += header;
      // the first row comes in the header's message: the message's frame is moved to just before it
      if (p + 5 == next) p = next;
      else { store<u8>(p, 100); store<u32>(p, bswap<u32>(<u32>(next - p) - 1), 1); }
      continue;
    }
    const f = p + 5;
    if (f + 2 > next) { status = CORRUPT; break; }
    const fields = be16(f);
    if (fields == 0xffff && f + 2 == next) { p = next; continue; }
    if (fields != columns) { status = CORRUPT; break; }
    if (r >= maxRows) { status = FULL; break; }
    outcome.reason = 0;
    store<i32>(state, 0, S_REASON);
    const outcomeOfRow = row(f + 2, next, descriptors, columns, <usize>r, state);
    if (outcomeOfRow == GROW) {
      store<i32>(state, <i32>outcome.needBytes, S_NEED_BYTES);
      store<i32>(state, outcome.needChild, S_NEED_CHILD);
      status = NEED;
      break;
    }
    if (outcomeOfRow < 0) { status = CORRUPT; break; }
    store<i32>(state, <i32>p, S_REJECTED);
    p = next;
    if (load<i32>(state, S_REASON) != 0) { status = REJECTED; break; }
    r++;
  }
  store<i32>(state, r, S_ROWS);
  store<i32>(state, <i32>p, S_CONSUMED);
  return status;
}

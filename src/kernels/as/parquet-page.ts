// Headers of Parquet's pages, in Thrift's compact protocol: a byte of (id's step, type) before each field, zero after a struct.
import { varint } from "./parquet-levels";

const I32: u8 = 0x15; // the next id, an i32

@inline function field(value: u32, out: usize): usize { store<u8>(out, I32); return varint(value << 1, out + 1); }

/**
 * The header of a data page of version 1 (`kind` 0; its levels are RLE) or of a dictionary page (2): at most 50 bytes. Returns the end.
 */
export function pqPageHeader(kind: u32, length: u32, packed: u32, values: u32, encoding: u32, out: usize): usize {
  out = field(packed, field(length, field(kind, out)));
  store<u8>(out, kind == 0 ? 0x2c : 0x4c); // field 5 or 7, a struct
  out = field(encoding, field(values, out + 1));
  if (kind == 0) out = field(3, field(3, out));
  store<u16>(out, 0);
  return out + 2;
}

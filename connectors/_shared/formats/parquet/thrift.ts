/** Types of the compact protocol. */
export const T = { TRUE: 1, FALSE: 2, I8: 3, I16: 4, I32: 5, I64: 6, BINARY: 8, LIST: 9, STRUCT: 12 } as const;

/** Thrift's compact protocol, as much of it as Parquet's metadata needs. Field ids ascend within a struct. */
export class ThriftWriter {
  private bytes = Buffer.allocUnsafe(256);
  private at = 0;
  /** The last field id of each open struct. */
  private readonly last: number[] = [];

  /** A struct that is not a field: the outermost, or a list's element. */
  struct(fields: () => void): this {
    this.last.push(0);
    fields();
    this.last.pop();
    this.byte(0);
    return this;
  }
  bool(id: number, value: boolean): void {
    this.header(id, value ? T.TRUE : T.FALSE);
  }
  i8(id: number, value: number): void {
    this.header(id, T.I8);
    this.byte(value & 0xff);
  }
  i16(id: number, value: number): void {
    this.header(id, T.I16);
    this.zigzag(value);
  }
  i32(id: number, value: number): void {
    this.header(id, T.I32);
    this.zigzag(value);
  }
  i64(id: number, value: number): void {
    this.header(id, T.I64);
    this.zigzag(value);
  }
  binary(id: number, value: string | Uint8Array): void {
    this.header(id, T.BINARY);
    this.bareBinary(value);
  }
  field(id: number, fields: () => void): void {
    this.header(id, T.STRUCT);
    this.struct(fields);
  }
  list<E>(id: number, type: number, items: readonly E[], write: (item: E) => void): void {
    this.header(id, T.LIST);
    if (items.length < 15) this.byte((items.length << 4) | type);
    else {
      this.byte(0xf0 | type);
      this.varint(items.length);
    }
    for (const item of items) write(item);
  }
  bareI32(value: number): void {
    this.zigzag(value);
  }
  bareBool(value: boolean): void {
    this.byte(value ? T.TRUE : T.FALSE);
  }
  bareBinary(value: string | Uint8Array): void {
    const data = typeof value === 'string' ? Buffer.from(value) : value;
    this.varint(data.length);
    this.room(data.length);
    this.bytes.set(data, this.at);
    this.at += data.length;
  }

  /** What was written. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.bytes, 0, this.at);
  }

  private header(id: number, type: number): void {
    const depth = this.last.length - 1;
    const step = id - (this.last[depth] ?? 0);
    if (step > 0 && step < 16) this.byte((step << 4) | type);
    else {
      this.byte(type);
      this.zigzag(id);
    }
    this.last[depth] = id;
  }
  /** Exact up to 2^52: sizes, counts and offsets. */
  private zigzag(value: number): void {
    this.varint(value < 0 ? -value * 2 - 1 : value * 2);
  }
  private varint(value: number): void {
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.byte((rest % 128) | 128);
    this.byte(rest);
  }
  private byte(value: number): void {
    this.room(1);
    this.bytes[this.at++] = value;
  }
  private room(size: number): void {
    if (this.at + size <= this.bytes.length) return;
    const bytes = Buffer.allocUnsafe(Math.max(this.bytes.length * 2, this.at + size));
    bytes.set(this.bytes.subarray(0, this.at));
    this.bytes = bytes;
  }
}

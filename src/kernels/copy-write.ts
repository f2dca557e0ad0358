/** Columns into Postgres' COPY (FORMAT binary); see as/copy-write.ts. All addresses; validity 0: all present. */
export interface CopyWriteKernels {
  writeSizeFixed(sizes: number, n: number, validity: number, width: number): void;
  writeSizeBytes(sizes: number, n: number, validity: number, offsets: number, extra: number): void;
  writeSizeDecimal(sizes: number, n: number, validity: number, data: number, wide: number, scale: number): void;
  writeSizeNumber(sizes: number, n: number, validity: number, data: number, offsets: number): void;
  writeSizeUnsigned(sizes: number, n: number, validity: number, data: number): void;
  writeSizeList(sizes: number, n: number, validity: number, offsets: number, children: number): void;
  /** Sizes become cursors; returns the end of the rows. */
  writeRows(sizes: number, n: number, fields: number, out: number): number;
  writeNull(cursors: number, n: number): void;
  writeFixed1(cursors: number, n: number, validity: number, data: number): void;
  writeInt2(cursors: number, n: number, validity: number, data: number, from: number): void;
  writeFixed4(cursors: number, n: number, validity: number, data: number, narrow: number): void;
  writeFixed8(cursors: number, n: number, validity: number, data: number, narrow: number): void;
  /** The first row that Postgres can't hold, or -1. */
  writeDate(cursors: number, n: number, validity: number, data: number): number;
  writeTimestamp(cursors: number, n: number, validity: number, data: number): number;
  writeUuid(cursors: number, n: number, validity: number, data: number): void;
  writeInterval(cursors: number, n: number, validity: number, data: number): void;
  writeBytes(cursors: number, n: number, validity: number, data: number, offsets: number, prefix: number): void;
  writeOrdinal(cursors: number, n: number, base: bigint): void;
  writeDecimal(cursors: number, n: number, validity: number, data: number, wide: number, scale: number): void;
  writeNumber(cursors: number, n: number, validity: number, data: number, offsets: number): void;
  writeUnsigned(cursors: number, n: number, validity: number, data: number): void;
  writeList(cursors: number, n: number, validity: number, offsets: number, children: number, oid: number): void;
}

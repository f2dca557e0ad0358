/** Kernels of the Parquet writer. All but counts and kinds are addresses; `valid` 0 says that every row is present. */
export interface ParquetKernels {
  pqLevels(valid: number, from: number, to: number, out: number): number;
  pqCopy(how: number, data: number, valid: number, from: number, to: number, out: number): number;
  pqRange(order: number, values: number, count: number, statistics: number): void;
  pqWiden(order: number, other: number, statistics: number): void;
  pqTextWiden(other: number, statistics: number): void;
  pqTextRange(data: number, offsets: number, valid: number, from: number, to: number, statistics: number): void;
  pqTextPlain(data: number, offsets: number, valid: number, from: number, to: number, out: number): number;
  pqTextFit(offsets: number, from: number, to: number, room: number): number;
  pqDictClear(dictionary: number): void;
  pqDict(width: number, values: number, count: number, dictionary: number, out: number): number;
  pqDictTextRange(indices: number, count: number, dictionary: number, marks: number, statistics: number): void;
  pqDictText(data: number, offsets: number, valid: number, from: number, to: number, dictionary: number, out: number): number;
  pqUndict(indices: number, count: number, dictionary: number, out: number): number;
  pqUndictSize(indices: number, count: number, dictionary: number): number;
  pqCount(levels: number, count: number, most: number): number;
  pqCountPresent(valid: number, from: number, to: number): number;
  pqHybrid8(levels: number, count: number, width: number, out: number): number;
  pqHybrid32(indices: number, count: number, width: number, out: number): number;
  pqPageHeader(kind: number, length: number, packed: number, values: number, encoding: number, out: number): number;
  pqBits(bytes: number, count: number, out: number): number;
  pqStepRoot(from: number, to: number, entries: number): void;
  pqStepOptional(valid: number, definitions: number, rows: number, count: number): void;
  pqStepListSize(offsets: number, rows: number, count: number): number;
  pqStepList(offsets: number, from: number, count: number, to: number, size: number, repetition: number): void;
  pqStepLeaf(rows: number, count: number, valid: number, from: number, to: number): void;
  pqFinite(width: number, data: number, valid: number, count: number, out: number): number;
  pqFind(find: number, data: number, valid: number, from: number, to: number, low: bigint, high: bigint): number;
  pqPick(width: number, from: number, count: number, out: number): void;
  /** Snappy's block format; `table` is 32 KiB of scratch, `out` has room for 32 + n + n / 6 bytes. Returns the end. */
  snappy(from: number, count: number, out: number, table: number): number;
}

/** From our vectors to DuckDB's; as/duckdb.ts says what each does. Addresses are byte offsets, `valid` 0 when all are present. */
export interface DuckdbKernels {
  duckStrings(data: number, offsets: number, valid: number, from: number, count: number, heap: bigint, out: number): void;
  duckValidity(valid: number, from: number, count: number, out: number): number;
  duckNarrow(width: number, data: number, count: number, out: number): void;
  duckUuids(data: number, count: number, out: number): void;
  duckIntervals(data: number, count: number, out: number): void;
  duckDates(data: number, valid: number, count: number, out: number): number;
  duckInstants(data: number, valid: number, count: number, out: number): number;
  duckLists(offsets: number, valid: number, from: number, count: number, out: number): void;
  duckOps(ops: number, count: number, out: number): void;
  duckOrdinals(base: bigint, count: number, out: number): void;
}

/** Kernels of the JSON lines writer. `columns` is a table of 32 bytes a column: see as/jsonl.ts. */
export interface JsonlKernels {
  /** Writes rows as lines while they fit; returns the end, and leaves the next row (int32) at `state`. */
  jlRows(columns: number, count: number, from: number, to: number, out: number, limit: number, state: number): number;
  /** Writes the next part of a row that is larger than the room; `state` is three int32: column, byte of its value or -1, 0; see as/jsonl.ts. */
  jlPart(columns: number, count: number, row: number, out: number, limit: number, state: number): number;
}

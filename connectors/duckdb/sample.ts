import { linearMemory, PRESENT, type Batch } from '#batch';
import type { RowColumn } from '../_shared/sql/dialect.ts';

/** Values that are looked at. */
const SAMPLE = 2048;
/** Of these. */
const MOST_REPEATED = 0.05 * SAMPLE;
/** Longer texts are left to DuckDB, which has better ways for them. */
const SHORT_BYTES = 256;

/**
 * Short texts of which the first are nearly all different. DuckDB would put each of them in a dictionary, only to find that there is no use for
 * it: a quarter of what a load costs. It is told to compress them as it would choose to in the end.
 */
export function hardlyRepeats(column: RowColumn, batch: Batch): boolean {
  const vector = column.from.kind === 'field' && column.from.type.kind === 'text' ? batch.columns[column.from.index] : undefined;
  const { offsets, validity, data } = vector ?? {};
  if (!offsets || !data) return false;
  const bytes = Buffer.from(linearMemory.buffer, data.byteOffset);
  const seen = new Set<string>();
  let values = 0;
  for (let row = 0; row < batch.length && values < SAMPLE && values - seen.size <= MOST_REPEATED; row++) {
    if (validity && validity[row] !== PRESENT) continue;
    const [start = 0, end = 0] = [offsets[row], offsets[row + 1]];
    if (end - start > SHORT_BYTES) return false;
    seen.add(bytes.toString('latin1', start, end));
    values++;
  }
  return values === SAMPLE && values - seen.size <= MOST_REPEATED;
}

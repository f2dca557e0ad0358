import { createHash } from 'node:crypto';
import { Batch, type Vector } from '#batch';
import { copyReasons } from '#kernels';
import type { JsonObject, Rejection, SourceMessage } from '#sdk';
import type { Connection } from '../connection.ts';
import { CopyReader, type CopyRows, type RejectedRow } from './copy-reader.ts';
import { copyStatement, type Selected } from './select.ts';

const REASONS: Readonly<Record<number, { readonly code: string; readonly reason: string }>> = {
  [copyReasons.nan]: { code: 'ETL-PG-020', reason: 'holds NaN or an infinity, which its type has no place for' },
  [copyReasons.range]: { code: 'ETL-PG-020', reason: 'holds a value past the range of its type' },
  [copyReasons.dimensions]: { code: 'ETL-PG-021', reason: 'holds an array of more than one dimension' },
  [copyReasons.lowerBound]: { code: 'ETL-PG-021', reason: 'holds an array whose first index is not 1' },
};

function rejection(selected: Selected, rejected: RejectedRow): Rejection {
  const { stream } = selected.relation;
  const cells: JsonObject = Object.fromEntries(selected.schema.fields.map(({ name }, index) => [name, rejected.cells[index] ?? null]));
  const column = selected.columns[rejected.column]?.field.name ?? '';
  const { code, reason } = REASONS[rejected.reason] ?? { code: 'ETL-PG-020', reason: 'does not fit' };
  const keyed = selected.schema.key.length > 0;
  const key = Object.fromEntries(selected.schema.key.map((name) => [name, cells[name] ?? null]));
  const id = createHash('sha256').update(JSON.stringify([stream, keyed ? key : cells])).digest('hex').slice(0, 32);
  return { id, stream, code, reason: `${column} ${reason}`, column, row: cells, ...(keyed ? { key } : {}) };
}

/** A batch of what the reader gave, without the columns that are not sent. */
function batchOf(selected: Selected, rows: CopyRows): Batch {
  return new Batch(
    { stream: selected.relation.stream, schema: selected.schema, length: rows.length, columns: rows.vectors.slice(0, selected.schema.fields.length) },
    [rows.arena],
  );
}

export interface RowsOptions {
  readonly connection: Connection;
  readonly selected: Selected;
  readonly query: string;
  readonly maxRowBytes: number;
  readonly stop: AbortSignal;
  /** Said first, when the server is at work already. */
  readonly opening?: SourceMessage;
  /** Called with a batch's vectors before they are given away: what a checkpoint after it would hold. */
  last?(vectors: readonly Vector[], row: number): void;
}

/** The rows of one query as batches, with their rejects. Returns whether it came to the end; after a stop it did not. */
export async function* readRows(options: RowsOptions): AsyncGenerator<SourceMessage, boolean> {
  const { selected, stop } = options;
  const reader = new CopyReader(options.connection.wire, {
    sql: copyStatement(options.query), plans: selected.columns.map((column) => column.plan), maxRowBytes: options.maxRowBytes,
  });
  const abort = (): void => options.connection.destroy();
  stop.addEventListener('abort', abort, { once: true });
  // the first rows come while the destination makes its table
  let early = options.opening && !stop.aborted ? reader.next() : undefined;
  early?.catch(() => undefined);
  try {
    if (options.opening) yield options.opening;
    for (;;) {
      const coming = early ?? (stop.aborted ? undefined : reader.next());
      early = undefined;
      const rows = await coming;
      if (stop.aborted) {
        rows?.arena.release();
        return false;
      }
      if (!rows) return true;
      if (rows.rejected.length > 0) yield { type: 'rejected', stream: selected.relation.stream, rejections: rows.rejected.map((each) => rejection(selected, each)) };
      if (rows.length === 0) {
        rows.arena.release();
        continue;
      }
      options.last?.(rows.vectors, rows.length - 1);
      yield { type: 'batch', stream: selected.relation.stream, batch: batchOf(selected, rows) };
    }
  } catch (error) {
    if (stop.aborted) return false;
    throw error;
  } finally {
    stop.removeEventListener('abort', abort);
    reader.close();
    await early?.then((rows) => rows?.arena.release(), () => undefined);
  }
}

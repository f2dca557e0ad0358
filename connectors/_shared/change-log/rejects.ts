import { createHash } from 'node:crypto';
import { canonicalText, gather, type Batch } from '#batch';
import type { JsonObject, Rejection } from '#sdk';
import type { FormatReject } from '../formats/contract.ts';

/** Rows that a format can't hold, and the batch without them. */
export interface Checked {
  readonly batch: Batch;
  readonly rejections: readonly Rejection[];
}

/** Takes the batch over: whoever asked releases the one that comes back. */
export function withoutRejected(batch: Batch, problems: readonly FormatReject[]): Checked {
  if (problems.length === 0) return { batch, rejections: [] };
  const first = new Map<number, FormatReject>();
  for (const problem of problems) {
    const before = first.get(problem.row);
    first.set(problem.row, before ? { ...before, reason: `${before.reason}; ${problem.reason}` } : problem);
  }
  const rejections = [...first.values()].map((problem) => rejectionOf(batch, problem));
  const kept = Int32Array.from({ length: batch.length }, (_, row) => row).filter((row) => !first.has(row));
  const rest = gather(batch, kept);
  batch.release();
  return { batch: rest, rejections };
}

function rejectionOf(batch: Batch, { row: index, column, code, reason }: FormatReject): Rejection {
  const row = rowTexts(batch, index);
  const names = batch.schema.key;
  const key = Object.fromEntries(names.map((name) => [name, row[name] ?? null]));
  const id = createHash('sha256').update(JSON.stringify([batch.stream, names.length > 0 ? key : row])).digest('hex');
  return { id, stream: batch.stream, code, reason, column, row, ...(names.length > 0 ? { key } : {}) };
}

/** Canonical texts by column: exact, whatever the type. */
function rowTexts({ schema, columns }: Batch, row: number): JsonObject {
  return Object.fromEntries(schema.fields.map((field, index) => {
    const vector = columns[index];
    return [field.name, vector ? canonicalText(vector, row) : null];
  }));
}

import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { canonicalText, gather, type Batch } from '#batch';
import type { JsonObject, QuarantinedRow, Rejection } from '#sdk';
import type { QuarantineFile } from '../_shared/commit-log/records.ts';
import type { Pipe } from './place.ts';

/** Rows that a format can't hold, and the batch without them. */
export interface Checked {
  readonly batch: Batch;
  readonly rejections: readonly Rejection[];
}

export interface Problem {
  readonly row: number;
  readonly column: string;
  readonly code: string;
  readonly reason: string;
}

/** Takes the batch over: whoever asked releases the one that comes back. */
export function withoutRejected(batch: Batch, problems: readonly Problem[]): Checked {
  if (problems.length === 0) return { batch, rejections: [] };
  const first = new Map<number, Problem>();
  for (const problem of problems) if (!first.has(problem.row)) first.set(problem.row, problem);
  const rejections = [...first.values()].map((problem) => rejectionOf(batch, problem));
  const kept = Int32Array.from({ length: batch.length }, (_, row) => row).filter((row) => !first.has(row));
  const rest = gather(batch, kept);
  batch.release();
  return { batch: rest, rejections };
}

function rejectionOf(batch: Batch, { row: index, column, code, reason }: Problem): Rejection {
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

/** Writes them beside the log under a name of their own: the record that lists the file makes them count (rule 31). */
export async function writeRejections(pipe: Pipe, { name, load, rejections }: { name: string; load: string; rejections: readonly Rejection[] }): Promise<QuarantineFile[]> {
  if (rejections.length === 0) return [];
  const at = new Date(pipe.place.ports.clock.now()).toISOString();
  const lines = rejections.map((rejection) => `${JSON.stringify({ ...rejection, load, at })}\n`);
  await pipe.place.disk.makeFolder(pipe.quarantineFolder);
  await pipe.writeWhole(join(pipe.quarantineFolder, `${name}.jsonl`), Buffer.from(lines.join('')));
  await pipe.place.disk.fsyncFolder(pipe.quarantineFolder);
  return [{ name: `${name}.jsonl`, load, rows: rejections.length }];
}

/** Newest first; a replay repeats an id, and it counts once. */
export async function readQuarantine(pipe: Pipe, query: { readonly stream?: string; readonly limit: number }): Promise<readonly QuarantinedRow[]> {
  const found = new Map<string, QuarantinedRow>();
  for (const file of pipe.log.fold.quarantine.toReversed()) {
    if (found.size >= query.limit) break;
    const bytes = await pipe.place.disk.read(join(pipe.quarantineFolder, file.name));
    const lines = Buffer.from(bytes ?? []).toString('utf8').split('\n').filter((line) => line !== '');
    for (const line of lines.toReversed()) {
      const row = JSON.parse(line) as QuarantinedRow;
      if (query.stream !== undefined && row.stream !== query.stream) continue;
      if (!found.has(row.id) && found.size < query.limit) found.set(row.id, row);
    }
  }
  return [...found.values()];
}

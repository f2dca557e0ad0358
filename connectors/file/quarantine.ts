import { join } from 'node:path';
import type { QuarantinedRow, Rejection } from '#sdk';
import type { QuarantineFile } from '../_shared/commit-log/records.ts';
import type { Pipe } from './place.ts';

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

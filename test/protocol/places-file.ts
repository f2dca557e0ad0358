import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileCapabilities } from '../../connectors/file/config.ts';
import { createFileDestination } from '../../connectors/file/destination.ts';
import { tableOf } from '../../connectors/file/layout.ts';
import type { TableRow } from '#testing';
import { readTable, visibleFiles } from '../helpers/read-table.ts';
import { contextFor, failpointsOf, type PlaceKind } from './places.ts';

/** A folder on disk. */
export function fileKind(format: 'jsonl' | 'parquet'): PlaceKind {
  let seed = 0;
  return {
    name: format,
    make: (at) => {
      const root = join(at, 'data');
      return Promise.resolve({
        capabilities: fileCapabilities,
        target: { options: { format } },
        settlesAtClaim: true,
        ordered: true,
        open: () => Promise.resolve(createFileDestination({ path: root }, contextFor(at, ++seed))),
        failpoints: failpointsOf('file', 'log'),
        readTables: (targets) => Promise.all(targets.map((target) => {
          const folder = join(root, tableOf(target));
          return format === 'jsonl' ? readLines(folder) : readTable(folder);
        })),
        deliverLate: () => undefined,
        remove: () => {
          rmSync(at, { recursive: true, force: true });
          return Promise.resolve();
        },
      });
    },
  };
}

/** JSON lines by hand: their texts are the canonical ones. */
function readLines(folder: string): TableRow[] {
  return visibleFiles(folder, 'jsonl').flatMap((file) => readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const row = JSON.parse(line) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === null ? null : String(value as string | number)]));
  }));
}

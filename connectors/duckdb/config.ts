import * as z from 'zod';
import type { Capabilities } from '#sdk';

export const duckdbConfig = z.strictObject({
  path: z.string().min(1).refine((path) => !path.startsWith(':memory:') && !path.startsWith('md:'), 'a database in memory forgets its state with the process: give a file')
    .describe('The database file; made if it is missing. Relative paths begin at the job file.'),
  threads: z.number().int().min(1).max(256).optional().describe('Threads of DuckDB for merges and for publishing; rows are written with one. Default: all cores'),
  memory_limit: z.string().regex(/^\d+(\.\d+)? ?(KB|MB|GB|TB|KiB|MiB|GiB|TiB)$/i, 'a size such as 512MB').default('1GB').describe('Memory of DuckDB itself; what exceeds it goes to temp_directory'),
  temp_directory: z.string().min(1).optional().describe('Default: beside the file'),
});
export type DuckdbConfig = z.infer<typeof duckdbConfig>;

/** A target of DuckDB has no options of its own. */
export const duckdbTargetOptions = z.strictObject({});

export function duckdbCapabilities(): Capabilities {
  return {
    writeModes: ['append', 'merge', 'replace', 'scd2'],
    deletes: ['hard', 'soft'],
    processes: 1,
    maxSessions: 8,
    maxSplits: 1, // a second session of a table would have to write its rows again, when its load's table has some
    origins: [],
    keepsState: true,
    promise: { append: 'exactly-once', merge: 'exactly-once', replace: 'exactly-once', scd2: 'exactly-once' },
    names: { maxBytes: 255, caseSensitive: false },
    takesChanges: true,
  };
}

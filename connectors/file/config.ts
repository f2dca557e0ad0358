import * as z from 'zod';
import type { Capabilities } from '#sdk';
import type { FormatOptions } from '../_shared/formats/contract.ts';

export const fileConfig = z.strictObject({
  path: z.string().min(1).describe('The folder; relative paths begin at the job file.'),
});
export type FileConfig = z.infer<typeof fileConfig>;

const MIB = 1024 * 1024;

export const fileTargetOptions = z.strictObject({
  format: z.enum(['parquet', 'jsonl']).default('parquet').describe('How the rows are written.'),
  compression: z.enum(['snappy', 'zstd', 'none']).default('snappy').describe('Of parquet pages.'),
  row_group_bytes: z.int().min(64 * 1024).max(1024 * MIB).default(16 * MIB).describe('A row group ends past this many bytes.'),
  roll_bytes: z.int().min(64 * 1024).default(256 * MIB).describe('A new file begins past this many bytes; a commit always ends one.'),
  infinite: z.enum(['reject', 'null', 'text']).default('reject').describe('What an infinite date or time becomes, which the format has no value for.'),
  interval: z.enum(['text', 'struct']).default('text').describe('How an interval is held: ISO 8601 text, or months, days and microseconds.'),
});

/** How the files of a target are written. */
export interface FileOptions extends FormatOptions {
  readonly format: 'parquet' | 'jsonl';
  /** A new file begins past this. */
  readonly rollBytes: number;
}

export function fileOptionsOf(options: unknown): FileOptions {
  const { row_group_bytes: rowGroupBytes, roll_bytes: rollBytes, ...rest } = fileTargetOptions.parse(options);
  return { ...rest, rowGroupBytes, rollBytes };
}

export const fileCapabilities: Capabilities = {
  writeModes: ['append', 'replace'],
  deletes: ['hard', 'soft'],
  processes: 'many',
  maxSessions: 64,
  origins: [],
  keepsState: true,
  promise: { append: 'exactly-once', replace: 'effectively-once' },
  promiseNote: 'Visible files hold committed rows only. The files of one commit get their names one after the other; while a replace is published, a reader of the folder sees the new files beside the old ones for a moment, never less than one whole generation.',
  names: { maxBytes: 80, caseSensitive: true },
  takesChanges: true,
};

import type { ErrorKind, SourceLocation } from '../errors/error.ts';
import type { Position } from '../sdk/contract.ts';

/** What a run tells while it goes on. `stream` of a split with many streams is their list. */
export type RunEvent =
  | { readonly type: 'pipe'; readonly pipe: string; readonly streams: readonly string[]; readonly note?: string }
  | { readonly type: 'load'; readonly pipe: string; readonly load: string; readonly streams: readonly string[]; readonly splits: number; readonly estimatedRows?: number; readonly continued: boolean }
  | { readonly type: 'progress'; readonly pipe: string; readonly streams: readonly string[]; readonly split: string; readonly rows: number; readonly bytes: number }
  | { readonly type: 'committed'; readonly pipe: string; readonly streams: readonly string[]; readonly split: string; readonly rows: number; readonly rejected: number; readonly bytes: number }
  | { readonly type: 'retry'; readonly pipe: string; readonly streams: readonly string[]; readonly attempt: number; readonly waitMs: number; readonly code: string; readonly message: string }
  | { readonly type: 'published'; readonly pipe: string; readonly streams: readonly string[] }
  | { readonly type: 'note'; readonly level: 'debug' | 'info' | 'warn'; readonly message: string };

/** The error itself, for its stack: a symbol, which no JSON holds. */
export const THROWN = Symbol('thrown');

export interface ReportedError {
  readonly [THROWN]?: unknown;
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly location?: SourceLocation;
  readonly configPath?: string;
}

export interface StreamReport {
  readonly pipe: string;
  readonly stream: string;
  readonly table: string;
  readonly sync: string;
  readonly write: string;
  readonly outcome: 'done' | 'nothing_new' | 'stopped' | 'failed' | 'not_started';
  /** Rows that this run got from the source: written and rejected ones, those of a try that broke counted again, and what a run that ended early had not committed. */
  readonly read: number;
  /** Rows that this run committed, counted at the sink: of a merge or scd2 each change that was read, whatever it did to the table. With many streams in one split the split's count stands at its first stream. */
  readonly written: number;
  readonly rejected: number;
  readonly bytes: number;
  readonly from?: Position;
  readonly to?: Position;
  /** Of a backfill, which moves no position. */
  readonly range?: { readonly from: string; readonly to: string };
  readonly schemaChanges: readonly string[];
  readonly retries: number;
  readonly durationMs: number;
  readonly promise: string;
  /** A load of an earlier run was finished first. */
  readonly continued: boolean;
  readonly error?: ReportedError;
}

export interface RunReport {
  readonly runId: string;
  readonly job: string;
  readonly startedAt: string;
  readonly durationMs: number;
  readonly streams: readonly StreamReport[];
  readonly notes: readonly string[];
  /** `ok`: every row is readable at the destination. */
  readonly outcome: 'ok' | 'rejected_rows' | 'stopped' | 'failed' | 'skipped';
  /** What ended the run, where it was not one stream alone. */
  readonly error?: ReportedError;
  readonly after?: { readonly command: string; readonly exitCode: number };
}

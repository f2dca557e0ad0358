import type { ColumnRule, ContractColumns, Naming, RowCheck } from '../normalize/spec.ts';
import type { SourceLocation } from '../errors/error.ts';
import type { AddedColumn, CursorSpec, JsonObject, SyncMode, WriteMode } from '../sdk/contract.ts';

/** A job after interpolation, validation and defaults: all that a run needs to know, with nothing left to guess. */
export interface ResolvedJob {
  readonly name: string;
  /** The job's former name, whose state it takes over. */
  readonly mode: 'batch' | 'stream';
  readonly directory: string;
  readonly connections: Readonly<Record<string, ResolvedConnection>>;
  readonly source: string;
  readonly limits: { readonly concurrency: number; readonly memoryBytes: number; readonly rowsPerSecond?: number };
  readonly retry: { readonly attempts: number; readonly backoff: 'exponential' | 'fixed'; readonly initialDelayMs: number; readonly maxDelayMs: number };
  /** Commit when this much time has passed or this many bytes are written since the last commit, at the next checkpoint. */
  readonly commit: { readonly intervalMs: number; readonly bytes: number };
  /** In file order; the first that matches a stream of the catalogue decides. */
  readonly streams: readonly ResolvedStream[];
  readonly after?: { readonly run: string; readonly when: 'success' | 'always' | 'failure'; readonly location?: SourceLocation };
  readonly overlap: 'fail' | 'skip';
}

export interface ResolvedConnection {
  readonly name: string;
  /** Name of a connector, or the path of a file that exports one. */
  readonly type: string;
  /** The rest of the connection's keys, as the connector's own config takes them. */
  readonly config: JsonObject;
  readonly location?: SourceLocation;
}

/** One entry of `streams:`, defaults applied. */
export interface ResolvedStream {
  /** A stream's name, or a pattern with `*`. */
  readonly pattern: string;
  readonly skip: boolean;
  readonly location?: SourceLocation;
  readonly query?: string;
  readonly sync: SyncMode;
  readonly write: WriteMode;
  readonly key?: { readonly columns: readonly string[]; readonly immutable: boolean };
  readonly cursor?: CursorSpec;
  readonly columns: Readonly<Record<string, ColumnRule>>;
  /** Columns for which the entry itself, and not only the defaults, has a rule. */
  readonly ownRules?: readonly string[];
  readonly others: 'keep' | 'drop';
  readonly naming: Naming;
  readonly contract: { readonly tables: 'evolve' | 'freeze'; readonly columns: ContractColumns; readonly types: 'widen' | 'freeze' | 'discard_row' };
  readonly checks: readonly RowCheck[];
  /** `row_count > 0` and its like: judged per run and stream. */
  readonly rowCount?: { readonly min?: number; readonly max?: number };
  readonly errors: { readonly badRows: 'quarantine' | 'fail'; readonly maxBadRatio?: number; readonly maxBadRows?: number };
  readonly badText: 'strip' | 'replace' | 'fail' | 'quarantine' | 'keep';
  readonly deletes: 'hard' | 'soft';
  readonly unavailable: 'error' | { readonly placeholder: string };
  readonly addedColumns: readonly AddedColumn[];
  readonly shared: boolean;
  readonly target: ResolvedTarget;
}

export interface ResolvedTarget {
  /** Name of a connection. */
  readonly use: string;
  readonly schema?: string;
  /** Default: the stream's own name, without its schema. `{stream}` and `{schema}` stand for parts of it. */
  readonly table?: string;
  /** Checked by the destination's `targetOptions`. */
  readonly options: JsonObject;
}

/** Before the connectors are asked: a write mode that nobody named is still open. */
export type UnboundStream = Omit<ResolvedStream, 'write'> & { readonly write?: WriteMode };
export type UnboundJob = Omit<ResolvedJob, 'streams'> & { readonly streams: readonly UnboundStream[] };

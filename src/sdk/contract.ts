/** The contract between the pipeline and its connectors; docs/protocol.md is the protocol behind it, with the numbered rules that the code cites. */
import type { Batch } from '../batch/batch.ts';
import type { Field, LogicalType, Schema } from '../batch/types.ts';
export type { Field, LogicalType, Schema };

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

// ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type SyncMode = 'full' | 'incremental' | 'cdc' | 'outbox';
export type WriteMode = 'append' | 'merge' | 'replace' | 'scd2';
/** One source and one destination of a job: `job name/source connection->target connection`. */
export type PipeId = string;
/** Never reused. */
export type LoadId = string;
/** Opaque to all but its source; carries a version; holds no value of a masked column. */
export type Position = JsonObject;
export type Positions = Readonly<Record<string, Position>>;

// ── the source's side ────────────────────────────────────────────────────────────────────────────────────────────────

export interface StreamInfo {
  /** Full name at the source, such as `public.orders`. */
  readonly name: string;
  readonly kind: 'table' | 'view' | 'partitioned' | 'query' | 'log' | 'file' | 'api';
  readonly schema: Schema;
  readonly estimatedRows?: number;
  readonly estimatedBytes?: number;
  /** Columns that may serve as a cursor, best first. */
  readonly cursors: readonly string[];
}

export interface CursorSpec {
  readonly column: string;
  /** Read again this far below the last bound. */
  readonly lookbackMs?: number;
  /** Nothing below this value is ever read; the source's text. */
  readonly start?: string;
  readonly nulls?: 'fail' | 'reload' | 'skip_reported';
  /** How long to wait for transactions that were open when the bound was taken. */
  readonly maxWaitMs?: number;
}

/** What a job wants of one stream, resolved. */
export interface Selection {
  readonly stream: string;
  readonly sync: SyncMode;
  readonly write: WriteMode;
  readonly key: readonly string[];
  readonly immutableKey: boolean;
  readonly cursor?: CursorSpec;
  /** Columns to read, by source name; undefined: all, those of the future too. Dropped columns are never read. */
  readonly columns?: readonly string[];
  /** Columns that never leave the source. */
  readonly exclude?: readonly string[];
  /** Columns whose values leave the source only to be hashed or masked: none of them may lie in a position. */
  readonly masked: readonly string[];
  /** Columns to be sent as the source's own text with its origin; a decimal as `number`, which holds NaN too. */
  readonly asText: readonly string[];
  /** A query of the user's instead of a table. */
  readonly query?: string;
  /** `--full-refresh`, or state says rebuild: read all, whatever the position. */
  readonly fullRefresh: boolean;
  /** `--range from..to`: cursor values of a backfill that touches no position. */
  readonly range?: { readonly from: string; readonly to: string };
}

/** A unit of work that one reader reads in order. Serialisable. */
export interface Split {
  /** Unique in its load. */
  readonly id: string;
  readonly streams: readonly string[];
  /** The source's own: where it begins and ends. Stored with the load: a secret belongs into the reading. */
  readonly detail: Json;
  readonly live: boolean;
  readonly estimatedRows?: number;
}

/** One piece of work on some streams, planned once and then fixed (rule 4). */
export interface Load {
  readonly id: LoadId;
  /** Many parts with an end each, or exactly one live split. */
  readonly kind: 'parts' | 'live';
  readonly streams: readonly string[];
  readonly splits: readonly Split[];
  /** Nothing shows before `publish` (rule 11). */
  readonly staged: boolean;
  /** `publish` replaces the table, whatever the write mode (rule 8). */
  readonly rebuild: boolean;
  /** The position of each stream when the load is done. A live load's is its split's committed one. */
  readonly positions: Positions;
  /** The load's start by the source's clock, ISO 8601 with microseconds. */
  readonly startedAt: string;
  /** Hash of all in the job that decides the load's bytes (rule 5). The engine fills it. */
  readonly fingerprint: string;
  /** Where each stream goes. The engine fills it. */
  readonly targets: readonly Target[];
  /** The source's own. */
  readonly detail: Json;
}

/** What a process needs to read a load now: a snapshot's name, this run's bound. Handed to workers, never stored. */
export type Reading = JsonObject;

/** Who runs: fences at the destination, names what a source makes. */
export interface RunToken {
  readonly pipe: PipeId;
  readonly runEpoch: number;
  readonly runId: string;
}

export interface PlanOptions {
  readonly maxSplits: number;
  /** The run has no other pipe: no loads but those of this plan are to be of one instant. */
  readonly alone?: boolean;
  nextLoadId(): LoadId;
}

export interface CheckItem {
  readonly what: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly detail: string;
  readonly hint?: string;
}
export type CheckReport = readonly CheckItem[];

export interface Discovery {
  /** The job's streams that are a query of the user's, by stream name. */
  readonly queries?: Readonly<Record<string, string>>;
  /** These are enough, by name: a source with a large catalogue reads no more of it. What is not there is left out. */
  readonly only?: readonly string[];
}

export interface Source extends AsyncDisposable {
  /** What positions belong to: system id and database, account, bucket. */
  identity(): Promise<string>;
  /** Connection, grants (missing and excess), clock, retention. Reads only. */
  check(selection: readonly Selection[]): Promise<CheckReport>;
  /** The catalogue, with the job's own queries described: they are not kept with a load, so each process that begins or resumes one asks here first. */
  discover(wanted?: Discovery): Promise<readonly StreamInfo[]>;
  /** New loads from the published positions; throws at one that it can't go on from (`etl state set` asks so). Reads only; a stream with nothing to do still gets its (empty) load. */
  plan(selection: readonly Selection[], state: JobState, options: PlanOptions): Promise<readonly Load[]>;
  /** Makes what reading rests on (snapshot, slot), held until dispose; may fix bounds and splits. Before `run.begin` (rule 6). After a transient error it comes again. */
  begin(load: Load, run: RunToken): Promise<{ load: Load; reading: Reading }>;
  /** An earlier run's load: is what it rests on still there? */
  resume(load: Load, run: RunToken): Promise<Reading | 'lost'>;
  /** `stop`: give a checkpoint if one is at hand, and return. */
  read(reading: Reading, split: Split, from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage>;
  /** The destination holds everything up to `durable`. Idempotent. */
  acknowledge?(split: Split, durable: Position): Promise<void>;
}

export type SourceMessage =
  /** Before a stream's first batch of every read, and when it changes. */
  | { readonly type: 'schema'; readonly stream: string; readonly schema: Schema }
  | { readonly type: 'batch'; readonly stream: string; readonly batch: Batch }
  | { readonly type: 'rejected'; readonly stream: string; readonly rejections: readonly Rejection[] }
  | { readonly type: 'truncate'; readonly stream: string }
  /** A resync begins: what follows of the stream goes to a shadow of that generation. Sent again at each read; the same generation goes on. */
  | { readonly type: 'rebuild'; readonly stream: string; readonly generation: string }
  | Checkpoint;

/** Covers every message before it, and nothing after. */
export interface Checkpoint {
  readonly type: 'checkpoint';
  readonly position: Position;
  /** The split is complete, as a fact (rule 1). */
  readonly last?: true;
  /** Inside a source transaction (rule 16). */
  readonly partial?: true;
  /** Streams whose shadows replace their tables in this very commit. */
  readonly rebuilt?: readonly string[];
}

/** A row that is not delivered, with its reason. Lies at the destination, under an id that a replay repeats (rule 31). */
export interface Rejection {
  /** Hash of stream and key, or of the row's bytes. */
  readonly id: string;
  readonly stream: string;
  /** Code of the reason: `ETL-...`. */
  readonly code: string;
  /** One line; names the column, never a masked value. */
  readonly reason: string;
  readonly column?: string;
  /** The key's canonical texts, where it may be shown. */
  readonly key?: JsonObject;
  /** What normalisation lets out of the row. */
  readonly row: JsonObject;
}

// ── the destination's side ───────────────────────────────────────────────────────────────────────────────────────────

/** Where the rows of a stream go, resolved. Serialisable; stored with the load. */
export interface Target {
  readonly stream: string;
  /** Schema or folder, and table: already named by the job's naming convention, within the destination's limits. */
  readonly schema?: string;
  readonly table: string;
  readonly write: WriteMode;
  /** Key columns by target name. */
  readonly key: readonly string[];
  readonly deletes: 'hard' | 'soft';
  /** What an unavailable value without a row before it becomes. */
  readonly unavailable: 'error' | { readonly placeholder: string };
  /** scd2: the column that dates a version, by target name; undefined: the load's start. */
  readonly validFrom?: string;
  /** Columns of ours that the job asked for: `_etl_loaded_at` … */
  readonly addedColumns: readonly AddedColumn[];
  /** Schema contract of the target. */
  readonly evolve: { readonly tables: boolean; readonly columns: boolean; readonly types: boolean };
  /** Other jobs may write there too (append only). */
  readonly shared: boolean;
  /** The destination's own, validated by its config: format, compression … */
  readonly options: JsonObject;
}
export type AddedColumn = '_etl_loaded_at' | '_etl_run_id' | '_etl_position';

export type TargetMessage =
  | { readonly type: 'schema'; readonly target: Target; readonly schema: Schema }
  | { readonly type: 'batch'; readonly target: Target; readonly batch: Batch }
  | { readonly type: 'truncate'; readonly target: Target }
  | { readonly type: 'rebuild'; readonly target: Target; readonly generation: string };

export type Guarantee = 'exactly-once' | 'effectively-once' | 'at-least-once';

/** How a destination holds a column: shown by `plan`, kept by the writer. */
export interface ColumnMapping {
  readonly column: string;
  readonly from: LogicalType;
  /** The destination's type, as its DDL names it. */
  readonly to: string;
  /** exact: every value. mapped: as the docs' table says. checked: values outside the range are rejected by name. */
  readonly outcome: 'exact' | 'mapped' | 'checked';
  readonly note?: string;
}

export interface SchemaPlan {
  /** What a load would change now, in order, as its receipts will report it; empty: nothing to do. */
  readonly ddl: readonly string[];
  readonly columns: readonly ColumnMapping[];
  /** A change that is not additive, or that the target's contract forbids; a table that is not this pipe's. */
  readonly conflicts: readonly string[];
}

/** What a destination can do, as data. */
export interface Capabilities {
  readonly writeModes: readonly WriteMode[];
  readonly deletes: readonly ('hard' | 'soft')[];
  readonly processes: 1 | 'many';
  /** Sessions that may be open at once in one process. */
  readonly maxSessions: number;
  /** More splits of one table than this gain nothing here. Absent: as many as the source and the job have. */
  readonly maxSplits?: number;
  /** Origins whose text it reads back exactly: `pg`. */
  readonly origins: readonly string[];
  /** State, fences and rejects lie at the destination. False: open, write and flush only; the pipeline wraps it (rule 29). */
  readonly keepsState: boolean;
  readonly promise: Readonly<Partial<Record<WriteMode, Guarantee>>>;
  readonly promiseNote?: string;
  readonly names: { readonly maxBytes: number; readonly caseSensitive: boolean };
  /** A transaction larger than this is committed in parts (rule 16). */
  readonly maxTransactionBytes?: number;
  readonly takesChanges: boolean;
}

export interface Owner {
  readonly job: string;
  readonly runId: string;
  /** `source.identity()`, compared with the stored one (rule 22). */
  readonly sourceIdentity: string;
  readonly host: string;
  readonly pid: number;
}

/** The lease of a pipe as it stands: manners only (rule 8). */
export interface Lease {
  readonly runId: string;
  readonly host: string;
  readonly pid: number;
  /** Grows with each renewal; a watcher sees it stand still. */
  readonly beat: number;
  readonly released: boolean;
  /** Its owner runs the job's `after` command with the file closed: it is alive without renewing (rule 28). */
  readonly resting?: boolean;
}

/** A split's row at the destination. */
export interface SplitState {
  readonly splitEpoch: number;
  readonly revision: number;
  readonly position?: Position;
  readonly complete: boolean;
  /** Cumulative over all commits (rule 32). */
  readonly rows: number;
  readonly rejected: number;
  readonly bytes: number;
}

export interface StoredLoad {
  readonly load: Load;
  readonly splits: Readonly<Record<string, SplitState>>;
  /** Streams for which it is not yet published. */
  readonly openStreams: readonly string[];
}

export interface StreamState {
  /** Moves only in `publish` (rule 3). */
  readonly position?: Position;
  /** The last load, open or ended (rule 4). */
  readonly lastLoad?: LoadId;
  /** The next load is staged and replaces the table (rule 8). */
  readonly rebuild: boolean;
  /** Id that lies on the target itself (rule 22), by table. */
  readonly incarnations: Readonly<Record<string, string>>;
  /** What can't be mixed in one table: key, write mode, hash keys, casts (rule 5). Set by `publish` and the first commit from `Load.targets` and `Load.fingerprint`. */
  readonly fingerprint?: string;
  readonly publishedAt?: string;
}

export interface JobState {
  readonly runEpoch: number;
  readonly sourceIdentity?: string;
  readonly owner?: string;
  readonly streams: Readonly<Record<string, StreamState>>;
  /** Loads that are not ended for all their streams. */
  readonly loads: readonly StoredLoad[];
}

export interface QuarantinedRow extends Rejection {
  readonly load: LoadId;
  readonly at: string;
}

export interface Destination extends AsyncDisposable {
  readonly capabilities: Capabilities;
  /** Reads only; with `probe` it writes and removes a marked object. */
  check(options: { readonly probe: boolean }): Promise<CheckReport>;
  /** What a load would change at its table, or be refused for there (rule 22), by the same code. `rebuild`: as of the load. Reads only. */
  planSchema(pipe: PipeId, target: Target, schema: Schema, rebuild: boolean): Promise<SchemaPlan>;
  /** Reads only, takes nothing. */
  state(pipe: PipeId): Promise<JobState>;
  /** Reads only. The engine watches it; undefined: nobody ever ran. */
  lease(pipe: PipeId): Promise<Lease | undefined>;
  /** Run epoch + 1; finishes what a dead run had decided (rule 13). Compares the identity (rule 22), throws `state_lost`. */
  claim(pipe: PipeId, owner: Owner): Promise<Run>;
  /** Another process of the same run. */
  attach(token: RunToken): Promise<Run>;
  /** Rejected rows of a pipe, newest first. */
  quarantine(pipe: PipeId, query: { readonly stream?: string; readonly limit: number }): Promise<readonly QuarantinedRow[]>;
  /** The other pipes that write these targets and keep this one from them: `adopt` takes the targets from them. Reads only. */
  owners(pipe: PipeId, targets: readonly Target[]): Promise<readonly PipeId[]>;
  /** Administration: replaces nothing that is newer; never lowers an epoch (rule 8). `etl state import` and `adopt`. */
  administer(pipe: PipeId, command: StateCommand): Promise<void>;
}

export type StateCommand =
  /** Accepts a new source identity; the targets are this pipe's from here on, with the rows that lie there: who wrote them before is fenced. */
  | { readonly type: 'adopt'; readonly sourceIdentity?: string; readonly targets: readonly Target[] }
  /** Sets positions from an export; epochs are kept or raised. */
  | { readonly type: 'import'; readonly streams: Readonly<Record<string, { readonly position?: Position }>> };

export interface Run extends AsyncDisposable {
  readonly token: RunToken;
  /** As read under this claim, kept up to date by this run's own calls. */
  readonly state: JobState;
  /** Called every 5 s by the engine; throws `fenced` once a newer claim is seen. */
  renewLease(): Promise<void>;
  /** Stores the load by compare-and-set with the last load of each of its streams (rule 4); ends the one that it replaces. */
  begin(load: Load, after: Readonly<Record<string, LoadId | undefined>>): Promise<Load>;
  /** Split epoch + 1 (rule 7). `abort`: grace is over; ends the server's statement. */
  open(load: Load, split: Split, abort: AbortSignal): Promise<Session>;
  /** Fenced, idempotent; legal when every part of these streams is complete (rule 13). A live load: all its streams. */
  publish(load: Load, streams: readonly string[]): Promise<'published' | 'already'>;
  /** Ends the loads of these streams; without positions marks them rebuild (rule 8). */
  reset(streams: readonly string[], to?: Positions): Promise<void>;
  /** Gives back what one process alone can hold, such as a file, and keeps the lease: the job's `after` comes, then dispose, nothing else (rule 28). */
  rest?(): Promise<void>;
}

export interface CommitReceipt {
  readonly revision: number;
  /** Of this commit, counted at the sink. */
  readonly rows: number;
  readonly rejected: number;
  readonly bytes: number;
  /** Changes of the target's schema since the last receipt, as DDL or words. */
  readonly schemaChanges: readonly string[];
}

export interface Session extends AsyncDisposable {
  /** What is committed, as read under this session's epoch. */
  readonly committed: { readonly position: Position; readonly complete: boolean } | undefined;
  /** Takes the batch over and releases it when its bytes are encoded. Never waits for a commit. */
  accept(message: TargetMessage): Promise<void>;
  /** Writes what was accepted; returns what the target refused, row by row. */
  flush(): Promise<readonly Rejection[]>;
  /** Rows, rejects and position in one atomic step, sent once. No answer throws `transient` with code ending `-UNKNOWN` (rule 9). */
  commit(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt>;
}

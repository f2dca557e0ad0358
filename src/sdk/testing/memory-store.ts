import type { Field } from '#batch';
import type { Lease, Load, QuarantinedRow, SplitState, StreamState, WriteMode } from '../contract.ts';
import type { TableRow } from './compare.ts';
import type { StagedChange } from './fold.ts';

/** A table with what was written. Merge and live replace know their rows by key; all others are lists in order of writing. */
export interface StoredTable {
  incarnation: string;
  /** The pipe that writes it. */
  owner: string;
  write: WriteMode;
  fields: readonly Field[];
  byKey: Record<string, TableRow>;
  list: TableRow[];
}

export type StagedMessage =
  | { readonly stream: string; readonly shadow?: string; readonly change: StagedChange }
  | { readonly stream: string; readonly shadow?: string; readonly truncate: true }
  | { readonly stream: string; readonly rebuild: string };

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export interface StoredStream extends Mutable<StreamState> {
  /** The last load that was published: publish is idempotent by it. */
  published?: string;
}
export interface OpenLoad {
  load: Load;
  splits: Record<string, Mutable<SplitState>>;
  openStreams: string[];
  /** Staged loads: what each stream has so far, invisible. */
  staging: Record<string, StoredTable>;
}
export interface StoredPipe {
  runEpoch: number;
  runId: string;
  sourceIdentity?: string;
  owner?: string;
  lease?: Lease;
  streams: Record<string, StoredStream>;
  loads: OpenLoad[];
  /** By load, split and split epoch: a stage belongs to one session (rule 23). */
  stages: Record<string, StagedMessage[]>;
  /** Resyncs under way, by stream. */
  shadows: Record<string, { generation: string; table: StoredTable }>;
  quarantine: QuarantinedRow[];
}

/** All that the server of a memory destination holds: plain JSON, so that it can lie in a file and survive a process. */
export interface MemoryStore {
  pipes: Record<string, StoredPipe>;
  tables: Record<string, StoredTable>;
  incarnations: number;
  /** Commits so far: the server's clock. */
  ticks: number;
}

export function emptyStore(): MemoryStore {
  return { pipes: {}, tables: {}, incarnations: 0, ticks: 0 };
}

export function emptyTable(write: WriteMode, owner: string, incarnation: string): StoredTable {
  return { incarnation, owner, write, fields: [], byKey: {}, list: [] };
}

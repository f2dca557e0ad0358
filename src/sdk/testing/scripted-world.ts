import type { Source } from '../contract.ts';
import { History } from './history.ts';
import { seeded, type Seeded } from './random.ts';
import { makeScript, type Script, type ScriptOptions } from './script.ts';
import { ScriptedSource } from './scripted-source.ts';

export interface ScriptedOptions extends ScriptOptions {
  /** live: a log, after a snapshot unless `snapshot` is false; full: staged snapshots; incremental: passes by the cursor `at`. */
  readonly world?: 'live' | 'full' | 'incremental';
  readonly snapshot?: boolean;
  /** A live split without `last`: it goes on until it is stopped. */
  readonly endless?: boolean;
  /** Parts of each stream in the full and incremental worlds, and of a live world's snapshot. */
  readonly parts?: number;
  /** Full: the ranges are of an immutable key, so that a later process may go on while the source stands still (rule 12). */
  readonly immutableKeys?: boolean;
  /** Most rows of one batch. */
  readonly batchRows?: number;
}

/** What of a scripted source outlives a process, as plain JSON: the moment, and the slots. */
export interface WorldState {
  /** Transactions that have happened. */
  now: number;
  /** Reads begun so far: each cuts batches and checkpoints in its own way. */
  reads: number;
  slots: Record<string, { epoch: number; acked: number; snapshot?: number }>;
}

/** A database of a script: many sources ("processes") may read it, one after the other or at once. */
export class ScriptedWorld {
  readonly script: Script;
  readonly history: History;
  readonly draw: Seeded;
  readonly state: WorldState;

  constructor(readonly seed: number, readonly options: ScriptedOptions = {}, state?: WorldState) {
    const live = (options.world ?? 'live') === 'live';
    this.script = makeScript(seed, { ...options, ...(live && options.snapshot === false && { initialRows: 0 }) });
    this.history = new History(this.script);
    this.draw = seeded(seed).fork('world');
    this.state = state ?? { now: live ? this.script.log.length : Math.ceil(this.script.log.length / 3), reads: 0, slots: {} };
  }

  /** The source goes on by this many transactions. */
  advance(transactions: number): void {
    this.state.now = Math.min(this.script.log.length, this.state.now + transactions);
  }

  /** One process's view; what it exports (snapshots) dies with it. */
  source(): ScriptedSource {
    return new ScriptedSource(this);
  }
}

/** A deterministic source that emits all that a change log, a full refresh or an incremental pass can. */
export function scriptedSource(seed: number, options: ScriptedOptions = {}): Source {
  return new ScriptedWorld(seed, options).source();
}

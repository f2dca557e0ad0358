import type { Load, RunToken } from '#sdk';
import type { SqlDatabase, SqlRow, SqlSession, Statement } from './dialect.ts';
import { STATE_SCHEMA } from './names.ts';
import { count, text } from './state.ts';

/**
 * A check of rule 7. It runs in the transaction that has the effect, and its lock lasts to that transaction's end, so that no newer claim
 * can come between. Lock order: run, split, targets by name (rule 10).
 */
export interface Fence<T = unknown> {
  readonly statement: Statement;
  /** What the row holds; throws `fenced` when it is not mine any more. */
  held(row: SqlRow | undefined): T;
}

/** The run epoch is still mine. `share` lets splits of one run commit side by side; a claim waits for all of them. */
export function runFence(database: SqlDatabase, token: RunToken, strength: 'share' | 'update'): Fence<void> {
  return {
    statement: { sql: `select run_epoch from ${STATE_SCHEMA}.pipes where pipe = $1 ${database.dialect.lock(strength)}`, params: [token.pipe] },
    held: (row) => {
      if (row && count(row['run_epoch']) === token.runEpoch) return;
      throw database.error({ what: 'fenced', scope: 'run', message: `A newer run (epoch ${count(row?.['run_epoch'])}) has taken "${token.pipe}" over; this one (epoch ${token.runEpoch}) ends.` });
    },
  };
}

export interface HeldLoad {
  /** Streams for which it is not yet published. */
  readonly open: readonly string[];
  readonly load: Load;
}

/** The load's row: `storedLoad` reads it. */
export function findLoad(database: SqlDatabase, token: RunToken, load: string): Statement {
  return { sql: `select body, open_streams from ${STATE_SCHEMA}.loads where pipe = $1 and load = $2 ${database.dialect.lock('share')}`, params: [token.pipe, load] };
}

/** Undefined when the load has ended, or was replaced or reset. */
export function storedLoad(row: SqlRow | undefined): HeldLoad | undefined {
  return row && { load: JSON.parse(String(row['body'])) as Load, open: JSON.parse(String(row['open_streams'])) as string[] };
}

/** The load is the current one of all its streams: what was published in part is written no more. */
export function loadFence(database: SqlDatabase, token: RunToken, load: Load): Fence<void> {
  return {
    statement: findLoad(database, token, load.id),
    held: (row) => {
      const held = storedLoad(row);
      const writable = held && (held.load.kind === 'parts' || held.open.length === held.load.streams.length);
      if (!writable) throw database.error({ what: 'fenced', scope: 'load', message: `Load ${load.id} of "${token.pipe}" has ended or was replaced.` });
    },
  };
}

/** The split epoch is still mine. Holds its row. */
export function splitFence(database: SqlDatabase, token: RunToken, at: { load: string; split: string; epoch: number }): Fence<SqlRow> {
  return {
    statement: { sql: `select * from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2 and split = $3 ${database.dialect.lock('update')}`, params: [token.pipe, at.load, at.split] },
    held: (row) => {
      if (row && count(row['split_epoch']) === at.epoch) return row;
      throw database.error({ what: 'fenced', scope: 'split', message: `Another session (epoch ${text(row?.['split_epoch']) ?? 'none'}) has taken split ${at.split} of load ${at.load} over; this one (epoch ${at.epoch}) ends.` });
    },
  };
}

type Held<F extends readonly Fence[]> = { [I in keyof F]: F[I] extends Fence<infer T> ? T : never };

/** In one round trip, in the running transaction or with the BEGIN of one. */
export async function holdFences<const F extends readonly Fence[]>(session: SqlSession, fences: F, { begins }: { readonly begins: boolean }): Promise<Held<F>> {
  const statements = fences.map((fence) => fence.statement);
  const rows = await (begins ? session.begin(statements) : session.queries(statements));
  return fences.map((fence, index) => fence.held(rows[index]?.[0])) as Held<F>;
}

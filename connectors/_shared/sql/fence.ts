import { EtlError, type Load, type RunToken } from '#sdk';
import type { SqlConnection, SqlDatabase, SqlRow, SqlSession } from './dialect.ts';
import { STATE_SCHEMA } from './names.ts';
import { count, text } from './state.ts';
import { transact } from './transact.ts';

/**
 * The checks of rule 7. Each runs in the transaction that has the effect, and its lock lasts to that transaction's end, so that no newer
 * claim can come between. Lock order: run, split, targets by name (rule 10).
 */

/** The run epoch is still mine. `share` lets splits of one run commit side by side; a claim waits for all of them. */
export async function holdRun(database: SqlDatabase, connection: SqlConnection, token: RunToken, strength: 'share' | 'update'): Promise<void> {
  const [row] = await connection.query(`select run_epoch from ${STATE_SCHEMA}.pipes where pipe = $1 ${database.dialect.lock(strength)}`, [token.pipe]);
  if (row && count(row['run_epoch']) === token.runEpoch) return;
  throw database.error({ what: 'fenced', scope: 'run', message: `A newer run (epoch ${count(row?.['run_epoch'])}) has taken "${token.pipe}" over; this one (epoch ${token.runEpoch}) ends.` });
}

export interface HeldLoad {
  /** Streams for which it is not yet published. */
  readonly open: readonly string[];
  readonly load: Load;
}

/** The load's row; undefined when the load has ended, or was replaced or reset. */
export async function findLoad(database: SqlDatabase, connection: SqlConnection, token: RunToken, load: string): Promise<HeldLoad | undefined> {
  const [row] = await connection.query(`select body, open_streams from ${STATE_SCHEMA}.loads where pipe = $1 and load = $2 ${database.dialect.lock('share')}`, [token.pipe, load]);
  return row && { load: JSON.parse(String(row['body'])) as Load, open: JSON.parse(String(row['open_streams'])) as string[] };
}

/** The load is the current one of all its streams: what was published in part is written no more. */
export async function holdLoad(database: SqlDatabase, connection: SqlConnection, token: RunToken, load: Load): Promise<void> {
  const held = await findLoad(database, connection, token, load.id);
  const writable = held && (held.load.kind === 'parts' || held.open.length === held.load.streams.length);
  if (!writable) throw database.error({ what: 'fenced', scope: 'load', message: `Load ${load.id} of "${token.pipe}" has ended or was replaced.` });
}

/** The split epoch is still mine. Returns the row. */
export async function holdSplit(database: SqlDatabase, connection: SqlConnection, token: RunToken, at: { load: string; split: string; epoch: number }): Promise<SqlRow> {
  const [row] = await connection.query(`select * from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2 and split = $3 ${database.dialect.lock('update')}`, [token.pipe, at.load, at.split]);
  if (row && count(row['split_epoch']) === at.epoch) return row;
  throw database.error({ what: 'fenced', scope: 'split', message: `Another session (epoch ${text(row?.['split_epoch']) ?? 'none'}) has taken split ${at.split} of load ${at.load} over; this one (epoch ${at.epoch}) ends.` });
}

/**
 * A successor ends the connections of who was before it (rule 10), whose error says then only that a connection broke: the fences, asked
 * on a new one, say why. A commit without an answer stays unknown: looking alone decides nothing (rule 9).
 */
export async function explained<T>(database: SqlDatabase, work: () => Promise<T>, fences: (connection: SqlSession) => Promise<unknown>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EtlError) || error.kind !== 'transient' || error.code.endsWith('-UNKNOWN')) throw error;
    const connection = await database.connect();
    try {
      await transact(connection, () => fences(connection));
    } finally {
      await connection.close();
    }
    throw error;
  }
}

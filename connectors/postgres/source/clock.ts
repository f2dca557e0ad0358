import { EtlError, type ConnectorContext } from '#sdk';
import type { Connection } from '../connection.ts';
import { quoteText } from '../quoting.ts';

/** A transaction that was open when the bound was taken: what it writes may show below the bound later. */
export interface OpenTransaction {
  readonly pid: number | null;
  readonly user: string;
  readonly application: string;
  /** Start, as the server's text with microseconds; of a prepared transaction the time of its PREPARE. */
  readonly since: string;
  /** Names the transaction while it lasts. */
  readonly id: string;
  readonly prepared: boolean;
}

/** What the server lets us know about transactions that are not ours. */
export interface Sight {
  /** The role sees other sessions, and the server is where they write. */
  readonly complete: boolean;
  readonly why: string;
}

const SIGHT = `SELECT pg_catalog.pg_is_in_recovery() AS replica,
  pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS sees`;

export async function sight(connection: Connection): Promise<Sight> {
  const [row] = await connection.query(SIGHT);
  return sightOf(row);
}

function sightOf(row: { readonly replica?: boolean; readonly sees?: boolean } | undefined): Sight {
  if (row?.replica) return { complete: false, why: 'The server is a replica: the transactions that write are open elsewhere.' };
  if (!row?.sees) return { complete: false, why: 'The role may not see other sessions (GRANT pg_read_all_stats).' };
  return { complete: true, why: 'Open transactions of other sessions are seen.' };
}

const CLOCK = 'SELECT pg_catalog.clock_timestamp()::text AS now';

export interface Moment {
  /** The server's clock, read before the open transactions are: the other order loses rows. */
  readonly now: string;
  readonly seen: Sight;
  readonly transactions: readonly OpenTransaction[];
}

/** Read before any snapshot. */
export async function currentMoment(connection: Connection, ours: readonly number[]): Promise<Moment> {
  const [clock, seen, transactions = []] = await connection.queries([{ sql: CLOCK }, { sql: SIGHT }, { sql: OLDEST_FIRST, params: [ours] }]);
  return { now: String(clock?.[0]?.['now']), seen: sightOf(seen?.[0]), transactions: transactions as OpenTransaction[] };
}

/** A place in a server's transactions: all below it have ended, and every snapshot from then on shows what they wrote. */
export type Horizon = {
  /** Of which server and timeline: transactions of another are not the same. */
  readonly server: string;
  readonly xid: string;
};

const HORIZON = `SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) || '/' || (SELECT timeline_id::text FROM pg_catalog.pg_control_checkpoint()) AS server,
  pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot())::text AS xid`;

export async function currentHorizon(connection: Connection): Promise<Horizon | undefined> {
  const [row] = await connection.query<{ server: string; xid: string }>(HORIZON);
  return row;
}

/** A row shows 32 bits of its transaction: within half of that both can be compared. */
const COMPARABLE = 2n ** 31n - 1n;

/** The condition that a row may have been written at or after `then`; undefined where the server can not tell. */
export function writtenSince(then: Horizon, now: Horizon): string | undefined {
  const distance = BigInt(now.xid) - BigInt(then.xid);
  if (then.server !== now.server || distance < 0n || distance > COMPARABLE) return undefined;
  return `pg_catalog.age(xmin) <= pg_catalog.age('${BigInt.asUintN(32, BigInt(then.xid))}'::pg_catalog.xid)`;
}

const OPEN = `SELECT pid, coalesce(usename::text, '') AS user, coalesce(application_name, '') AS application, xact_start::text AS since, pid || '@' || xact_start::text AS id, false AS prepared
  FROM pg_catalog.pg_stat_activity
  WHERE datname = pg_catalog.current_database() AND xact_start IS NOT NULL AND pid <> pg_catalog.pg_backend_pid() AND pid <> ALL ($1::int[])
    AND backend_type NOT IN ('autovacuum worker', 'autovacuum launcher', 'walsender', 'parallel worker')
  UNION ALL
  SELECT NULL, owner::text, 'prepared ' || gid, prepared::text, 'prepared ' || gid, true FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database()`;

const OLDEST_FIRST = `SELECT * FROM (${OPEN}) AS o ORDER BY since::timestamptz`;

/** Transactions of this database but for our own readers, the oldest first. */
export async function openTransactions(connection: Connection, ours: readonly number[]): Promise<readonly OpenTransaction[]> {
  return connection.query<OpenTransaction & Record<string, never>>(OLDEST_FIRST, [ours]);
}

export function nameOf(transaction: OpenTransaction): string {
  const who = transaction.prepared ? transaction.application : `process ${transaction.pid} (${[transaction.user, transaction.application].filter(Boolean).join(', ')})`;
  return `${who}, open since ${transaction.since}`;
}

/** Waits until all of these have ended; throws with the oldest one's name when that takes longer. */
export async function waitForEnd(
  connection: Connection, transactions: readonly OpenTransaction[], options: { readonly ours: readonly number[]; readonly maxWaitMs: number; readonly context: ConnectorContext },
): Promise<void> {
  const { clock } = options.context.ports;
  const until = clock.monotonic() + options.maxWaitMs;
  const waited = new Set(transactions.map((each) => each.id));
  for (let pause = 10; ; pause = Math.min(pause * 2, 500)) {
    const still = waited.size === 0 ? [] : (await openTransactions(connection, options.ours)).filter((each) => waited.has(each.id));
    const [oldest] = still;
    if (!oldest) return;
    if (clock.monotonic() >= until) {
      throw new EtlError({
        kind: 'transient', code: 'ETL-PG-035', message: `A transaction did not end within ${options.maxWaitMs} ms: ${nameOf(oldest)}.`,
        hint: 'End it, or raise cursor.max_wait.',
      });
    }
    await clock.sleep(Math.min(pause, Math.max(1, until - clock.monotonic())));
  }
}

/** The lesser of the clock and the start of the oldest transaction, as an expression: below it no row can appear any more (guarantee 1). */
export function clockBound(now: string, transactions: readonly OpenTransaction[]): string {
  const running = transactions.filter((each) => !each.prepared).map((each) => each.since);
  return `least(${[now, ...running].map((each) => `${quoteText(each)}::pg_catalog.timestamptz`).join(', ')})`;
}

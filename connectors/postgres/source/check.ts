import type { CheckItem, CheckReport, ConnectorContext, Selection } from '#sdk';
import type { Connection } from '../connection.ts';
import { quoteName } from '../quoting.ts';
import { describeQuery, loadRelations, missing, STREAM, type Relation } from './catalogue.ts';
import { openTransactions, nameOf, sight } from './clock.ts';
import { cursorOf } from './incremental.ts';

const OLDEST_SUPPORTED = 140_000;
const SKEW_MS = 1000;
const LONG_TRANSACTION_MS = 60_000;

interface ServerRow { version: string; number: number; now: string; superuser: boolean; role: string; replica: boolean }
interface GrantRow { stream: string; schema: string; table: string; readable: boolean; schema_usable: boolean; writable: boolean }

const SERVER = `SELECT pg_catalog.current_setting('server_version') AS version, pg_catalog.current_setting('server_version_num')::int AS number,
  (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::text AS now, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser, current_user::text AS role,
  pg_catalog.pg_is_in_recovery() AS replica`;

const GRANTS = `SELECT ${STREAM} AS stream, n.nspname AS schema, c.relname AS table, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS schema_usable,
  pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS readable, pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') AS writable
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ${STREAM} = ANY ($1::text[])`;

/** What a source needs and what it does not: connection, version, clock, sight of other sessions, rights too few and too many. Reads only. */
export async function checkSource(connection: Connection, selection: readonly Selection[], context: ConnectorContext): Promise<CheckReport> {
  const asked = context.ports.clock.now();
  const [server] = await connection.query<ServerRow>(SERVER);
  if (!server) return [{ what: 'connection', level: 'error', detail: 'The server did not answer.' }];
  const local = (asked + context.ports.clock.now()) / 2;
  const items: CheckItem[] = [{ what: 'connection', level: 'ok', detail: `${server.role} on Postgres ${server.version}` }];
  if (server.number < OLDEST_SUPPORTED) items.push({ what: 'version', level: 'warning', detail: `Postgres ${server.version}: ctid ranges read the whole table before version 14.` });
  items.push(clockItem(Number(server.now) - local));
  if (server.superuser) items.push({ what: 'grants', level: 'warning', detail: `${server.role} is a superuser: more than a source needs.`, hint: 'Use a role with CONNECT, USAGE and SELECT only.' });
  if (server.replica) items.push({ what: 'replica', level: 'warning', detail: 'The server is a replica: long reads may be cancelled by recovery, and open transactions of the primary are not seen.', hint: 'Set hot_standby_feedback = on, and give cursors a lookback.' });
  if (selection.some((each) => each.sync === 'incremental')) items.push(...(await sessionItems(connection, context)));
  items.push(...(await grantItems(connection, selection, server.role)));
  for (const each of selection) items.push(...(await streamItems(connection, each)));
  return items;
}

function clockItem(skew: number): CheckItem {
  const text = `The server's clock is ${Math.abs(Math.round(skew))} ms ${skew < 0 ? 'behind' : 'ahead of'} this machine's.`;
  return { what: 'clock', level: Math.abs(skew) > SKEW_MS ? 'warning' : 'ok', detail: `${text} Bounds come from the server's.` };
}

async function sessionItems(connection: Connection, context: ConnectorContext): Promise<readonly CheckItem[]> {
  const seen = await sight(connection);
  const items: CheckItem[] = [seen.complete
    ? { what: 'open transactions', level: 'ok', detail: seen.why }
    : { what: 'open transactions', level: 'warning', detail: seen.why, hint: 'Without it a row that is committed late may be missed: GRANT pg_read_all_stats, or give the cursor a lookback.' }];
  const now = context.ports.clock.now();
  for (const each of await openTransactions(connection, [])) {
    if (now - Date.parse(each.since) > LONG_TRANSACTION_MS) items.push({ what: 'open transactions', level: 'warning', detail: `${nameOf(each)}: incremental passes end below it.` });
  }
  return items;
}

async function grantItems(connection: Connection, selection: readonly Selection[], role: string): Promise<readonly CheckItem[]> {
  const tables = selection.filter((each) => each.query === undefined).map((each) => each.stream);
  const grants = await connection.query<GrantRow & Record<string, unknown>>(GRANTS, [tables]);
  const name = quoteName(role);
  return grants.flatMap((grant): CheckItem[] => {
    const { schema, table } = grant;
    const target = quoteName(schema, table);
    return [
      ...(grant.schema_usable ? [] : [{ what: grant.stream, level: 'error' as const, detail: 'The schema may not be used.', hint: `GRANT USAGE ON SCHEMA ${quoteName(schema)} TO ${name}` }]),
      ...(grant.readable ? [] : [{ what: grant.stream, level: 'error' as const, detail: 'The table may not be read.', hint: `GRANT SELECT ON ${target} TO ${name}` }]),
      ...(grant.writable ? [{ what: grant.stream, level: 'warning' as const, detail: 'The role may write here: more than a source needs.', hint: `REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON ${target} FROM ${name}` }] : []),
    ];
  });
}

async function streamItems(connection: Connection, selection: Selection): Promise<readonly CheckItem[]> {
  const relation: Relation | undefined = selection.query === undefined
    ? (await loadRelations(connection, [selection.stream]))[0]
    : await describeQuery(connection, selection.stream, selection.query);
  if (!relation) return [{ what: selection.stream, level: 'error', detail: missing(selection.stream).message }];
  if (selection.sync !== 'incremental') return [];
  const cursor = cursorOf(relation, selection);
  const column = cursor.spec.column;
  const items: CheckItem[] = [];
  if (!relation.indexed.includes(column)) items.push({ what: selection.stream, level: 'warning', detail: `No index begins with ${column}: every pass reads the whole table.`, hint: `CREATE INDEX ON ${relation.from} (${quoteName(column)})` });
  if (cursor.type.name === 'timestamp') items.push({ what: selection.stream, level: 'warning', detail: `${column} has no time zone: where its writers' clocks are set back at the end of summer time, rows of that hour may be missed.`, hint: 'Use a timestamptz, or give the cursor a lookback of an hour.' });
  return items;
}

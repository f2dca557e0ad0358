import { EtlError, type JobState, type Json, type JsonObject, type Lease, type Load, type PipeId, type Position, type SplitState, type StoredLoad, type StreamState } from '#sdk';
import type { SqlConnection, SqlDatabase, SqlDialect, SqlRow, StateRows } from './dialect.ts';
import { STATE_SCHEMA } from './names.ts';

/** The form of these tables. A later one says so in its own row of `format`, and this version leaves them alone. */
const FORMAT = 1;

/**
 * Texts hold JSON, so that every database reads back what was written. Epochs and counts are bigint. DuckDB's tables have no key: where the
 * disk is full, DuckDB (1.5.6) takes a failed commit back, and ends the process when an indexed row was among it.
 */
export function stateDdl({ needsUniqueKey }: Pick<SqlDialect, 'needsUniqueKey'>): readonly string[] {
  const key = (columns: string): string => (needsUniqueKey ? `, primary key (${columns})` : '');
  return [
    `create schema if not exists ${STATE_SCHEMA}`,
    `create table if not exists ${STATE_SCHEMA}.format (version bigint${key('version')})`,
    `create table if not exists ${STATE_SCHEMA}.pipes (pipe text, run_epoch bigint not null, run_id text, source_identity text, owner text${key('pipe')})`,
    `create table if not exists ${STATE_SCHEMA}.leases (pipe text, run_id text not null, host text not null, pid bigint not null, beat bigint not null, released boolean not null${key('pipe')})`,
    // added later: the backend of the run, and whether it rests with the file closed
    `alter table ${STATE_SCHEMA}.leases add column if not exists backend text`,
    `alter table ${STATE_SCHEMA}.leases add column if not exists resting boolean`,
    `create table if not exists ${STATE_SCHEMA}.streams (pipe text, stream text, position text, last_load text, published_load text, rebuild boolean not null,
      incarnations text not null, fingerprint text, published_at text${key('pipe, stream')})`,
    `create table if not exists ${STATE_SCHEMA}.loads (pipe text, load text, body text not null, open_streams text not null${key('pipe, load')})`,
    `create table if not exists ${STATE_SCHEMA}.splits (pipe text, load text, split text, split_epoch bigint not null, revision bigint not null, position text, complete boolean not null,
      row_count bigint not null, rejected bigint not null, byte_count bigint not null, backend text${key('pipe, load, split')})`,
    // tables that a load or a resync writes before they show
    `create table if not exists ${STATE_SCHEMA}.stages (pipe text, schema_name text, table_name text, load text, stream text not null, kind text not null, generation text, target text not null,
      schema_json text not null${key('pipe, schema_name, table_name')})`,
    // who writes a table: a second job is refused, but under shared: append
    `create table if not exists ${STATE_SCHEMA}.owners (table_key text, pipe text, shared boolean not null${key('table_key, pipe')})`,
    `create table if not exists ${STATE_SCHEMA}.quarantine (pipe text, stream text, id text, load text not null, code text not null, reason text not null, column_name text, key_json text,
      row_json text not null, "at" text not null${key('pipe, stream, id')})`,
  ];
}

export const FORMAT_ROW: StateRows = { table: 'format', key: ['version'], replaces: [], rows: [{ version: FORMAT }] };
/** What rows of the streams have in common. */
export const STREAMS = { table: 'streams', key: ['pipe', 'stream'] } as const;

export const text = (value: unknown): string | undefined => (value === null || value === undefined ? undefined : String(value as string | number | bigint));
export const count = (value: unknown): number => Number(value ?? 0);
const parse = <T>(value: unknown): T => JSON.parse(String(value)) as T;

/** What is there of the state: nothing yet; tables of an older version, which lack what was added since; all that this version writes. */
export type StateForm = 'none' | 'older' | 'current';

/** Throws where a later version of etl wrote the state. */
export async function stateForm({ dialect }: SqlDatabase, connection: SqlConnection): Promise<StateForm> {
  const columns = await dialect.columnNames(connection, STATE_SCHEMA);
  if (columns.includes('format.version')) {
    const [row] = await connection.query(`select max(version) as version from ${STATE_SCHEMA}.format`);
    if (count(row?.['version']) > FORMAT) {
      throw new EtlError({ kind: 'unsupported', code: 'ETL-SQL-002', message: `The state in ${STATE_SCHEMA} has format ${count(row?.['version'])}; this version reads ${FORMAT}.`, hint: 'Use the version of etl that wrote it, or a newer one.' });
    }
  }
  if (!columns.includes('quarantine.id')) return 'none'; // the last table that is made
  return columns.includes('leases.resting') && columns.includes('format.version') ? 'current' : 'older';
}

function streamOf(row: SqlRow): StreamState {
  const position = text(row['position']);
  const lastLoad = text(row['last_load']);
  const fingerprint = text(row['fingerprint']);
  const publishedAt = text(row['published_at']);
  return {
    rebuild: row['rebuild'] === true,
    incarnations: parse<Record<string, string>>(row['incarnations']),
    ...(position !== undefined && { position: parse<Position>(position) }),
    ...(lastLoad !== undefined && { lastLoad }),
    ...(fingerprint !== undefined && { fingerprint }),
    ...(publishedAt !== undefined && { publishedAt }),
  };
}

export function splitOf(row: SqlRow): SplitState {
  const position = text(row['position']);
  return {
    splitEpoch: count(row['split_epoch']), revision: count(row['revision']), complete: row['complete'] === true,
    rows: count(row['row_count']), rejected: count(row['rejected']), bytes: count(row['byte_count']),
    ...(position !== undefined && { position: parse<Position>(position) }),
  };
}

function loadsOf(loads: readonly SqlRow[], splits: readonly SqlRow[]): StoredLoad[] {
  return loads.toSorted((a, b) => (String(a['load']) < String(b['load']) ? -1 : 1)).map((row) => ({
    load: parse<Load>(row['body']),
    openStreams: parse<string[]>(row['open_streams']),
    splits: Object.fromEntries(splits.filter((split) => split['load'] === row['load']).map((split) => [String(split['split']), splitOf(split)])),
  }));
}

/** All that the state tables say of a pipe. Run it in a transaction to have it of one instant. */
export async function readState(connection: SqlConnection, pipe: PipeId): Promise<JobState> {
  const [[head] = [], streams = [], loads = [], splits = []] = await connection.queries(['pipes', 'streams', 'loads', 'splits'].map((table) => (
    { sql: `select * from ${STATE_SCHEMA}.${table} where pipe = $1`, params: [pipe] })));
  const sourceIdentity = text(head?.['source_identity']);
  const owner = text(head?.['owner']);
  return {
    runEpoch: count(head?.['run_epoch']),
    streams: Object.fromEntries(streams.map((row) => [String(row['stream']), streamOf(row)])),
    loads: loadsOf(loads, splits),
    ...(sourceIdentity !== undefined && { sourceIdentity }),
    ...(owner !== undefined && { owner }),
  };
}

export function leaseOf(row: SqlRow): Lease {
  return { runId: String(row['run_id']), host: String(row['host']), pid: count(row['pid']), beat: count(row['beat']), released: row['released'] === true, resting: row['resting'] === true };
}

/** Backends of the run that has the pipe now and of its sessions: a paused one may hold locks. */
export async function backendsOf(connection: SqlConnection, pipe: PipeId): Promise<string[]> {
  const rows = await connection.query(`select backend from ${STATE_SCHEMA}.leases where pipe = $1 and backend is not null
    union select backend from ${STATE_SCHEMA}.splits where pipe = $1 and backend is not null`, [pipe]);
  return rows.map((row) => String(row['backend']));
}

export const json = (value: Json | JsonObject | undefined): string | null => (value === undefined ? null : JSON.stringify(value));

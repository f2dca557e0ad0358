import type { Position } from '#sdk';
import { keysEqual, qualified, type SqlConnection } from './dialect.ts';
import { ownColumns } from './evolve.ts';
import { foldOf, movedCondition } from './fold.ts';
import { DELETED, LOADED_AT, OP, ORDINAL, RUN_ID, shortName, UNAVAILABLE_MASK, UNCHANGED } from './names.ts';
import type { RunContext } from './run.ts';
import { stageName, type Sink, type StageColumn } from './sink.ts';
import { insertAll, upsertAll } from './stored.ts';

export interface Applying {
  readonly context: RunContext;
  readonly connection: SqlConnection;
  readonly position: Position;
}

/** Values of our own columns for the rows of this commit, by column. */
function ownValues(applying: Applying, sink: Sink): ReadonlyMap<string, string> {
  const { dialect } = applying.context.database;
  const values = new Map<string, string>();
  for (const column of ownColumns(dialect, sink.target)) {
    if (sink.columns.some((each) => each.name === column.name)) continue;
    if (column.name === DELETED) values.set(column.name, 'false');
    else if (column.name === LOADED_AT) values.set(column.name, dialect.nowInstant);
    else if (column.name === RUN_ID) values.set(column.name, dialect.literal(applying.context.token.runId));
    else if (column.name === '_etl_position') values.set(column.name, dialect.literal(JSON.stringify(applying.position)));
  }
  return values;
}

/** Moves what the stage holds into the table, as one step of the commit. */
export async function applySink(applying: Applying, sink: Sink): Promise<void> {
  if (sink.target.write === 'append') return appendRows(applying, sink);
  if (sink.key.length === 0) return insertRows(applying, sink);
  const moves = sink.pending.changes && (await hasMoves(applying, sink));
  if (sink.pending.changes || sink.pending.unavailable.size > 0) return applyFold(applying, sink, moves);
  if (sink.pending.truncatedAt !== undefined) await empty(applying, sink);
  if (sink.pending.staged > 0) await upsertRows(applying, sink);
}

async function hasMoves({ context, connection }: Applying, sink: Sink): Promise<boolean> {
  const rows = await connection.query(`select 1 as one from ${stageName(context.database.dialect, sink)} s where ${movedCondition(context.database.dialect, sink.key)} limit 1`);
  return rows.length > 0;
}

/** Truncate inside the commit: readers see it with the rows that follow (rule 16). */
async function empty(applying: Applying, sink: Sink): Promise<void> {
  const { context, connection } = applying;
  const { dialect } = context.database;
  const table = qualified(dialect, sink.into);
  await connection.query(deletesSoftly(sink) ? `update ${table} set ${dialect.quote(DELETED)} = true` : `delete from ${table}`);
  await dialect.refuseLeftOut(connection, sink.into, [`select count(*) as missing from ${table} t where ${notGone(applying, sink)}`]);
}

function deletesSoftly(sink: Sink): boolean {
  return sink.target.deletes === 'soft' && sink.target.write === 'merge';
}

/** The target's row `t` is still there. */
function notGone({ context }: Applying, sink: Sink): string {
  return deletesSoftly(sink) ? `not t.${context.database.dialect.quote(DELETED)}` : 'true';
}

function notTruncated(sink: Sink): string {
  return sink.pending.truncatedAt === undefined ? '' : ` where s.${ORDINAL} > ${sink.pending.truncatedAt}`;
}

/** Without a key every row is a row of its own; what changes or deletes one can't say which. */
async function insertRows(applying: Applying, sink: Sink): Promise<void> {
  const { context, connection } = applying;
  const { dialect } = context.database;
  if (sink.pending.changes || sink.pending.unavailable.size > 0) {
    throw context.database.error({ what: 'schema', message: `Stream ${sink.target.stream} sends changes, but its target ${sink.target.table} has no key.`, hint: 'Set `key:` for the stream, or write it with `append`.' });
  }
  if (sink.pending.truncatedAt !== undefined) await empty(applying, sink);
  if (sink.pending.staged === 0) return;
  const own = ownValues(applying, sink);
  const names = [...sink.columns.map((column) => dialect.quote(column.name)), ...[...own.keys()].map(dialect.quote)];
  const values = [...sink.columns.map((column) => column.cast(`s.${dialect.quote(column.name)}`)), ...own.values()];
  await insertAll({ dialect, connection, into: sink.into }, { columns: names.join(', '), values: values.join(', '), source: `${stageName(dialect, sink)} s${notTruncated(sink)}`, order: `s.${ORDINAL}` });
}

/** Every change stays, in order: what it did is in `_etl_op`, what it did not send is the placeholder, or NULL, and named in `_etl_unchanged`. */
async function appendRows(applying: Applying, sink: Sink): Promise<void> {
  const { context, connection } = applying;
  const { dialect } = context.database;
  const own = new Map(ownValues(applying, sink));
  if (sink.logsChanges) {
    const unchanged = sink.columns.map((column) => `case when substr(s.${UNAVAILABLE_MASK}, ${column.index + 1}, 1) = '1' then ${dialect.literal(column.name)} end`);
    own.set(OP, `case s.${OP} when 0 then 'snapshot' when 1 then 'insert' when 2 then 'update' else 'delete' end`);
    own.set(UNCHANGED, `case when s.${UNAVAILABLE_MASK} is not null then concat_ws(',', ${unchanged.join(', ')}) end`);
  }
  const names = [...sink.columns.map((column) => dialect.quote(column.name)), ...[...own.keys()].map(dialect.quote)];
  const policy = sink.target.unavailable;
  const sent = (column: StageColumn): string => {
    const value = column.cast(`s.${dialect.quote(column.name)}`);
    if (policy === 'error' || !sink.pending.unavailable.has(column.index)) return value;
    return `case when substr(s.${UNAVAILABLE_MASK}, ${column.index + 1}, 1) = '1' then cast(${dialect.literal(policy.placeholder)} as ${column.type}) else ${value} end`;
  };
  const values = [...sink.columns.map(sent), ...own.values()];
  await insertAll({ dialect, connection, into: sink.into }, { columns: names.join(', '), values: values.join(', '), source: `${stageName(dialect, sink)} s`, order: `s.${ORDINAL}` });
}

/** Rows that all come in or go over the row of their key: the last of each key wins. */
async function upsertRows(applying: Applying, sink: Sink): Promise<void> {
  const { dialect } = applying.context.database;
  const own = ownValues(applying, sink);
  const key = sink.key.map((name) => `s.${dialect.quote(name)}`).join(', ');
  const values = [
    ...sink.columns.map((column) => `${column.cast(`s.${dialect.quote(column.name)}`)} as ${dialect.quote(column.name)}`),
    ...[...own].map(([name, value]) => `${value} as ${dialect.quote(name)}`),
  ];
  const source = `(select distinct on (${key}) ${values.join(', ')} from ${stageName(dialect, sink)} s${notTruncated(sink)} order by ${key}, s.${ORDINAL} desc)`;
  await upsert(applying, sink, source, [...sink.columns.map((column) => column.name), ...own.keys()]);
}

async function upsert({ context, connection }: Applying, sink: Sink, source: string, columns: readonly string[]): Promise<void> {
  const { dialect } = context.database;
  if (!sink.hasKeyIndex) {
    // a load's own table gets its key in publish; until then its rows are found by a join
    const table = qualified(dialect, sink.into);
    const list = columns.map(dialect.quote).join(', ');
    await connection.query(`delete from ${table} as t using ${source} as n where ${keysEqual(dialect, sink.key, ['t', 'n'], sink.nullableKey)}`);
    await connection.query(`insert into ${table} (${list}) select ${list} from ${source} as n`);
    return;
  }
  await upsertAll({ dialect, connection, into: sink.into }, { source, columns, key: sink.key });
}

/** Rule 15: all reads of the target come first, then what is gone, then what is new. */
async function applyFold(applying: Applying, sink: Sink, moves: boolean): Promise<void> {
  const { context, connection } = applying;
  const { dialect } = context.database;
  const folded = dialect.quote(shortName('f', context.token.runId, sink.into.schema ?? '', sink.into.table));
  await connection.query(`drop table if exists ${folded}`);
  await connection.query(`create temporary table ${folded} as ${resolved(applying, sink, moves)}`);
  await refuseMissing(applying, sink, folded);
  const table = qualified(dialect, sink.into);
  if (sink.pending.truncatedAt !== undefined) await empty(applying, sink);
  const match = keysEqual(dialect, sink.key, ['t', 'f'], sink.nullableKey);
  await connection.query(deletesSoftly(sink)
    ? `update ${table} as t set ${dialect.quote(DELETED)} = true from ${folded} as f where f._etl_gone and ${match}`
    : `delete from ${table} as t using ${folded} as f where f._etl_gone and ${match}`);
  await dialect.refuseLeftOut(connection, sink.into, [`select count(*) as missing from ${table} t, ${folded} f where f._etl_gone and ${match} and ${notGone(applying, sink)}`]);
  const own = ownValues(applying, sink);
  const values = [...sink.columns.map((column) => dialect.quote(column.name)), ...[...own].map(([name, value]) => `${value} as ${dialect.quote(name)}`)];
  await upsert(applying, sink, `(select ${values.join(', ')} from ${folded} where not _etl_gone)`, [...sink.columns.map((column) => column.name), ...own.keys()]);
  await connection.query(`drop table ${folded}`);
}

/** The rows after the fold: `_etl_gone`, `_etl_missing` (a value that nobody has), and the columns as the target's types. */
function resolved({ context }: Applying, sink: Sink, moves: boolean): string {
  const { dialect } = context.database;
  const { query, cells } = foldOf(dialect, sink, moves);
  const stage = stageName(dialect, sink);
  const policy = sink.target.unavailable;
  const columns = sink.columns.map((column) => {
    const name = dialect.quote(column.name);
    const place = sink.key.indexOf(column.name);
    if (place >= 0) return `${column.cast(`f.k${place}`)} as ${name}`;
    if (!cells.includes(column.index)) return `${column.cast(`s.${name}`)} as ${name}`;
    const none = policy === 'error' ? 'null' : `cast(${dialect.literal(policy.placeholder)} as ${column.type})`;
    return `case when f.v${column.index} is not null then ${column.cast(`s${column.index}.${name}`)} when t._etl_present then t.${name} else ${none} end as ${name}`;
  });
  const missing = cells.length === 0 ? 'false' : `not f.gone and t._etl_present is null and (${cells.map((index) => `f.v${index} is null`).join(' or ')})`;
  const joins = cells.map((index) => `left join ${stage} s${index} on s${index}.${ORDINAL} = f.v${index}`).join('\n');
  const equal = sink.nullableKey ? 'is not distinct from' : '=';
  const root = sink.key.map((name, i) => `t.${dialect.quote(name)} ${equal} ${columnCast(sink, name, `f.r${i}`)}`).join(' and ');
  const target = cells.length === 0 ? '' : `left join (select true as _etl_present, x.* from ${qualified(dialect, sink.into)} x) t on f.rooted and not f.gone and ${root}`;
  return `select f.gone as _etl_gone, ${missing} as _etl_missing, ${columns.join(', ')} from (${query}) f left join ${stage} s on s.${ORDINAL} = f.seq\n${joins}\n${target}`;
}

function columnCast(sink: Sink, name: string, expression: string): string {
  return sink.columns.find((column) => column.name === name)?.cast(expression) ?? expression;
}

async function refuseMissing({ context, connection }: Applying, sink: Sink, folded: string): Promise<void> {
  if (sink.pending.unavailable.size === 0 || sink.target.unavailable !== 'error') return;
  const { dialect } = context.database;
  const keys = sink.key.map((name) => `cast(${dialect.quote(name)} as ${dialect.textType}) as ${dialect.quote(name)}`).join(', ');
  const [row] = await connection.query(`select ${keys} from ${folded} where _etl_missing limit 1`);
  if (!row) return;
  throw context.database.error({
    what: 'unavailable', message: `Stream ${sink.target.stream}: the source did not send a value that it says is unchanged, and the target has no row of key ${JSON.stringify(row)} to take it from.`,
    hint: 'Set REPLICA IDENTITY FULL at the source, run a full refresh, or set `unavailable: { placeholder: … }`.',
  });
}

import { EtlError, type ConnectorContext, type CursorSpec, type JobState, type Json, type Load, type Position, type Selection } from '#sdk';
import type { Connection } from '../connection.ts';
import { quoteName, quoteText } from '../quoting.ts';
import { cursorKind, type CursorKind, type PgType } from '../types.ts';
import type { Relation } from './catalogue.ts';
import { clockBound, currentHorizon, currentMoment, nameOf, waitForEnd, writtenSince, type Horizon } from './clock.ts';
import { beyond, mayBePlace, type Tuple } from './keyset.ts';
import { columnNamed, keptSelection, type Selected } from './select.ts';

const VERSION = 1;
const DEFAULT_WAIT_MS = 60_000;
const LARGE = 1_000_000;

/** A stream's position after a pass: every row whose cursor is at most `upTo` is at the destination. Texts are the server's own. */
export type CursorPosition = {
  readonly v: number;
  readonly mode: 'incremental';
  readonly column: string;
  readonly type: string;
  /** null: no row has had a cursor yet. */
  readonly upTo: string | null;
  /** Rows of the last tie that were written before this are at the destination too. */
  readonly seen?: Horizon;
  /** Inside a pass only: the cursor and key of the last row. */
  readonly after?: Tuple;
};

/** A pass, fixed by `begin`: the rows in (from, upTo]. */
export interface Pass {
  readonly mode: 'incremental';
  readonly selection: Selection;
  readonly from: string | null;
  /** The row at `from` belongs to the pass. */
  readonly fromIncluded: boolean;
  /** Of the rows at `from` only those that were written since then can be new. */
  readonly seen?: Horizon;
  /** The same as a condition, once the server is known to be able to tell. */
  readonly unseen?: string;
  readonly upTo: string | null;
  /** `--range`: upTo is not part of it. */
  readonly upToExcluded: boolean;
  readonly ordered: boolean;
  readonly type: string;
}

export interface CursorOf { readonly spec: CursorSpec; readonly type: PgType; readonly kind: CursorKind; readonly nullable: boolean; readonly unique: boolean }

/** The cursor of a selection, or why it can't be one. */
export function cursorOf(relation: Relation, selection: Selection): CursorOf {
  const spec = selection.cursor;
  if (!spec) throw new EtlError({ kind: 'config', code: 'ETL-PG-030', message: `${selection.stream} is incremental and names no cursor.` });
  const column = columnNamed(relation, spec.column);
  const type = relation.types.get(column.typeOid);
  const kind = cursorKind(type);
  if (!type || !kind) throw new EtlError({ kind: 'config', code: 'ETL-PG-030', message: `${selection.stream}.${spec.column} is ${column.typeName}, which can not be a cursor.`, hint: 'Take a column of numbers, times or text that only grows: `etl discover` lists those of each stream.' });
  if (spec.lookbackMs && selection.write === 'append') {
    throw new EtlError({ kind: 'config', code: 'ETL-PG-034', message: `${selection.stream}: a lookback would append its rows again.`, hint: 'Use write: merge.' });
  }
  if (spec.lookbackMs && kind === 'value') {
    throw new EtlError({ kind: 'config', code: 'ETL-PG-030', message: `${selection.stream}.${spec.column} is ${column.typeName}: a lookback is a time.` });
  }
  if (spec.nulls === 'reload' && selection.write === 'append') {
    throw new EtlError({ kind: 'config', code: 'ETL-PG-034', message: `${selection.stream}: rows without a cursor would be appended in every pass.`, hint: 'Use write: merge, or cursor.nulls: skip_reported.' });
  }
  const key = selection.key.length > 0 ? selection.key : relation.key;
  return { spec, type, kind, nullable: !column.notNull, unique: key.length === 1 && key[0] === spec.column };
}

/** Cursors that were widened: each value of an earlier type, and its order, is one of the later. */
const WIDENED: readonly (readonly string[])[] = [['int2', 'int4', 'int8', 'numeric'], ['varchar', 'text']];

function readsOn(stored: string, now: string): boolean {
  return stored === now || WIDENED.some((types) => types.includes(stored) && types.indexOf(stored) < types.indexOf(now));
}

/** The stored position, if it belongs to this cursor. */
export function storedPosition(selection: Selection, cursor: CursorOf, position: Position | undefined): CursorPosition | undefined {
  if (!position || position['mode'] === 'full') return undefined;
  const stored = position as unknown as CursorPosition;
  const { upTo, seen } = position;
  const isPlace = (upTo === null || typeof upTo === 'string') && (seen === undefined || (typeof stored.seen?.server === 'string' && typeof stored.seen.xid === 'string'));
  if (stored.v !== VERSION || stored.mode !== 'incremental' || !isPlace) throw unreadable(selection.stream, position);
  if (stored.column !== cursor.spec.column || !readsOn(stored.type, cursor.type.name)) {
    throw new EtlError({
      kind: 'config_changed', code: 'ETL-PG-033',
      message: `${selection.stream}: the position is of ${stored.column} (${stored.type}), the cursor is ${cursor.spec.column} (${cursor.type.name}).`,
      hint: 'Run with --full-refresh.',
    });
  }
  return stored;
}

function unreadable(stream: string, position: Position): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-PG-037', message: `${stream}: the position ${JSON.stringify(position).slice(0, 100)} is not one that this version writes.`,
    hint: 'Use the version of etl that wrote it, put an export back with `etl state import`, or run with --full-refresh.',
  });
}

/** The places that loads begin at are read as the types of their cursors, once for all. */
export async function checkPlaces(loads: readonly Load[], connection: Connection): Promise<void> {
  const places = loads.flatMap(({ positions }) => Object.entries(positions)).filter(([, { mode, upTo }]) => mode === 'incremental' && upTo !== null);
  if (places.length === 0) return;
  const values = places.map(([, { upTo, type }]) => `${quoteText(String(upTo))}::${quoteName('pg_catalog', String(type))}`);
  await connection.query(`SELECT ${values.join(', ')}`).catch((error: unknown) => {
    const [[stream, position] = ['', {}]] = places;
    throw places.length === 1 && error instanceof EtlError && error.kind === 'data' ? unreadable(stream, position) : error;
  });
}

export function incrementalLoad(selected: Selected, selection: Selection, state: JobState, plan: { readonly id: string; readonly startedAt: string }): Load {
  const { stream } = selection;
  const cursor = cursorOf(selected.relation, selection);
  const fresh = selection.fullRefresh || state.streams[stream]?.rebuild === true;
  const stored = fresh ? undefined : storedPosition(selection, cursor, state.streams[stream]?.position);
  // A masked key's values may not lie in the position: then the pass has no place inside it to go on from.
  const resumable = selected.key.length > 0 && mayBePlace(selected, selection, [cursor.spec.column, ...selected.key]);
  const large = (selected.relation.estimatedRows ?? 0) > LARGE;
  const pass: Pass = {
    mode: 'incremental', selection: keptSelection(selection), type: cursor.type.name, from: stored?.upTo ?? cursor.spec.start ?? null,
    // a merge reads the last tie again, so that a row that came later with the same cursor is never lost (guarantee 3)
    fromIncluded: stored?.upTo == null || readsTies(selection, cursor), upTo: null, upToExcluded: false, ...(stored?.seen ? { seen: stored.seen } : {}),
    ordered: resumable && (selected.relation.indexed.includes(cursor.spec.column) || large),
  };
  const detail = JSON.parse(JSON.stringify(selection.range ? { ...pass, from: selection.range.from, fromIncluded: true, upTo: selection.range.to, upToExcluded: true } : pass)) as Json;
  return {
    id: plan.id, kind: 'parts', streams: [stream], splits: [{ id: stream, streams: [stream], live: false, detail }], staged: fresh, rebuild: fresh,
    positions: stored ? { [stream]: { ...stored } } : {}, startedAt: plan.startedAt, fingerprint: '', targets: [], detail: { mode: 'incremental' },
  };
}

function readsTies(selection: Selection, cursor: CursorOf): boolean {
  return selection.write === 'merge' && !cursor.unique;
}

/** Values that somebody wrote are read as the cursor's type before a load rests on them. */
async function checkGiven({ stream, range }: Selection, { spec, type }: CursorOf, connection: Connection): Promise<void> {
  const given = range ? { '--range FROM': range.from, '--range TO': range.to } : spec.start === undefined ? {} : { 'cursor.start': spec.start };
  const wrong = (message: string, hint: string): EtlError => new EtlError({ kind: 'config', code: 'ETL-PG-038', message: `${stream}: ${message}`, hint, configPath: `streams.${stream}.cursor` });
  const typed = (value: string): string => `${quoteText(value)}::${quoteName('pg_catalog', type.name)}`;
  for (const [name, value] of Object.entries(given)) {
    await connection.query(`SELECT ${typed(value)}`).catch((error: unknown) => {
      throw error instanceof EtlError && error.kind === 'data' ? wrong(`${name} is \`${value}\`, which is no ${type.name}.`, `Write it as a value of ${spec.column}, which is ${type.name}.`) : error;
    });
  }
  if (!range) return;
  const [row] = await connection.query<{ grows: boolean }>(`SELECT ${typed(range.from)} < ${typed(range.to)} AS grows`);
  if (!row?.grows) throw wrong(`--range ${range.from}..${range.to} holds nothing.`, 'FROM belongs to it, TO does not: FROM must be the smaller.');
}

export interface BoundInput {
  readonly connection: Connection;
  readonly selected: Selected;
  readonly ours: readonly number[];
  readonly context: ConnectorContext;
}

/** Fixes a load's upper bound: before the snapshot, from the server's clock and the transactions that were open (guarantees 1 and 2). */
export async function fixBound(load: Load, input: BoundInput): Promise<Load> {
  const [split] = load.splits;
  const pass = split?.detail as unknown as Pass;
  const { selection } = pass;
  const cursor = cursorOf(input.selected.relation, selection);
  await checkGiven(selection, cursor, input.connection);
  const seen = readsTies(selection, cursor) && input.selected.relation.hasXmin ? await currentHorizon(input.connection) : undefined;
  const unseen = pass.seen && seen && writtenSince(pass.seen, seen);
  const upTo = selection.range ? pass.upTo : cursor.kind === 'clock' ? await timeBound(pass, cursor, input) : await valueBound(pass, cursor, input);
  await countNulls(cursor, selection, input);
  const position: CursorPosition = { v: VERSION, mode: 'incremental', column: cursor.spec.column, type: cursor.type.name, upTo, ...(seen ? { seen } : {}) };
  return {
    ...load, positions: selection.range ? load.positions : { [selection.stream]: { ...position } },
    splits: split ? [{ ...split, detail: JSON.parse(JSON.stringify({ ...pass, upTo, ...(unseen === undefined ? {} : { unseen }) })) as Json }] : [],
  };
}

async function timeBound(pass: Pass, cursor: CursorOf, { connection, selected, ours, context }: BoundInput): Promise<string | null> {
  const { stream } = pass.selection;
  const { now, seen, transactions } = await currentMoment(connection, ours);
  const prepared = transactions.filter((each) => each.prepared);
  if (prepared.length > 0) await waitForEnd(connection, prepared, { ours, maxWaitMs: cursor.spec.maxWaitMs ?? DEFAULT_WAIT_MS, context });
  if (!seen.complete) context.note('warn', `${stream}: ${seen.why} Rows that are committed late may be missed: give the cursor a lookback.`);
  const [oldest] = transactions;
  if (oldest) context.note('info', `${stream}: the pass ends below the oldest open transaction: ${nameOf(oldest)}.`);
  const bound = clockBound(now, transactions);
  const column = quoteName(cursor.spec.column);
  const type = quoteName('pg_catalog', cursor.type.name);
  // of the column's own precision: what is written later rounds to no less, so that nothing comes to lie at or below the bound
  const { valueType } = columnNamed(selected.relation, cursor.spec.column);
  // a day is over for its last writer twelve hours after it is in UTC; where ties are read again they need not wait for that
  const allZones = cursor.type.name === 'date' && !readsTies(pass.selection, cursor) ? ` - interval '12 hours'` : '';
  const { from, indexed } = selected.relation;
  const reached = `${column} < (${bound}${allZones})::${valueType}`;
  const endless = `${column} = ${INFINITY}`;
  const ahead = `${column} > (${quoteText(now)}::pg_catalog.timestamptz + interval '1 day')::${valueType} AND NOT ${endless}`;
  const seenRows = indexed.includes(cursor.spec.column)
    ? `SELECT (SELECT max(${column})::text FROM ${from} WHERE ${reached}) AS greatest, (SELECT count(*)::text FROM ${from} WHERE ${endless}) AS endless, (SELECT max(${column})::text FROM ${from} WHERE ${ahead}) AS ahead`
    : `SELECT max(${column}) FILTER (WHERE ${reached})::text AS greatest, (count(*) FILTER (WHERE ${endless}))::text AS endless, max(${column}) FILTER (WHERE ${ahead})::text AS ahead FROM ${from}`; // one scan
  const [row] = await connection.query<{ greatest: string | null; endless: string; ahead: string | null; backwards: boolean }>(
    `SELECT *, ${pass.from === null ? 'false' : `${quoteText(pass.from)}::${type} > (${quoteText(now)}::pg_catalog.timestamptz)::${type}`} AS backwards FROM (${seenRows}) AS s`);
  if (row?.ahead != null) context.note('warn', `${stream}: ${cursor.spec.column} reaches ${row.ahead}, which is in the future: such rows are not read before that time. Correct them at the source.`);
  if (row?.backwards && pass.from !== cursor.spec.start) throw backwards(stream, pass.from, now);
  tellUnreached(cursor, context, { code: 'ETL-PG-039', stream, count: row?.endless, message: `rows have infinity as ${cursor.spec.column}, which no pass reaches` });
  return later(connection, type, pass.from, row?.greatest ?? null);
}

async function valueBound(pass: Pass, cursor: CursorOf, { connection, selected, ours, context }: BoundInput): Promise<string | null> {
  const { stream } = pass.selection;
  const column = quoteName(cursor.spec.column);
  const type = quoteName('pg_catalog', cursor.type.name);
  const [row] = await connection.query<{ greatest: string | null }>(`SELECT ${column}::text AS greatest FROM ${selected.relation.from} WHERE ${column} IS NOT NULL ORDER BY ${column} DESC LIMIT 1`);
  const greatest = row?.greatest ?? null;
  if (greatest !== null && ENDLESS.has(greatest)) throw endless(stream, cursor.spec.column, greatest);
  if (greatest !== null && pass.from !== null && pass.from !== cursor.spec.start) await refuseBackwards(connection, cursor, { stream, from: pass.from, greatest });
  const { now, seen, transactions } = await currentMoment(connection, ours);
  if (cursor.kind === 'local' && greatest !== null) await warnOfFuture(pass, { connection, context, greatest, now });
  if (!seen.complete) context.note('warn', `${stream}: ${seen.why} Rows that are committed late may be missed.`);
  await waitForEnd(connection, transactions, { ours, maxWaitMs: cursor.spec.maxWaitMs ?? DEFAULT_WAIT_MS, context });
  return later(connection, type, pass.from, greatest);
}

/** A day and the fourteen hours that a clock may be ahead of UTC: no honest writer is further. */
async function warnOfFuture({ selection: { stream, cursor } }: Pass, { connection, context, greatest, now }: Pick<BoundInput, 'connection' | 'context'> & { readonly greatest: string; readonly now: string }): Promise<void> {
  const [row] = await connection.query<{ ahead: boolean }>(`SELECT ${quoteText(greatest)}::pg_catalog.timestamp > (${quoteText(now)}::pg_catalog.timestamptz + interval '38 hours')::pg_catalog.timestamp AS ahead`);
  if (row?.ahead) context.note('warn', `${stream}: ${cursor?.column ?? ''} reaches ${greatest}, which is in the future: rows that are written from now on lie below it and are never read. Correct it at the source, and run with --full-refresh.`);
}

/** Nothing ever comes after these. */
const ENDLESS: ReadonlySet<string> = new Set(['NaN', 'Infinity', 'infinity']);

function endless(stream: string, column: string, greatest: string): EtlError {
  return new EtlError({
    kind: 'data', code: 'ETL-PG-039', message: `${stream}: ${column} is ${greatest} in some rows, after which no row would ever be read.`, hint: `Correct these rows, or read the stream by a query that leaves them out: where ${column} <> '${greatest}'.`,
  });
}

/** No clock on earth is fourteen hours and more ahead of UTC; a greatest value must not become less. */
async function refuseBackwards(connection: Connection, cursor: CursorOf, { stream, from, greatest }: { readonly stream: string; readonly from: string; readonly greatest: string }): Promise<void> {
  const type = quoteName('pg_catalog', cursor.type.name);
  const most = cursor.kind === 'local' ? `(pg_catalog.clock_timestamp() + interval '14 hours')::${type}` : `${quoteText(greatest)}::${type}`;
  const [order] = await connection.query<{ most: string; less: boolean }>(`SELECT (${most})::text AS most, ${most} < ${quoteText(from)}::${type} AS less`);
  if (order?.less) throw backwards(stream, from, order.most);
}

/** Guarantee 13: never reset silently. */
function backwards(stream: string, stored: string | null, now: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-PG-032', message: `${stream}: the cursor went backwards: the position is at ${stored}, the server at ${now}.`, hint: 'If the source was restored, run with --full-refresh.',
  });
}

async function later(connection: Connection, type: string, a: string | null, b: string | null): Promise<string | null> {
  if (a === null || b === null) return a ?? b;
  const [row] = await connection.query<{ later: string }>(`SELECT CASE WHEN ${quoteText(a)}::${type} > ${quoteText(b)}::${type} THEN ${quoteText(a)} ELSE ${quoteText(b)} END AS later`);
  return row?.later ?? b;
}

async function countNulls(cursor: CursorOf, selection: Selection, { connection, selected, context }: BoundInput): Promise<void> {
  if (!cursor.nullable || cursor.spec.nulls === 'reload') return;
  const [row] = await connection.query<{ count: string }>(`SELECT count(*)::text AS count FROM ${selected.relation.from} WHERE ${quoteName(cursor.spec.column)} IS NULL`);
  tellUnreached(cursor, context, { code: 'ETL-PG-031', stream: selection.stream, count: row?.count, message: `rows have no ${cursor.spec.column}` });
}

/** Rows that no pass reads are failed, reloaded or reported: never passed over in silence (guarantee 7). */
function tellUnreached({ spec }: CursorOf, context: ConnectorContext, { code, stream, count = '0', message }: Unreached): void {
  if (count === '0' || spec.nulls === 'reload') return;
  if (spec.nulls !== 'skip_reported') {
    throw new EtlError({ kind: 'data', code, message: `${stream}: ${count} ${message}.`, hint: 'Set cursor.nulls to reload or skip_reported, or correct these rows.' });
  }
  context.note('warn', `${stream}: ${count} ${message}; they are not read.`);
}

interface Unreached { readonly code: string; readonly stream: string; readonly count: string | undefined; readonly message: string }

/** A time after which none comes: as a bound it would keep every later row from being read. */
const INFINITY = "'infinity'";

/** The rows that no pass reads: without a cursor, or at the end of time. */
export function unreachedCondition(pass: Pass): string {
  const column = quoteName(pass.selection.cursor?.column ?? '');
  return pass.type === 'timestamptz' || pass.type === 'date' ? `(${column} IS NULL OR ${column} = ${INFINITY})` : `${column} IS NULL`;
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The condition of a pass after `after`, the cursor and key texts of the last row that is at the destination. */
export function passCondition(pass: Pass, selected: Selected, after: Tuple | undefined): string {
  const { cursor } = pass.selection;
  if (pass.upTo === null || !cursor) return 'false';
  const column = quoteName(cursor.column);
  const type = quoteName('pg_catalog', pass.type);
  const lookback = cursor.lookbackMs ? ` - interval '${cursor.lookbackMs} milliseconds'` : '';
  const lower = pass.from === null ? [] : [`${column} ${pass.fromIncluded || lookback ? '>=' : '>'} (${quoteText(pass.from)}::${type}${lookback})`];
  const tie = pass.from === null || pass.unseen === undefined || lookback ? [] : [`(${column} > ${quoteText(pass.from)}::${type} OR ${pass.unseen})`];
  const floor = cursor.start === undefined ? [] : [`${column} >= ${quoteText(cursor.start)}::${type}`];
  const upper = [`${column} ${pass.upToExcluded ? '<' : '<='} ${quoteText(pass.upTo)}::${type}`];
  const further = after ? [beyond(passColumns(pass, selected), after, selected)] : [];
  return [...lower, ...tie, ...floor, ...upper, ...further].join(' AND ');
}

/** The order of a pass, and what a place in it consists of. */
export function passColumns(pass: Pass, selected: Selected): readonly string[] {
  return [pass.selection.cursor?.column ?? '', ...selected.key];
}

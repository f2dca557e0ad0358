import type { Schema } from '#batch';
import type { Position } from '../contract.ts';
import type { WriteMode } from '../contract.ts';
import { compareRows, type CompareOptions, type Difference, type TableRow } from './compare.ts';
import { History, type StreamImage } from './history.ts';
import { keyCells, keyOf, timeOf, type FullRow, type Row, type Script, type ScriptEvent } from './script.ts';
import type { LivePosition } from './scripted-live.ts';

/** How a target of the script is written, as far as it decides what it must hold. */
export interface ExpectedAs {
  readonly write: WriteMode;
  readonly deletes?: 'hard' | 'soft';
  /** What stands for an unavailable value in an append log. */
  readonly placeholder?: string;
  /** Number of the transaction whose snapshot the live load began from: its rows came first. Undefined: from an empty table. */
  readonly snapshotLsn?: number;
}

/** What a table must hold at a position, by replaying one change after the other: it knows nothing of folds, commits or batches. */
export class Oracle {
  readonly history: History;

  constructor(readonly script: Script, history?: History) {
    this.history = history ?? new History(script);
  }

  /** The right table of a stream at a committed or published position. */
  table(stream: string, position: Position | undefined, as: ExpectedAs): { readonly schema: Schema; readonly rows: readonly TableRow[] } {
    const place = (position ?? { v: 1, lsn: as.snapshotLsn ?? 0 }) as unknown as LivePosition;
    const frozen = place.resync?.stream === stream ? place.resync.since : place;
    const image = this.history.at(stream, frozen);
    const plain = as.write === 'replace' || (as.write === 'merge' && as.deletes !== 'soft');
    const rows = plain ? [...image.rows.values()] : this.replay(stream, frozen, as, image);
    return { schema: image.schema, rows };
  }

  /** Empty when the table is right; else what is lost, doubled, wrong or out of order, one line each. */
  compare(stream: string, have: readonly TableRow[], position: Position | undefined, as: ExpectedAs & CompareOptions): readonly Difference[] {
    const { schema, rows } = this.table(stream, position, as);
    if (as.write === 'merge' && as.deletes === 'soft') return compareSoft(have, rows, schema);
    const columns = [...schema.fields.map((field) => field.name), ...extraColumns(as)];
    return compareRows({ have, want: rows, columns, key: schema.key }, as);
  }

  /** Ids of the rows that must lie in quarantine at a position, each once. */
  rejections(stream: string, position: Position | undefined, from = 0): readonly string[] {
    const place = (position ?? { v: 1, lsn: from }) as unknown as LivePosition;
    return this.eventsUpTo(stream, from, place).flatMap(({ event }) => (event.op === 'reject' ? [event.rejection.id] : []));
  }

  private eventsUpTo(stream: string, from: number, place: { readonly lsn: number; readonly part?: number }): { lsn: number; event: ScriptEvent }[] {
    const whole = this.script.log.slice(from, place.lsn).flatMap(({ lsn, events }) => events.map((event) => ({ lsn, event })));
    const part = (this.script.log[place.lsn]?.events ?? []).slice(0, place.part ?? 0).map((event) => ({ lsn: place.lsn + 1, event }));
    return [...whole, ...part].filter(({ event }) => event.stream === stream);
  }

  private replay(stream: string, place: { readonly lsn: number; readonly part?: number }, as: ExpectedAs, image: StreamImage): TableRow[] {
    const from = as.snapshotLsn ?? 0;
    const base = as.snapshotLsn === undefined ? new Map<string, FullRow>() : this.history.at(stream, { lsn: from }).rows;
    const events = this.eventsUpTo(stream, from, place);
    if (as.write === 'append') return replayAppend(base, events, as.placeholder ?? '');
    if (as.write === 'scd2') return replayVersions(base, events);
    return replaySoft(base, events, image.schema);
  }
}

function extraColumns(as: ExpectedAs): string[] {
  return as.write === 'scd2' ? ['_etl_valid_from', '_etl_valid_to'] : [];
}

/** What lives is compared whole. Of what went, each key at most once, marked: the rest of it depends on where commits were cut. */
function compareSoft(have: readonly TableRow[], want: readonly TableRow[], schema: Schema): readonly Difference[] {
  const gone = (row: TableRow): boolean => row['_etl_deleted'] === 'true';
  const lives = (rows: readonly TableRow[]): TableRow[] => rows.filter((row) => !gone(row));
  const columns = schema.fields.map((field) => field.name);
  const wrong = compareRows({ have: lives(have), want: lives(want), columns, key: schema.key });
  const left = new Set(want.filter(gone).map((row) => keyOf(schema, row)));
  const strangers = have.filter((row) => gone(row) && !left.delete(keyOf(schema, row)));
  return [...wrong, ...strangers.map((row): Difference => ({ kind: 'unexpected', text: `${keyOf(schema, row)} is marked as deleted, once too often` }))];
}

type Replayed = readonly { readonly lsn: number; readonly event: ScriptEvent }[];

/** Every change stays, in order (rule 15). A truncate takes nothing from a log. */
function replayAppend(base: ReadonlyMap<string, FullRow>, events: Replayed, placeholder: string): TableRow[] {
  const shown = (row: Row): TableRow => Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, typeof cell === 'symbol' ? placeholder : cell]));
  const log: TableRow[] = [...base.values()];
  for (const { event } of events) {
    if (event.op === 'insert' || event.op === 'update' || event.op === 'delete') log.push(shown(event.sent));
  }
  return log;
}

/** Rows that went stay, marked (`_etl_deleted`); what they held is what they held last. */
function replaySoft(base: ReadonlyMap<string, FullRow>, events: Replayed, schema: Schema): TableRow[] {
  const rows = new Map<string, TableRow>([...base].map(([key, row]) => [key, { ...row, _etl_deleted: 'false' }]));
  const mark = (key: string): void => {
    const row = rows.get(key);
    rows.set(key, { ...(row ?? keyCells(schema, key)), _etl_deleted: 'true' });
  };
  for (const { event } of events) {
    if (event.op === 'truncate') for (const key of rows.keys()) mark(key);
    if (event.op === 'delete') mark(event.key);
    if (event.op === 'insert' || event.op === 'update') {
      if (event.oldKey !== undefined) mark(event.oldKey);
      rows.set(event.key, { ...event.full, _etl_deleted: 'false' });
    }
  }
  return [...rows.values()];
}

/** Every version with its time: from the commit of its change to that of the next (rule 14). */
function replayVersions(base: ReadonlyMap<string, FullRow>, events: Replayed): TableRow[] {
  const versions: Record<string, string | null>[] = [];
  const current = new Map<string, Record<string, string | null>>();
  const open = (key: string, row: FullRow): void => {
    const version = { ...row, _etl_valid_from: row['at'] ?? null, _etl_valid_to: null };
    versions.push(version);
    current.set(key, version);
  };
  const close = (key: string, at: string | null): void => {
    const version = current.get(key);
    if (version) version['_etl_valid_to'] = at;
    current.delete(key);
  };
  for (const [key, row] of base) open(key, row);
  for (const { lsn, event } of events) {
    if (event.op === 'truncate') for (const key of current.keys()) close(key, timeOf(lsn));
    if (event.op === 'delete') close(event.key, timeOf(lsn));
    if (event.op !== 'insert' && event.op !== 'update') continue;
    const before = current.get(event.oldKey ?? event.key);
    if (event.oldKey === undefined && before && sameContent(before, event.full)) continue;
    close(event.oldKey ?? event.key, event.full['at'] ?? null);
    open(event.key, event.full);
  }
  return versions;
}

/** Of the columns that both have: a new column alone makes no version. */
function sameContent(version: TableRow, row: FullRow): boolean {
  return Object.keys(row).every((name) => name === 'at' || !(name in version) || version[name] === row[name]);
}

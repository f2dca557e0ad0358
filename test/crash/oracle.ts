import { History, markerOf, WRITERS, writerOf, type Row } from './history.ts';

export interface Mode { readonly sync: 'full' | 'incremental'; readonly write: 'append' | 'merge' | 'replace' | 'scd2' }
export interface DeliveredRow extends Row { readonly validFrom?: number | null; readonly validTo?: number | null }

/** How far a stream is by its state: every row up to this cursor and key is at the destination, and none beyond it. */
export interface Reach { readonly at: number; readonly id: number }
export const NOWHERE: Reach = { at: -1, id: -1 };
export const within = (row: { readonly at: number; readonly id: number }, reach: Reach): boolean => row.at < reach.at || (row.at === reach.at && row.id <= reach.id);
export const further = (a: Reach, b: Reach): Reach => (within(a, b) ? b : a);

/** A table as somebody saw it, in the order of writing, and the state just before and just after. */
export interface Look {
  readonly rows: readonly DeliveredRow[];
  readonly before: Reach;
  readonly after: Reach;
  /** What is wrong with the way it lies there. */
  readonly faults: Faults;
}

/** What was found wrong: every line names ids, so that it can be looked at. */
export type Faults = readonly string[];

/** What a look must find at least, and at most. */
export interface Bounds {
  /** Loads of a full append; a replaced or merged table has one as soon as it has been published. */
  readonly leastLoads: number;
  readonly mostLoads: number;
  /** Of each writer: the transaction that the newest load must hold. */
  readonly transactions: readonly [number, number];
  /** Rows with an earlier cursor must be there. */
  readonly cursor: number;
}

export interface Finding {
  readonly faults: Faults;
  readonly loads: number;
  /** Of each writer: the newest transaction that is there whole. */
  readonly transactions: readonly [number, number];
}

const named = (ids: readonly string[]): string => `${ids.length}: ${ids.slice(0, 6).join(', ')}${ids.length > 6 ? ' …' : ''}`;
const fault = (what: string, ids: readonly string[]): string[] => (ids.length === 0 ? [] : [`${what} (${named(ids)})`]);
const nameOf = ({ id, version }: { readonly id: number; readonly version: number }): string => `${id} v${version}`;

/** Judges one look at one table. */
export function judge(mode: Mode, history: History, look: Look, bounds: Bounds): Finding {
  const common = [...look.faults, ...fault('FOREIGN: never committed at the source, or other bytes', look.rows.filter((row) => !history.knows(row)).map(nameOf))];
  if (mode.sync === 'incremental') return { faults: [...common, ...passes(mode, history, look, bounds)], loads: 0, transactions: [0, 0] };
  const chain = mode.write === 'scd2' ? versionChain(look.rows) : [];
  const shown = mode.write === 'scd2' ? look.rows.filter((row) => row.validTo === null) : look.rows;
  const found = wholeLoads(history, shown);
  return { ...found, faults: [...common, ...chain, ...found.faults, ...loadsWithin(found, bounds)] };
}

// ── full loads ───────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * Every load is the source as it was at one instant. Which instant, its two marker rows say; the rows of all loads together must be those
 * of all these instants: a load that shows in part, twice or mixed with another can't be.
 */
function wholeLoads(history: History, rows: readonly DeliveredRow[]): Finding {
  const faults: string[] = [];
  const counts: number[] = [];
  const newest: [number, number] = [0, 0];
  for (const writer of WRITERS) {
    const instants = rows.filter((row) => row.id === markerOf(writer)).map((row) => row.version - 1);
    counts.push(instants.length);
    newest[writer] = Math.max(0, ...instants);
    faults.push(...sameRows(history, writer, { rows: rows.filter((row) => writerOf(row.id) === writer), instants }));
  }
  if (counts[0] !== counts[1]) faults.push(`part of a load shows: ${counts.join(' and ')} markers`);
  return { faults, loads: Math.max(...counts), transactions: newest };
}

function sameRows(history: History, writer: 0 | 1, { rows, instants }: { rows: readonly DeliveredRow[]; instants: readonly number[] }): string[] {
  const wanted = new Map<string, number>();
  for (const n of instants) for (const row of history.after(writer, n).values()) wanted.set(nameOf(row), (wanted.get(nameOf(row)) ?? 0) + 1);
  for (const row of rows) wanted.set(nameOf(row), (wanted.get(nameOf(row)) ?? 0) - 1);
  const off = [...wanted].filter(([, count]) => count !== 0);
  return [
    ...fault('LOST: rows of a load are not there', off.filter(([, count]) => count > 0).map(([name]) => name)),
    ...fault('DOUBLED: rows of a load are there more often', off.filter(([, count]) => count < 0).map(([name]) => name)),
  ];
}

function loadsWithin({ loads, transactions }: Finding, bounds: Bounds): string[] {
  const faults: string[] = [];
  if (loads < bounds.leastLoads) faults.push(`LOST: ${loads} loads are there, not ${bounds.leastLoads}`);
  if (loads > bounds.mostLoads) faults.push(`DOUBLED: ${loads} loads are there, at most ${bounds.mostLoads} can be`);
  for (const writer of WRITERS) {
    if (transactions[writer] < bounds.transactions[writer]) faults.push(`STALE: writer ${writer} stands at ${transactions[writer]}, and ${bounds.transactions[writer]} had to be there`);
  }
  return faults;
}

// ── incremental passes ───────────────────────────────────────────────────────────────────────────────────────────────

/** State and data agree at every instant: all that the state covers is there, and nothing that it does not cover. */
function passes(mode: Mode, history: History, { rows, before, after }: Look, bounds: Bounds): string[] {
  const last = new Map<number, DeliveredRow>();
  const misplaced: string[] = [];
  for (const row of rows) {
    const known = last.get(row.id);
    if (known && (mode.write === 'merge' || known.version >= row.version)) misplaced.push(`${nameOf(known)}, ${nameOf(row)}`);
    if (!known || known.version < row.version) last.set(row.id, row);
  }
  const missing = history.current().filter((row) => (within(row, before) || row.at < bounds.cursor) && last.get(row.id)?.version !== row.version);
  return [
    ...fault(mode.write === 'merge' ? 'DOUBLED: a key twice' : 'DOUBLED or out of order: a version after itself or a later one', misplaced),
    ...fault('LOST: covered by the position, or committed before the run began', missing.map(nameOf)),
    ...fault('UNCOVERED: there before the position says so', rows.filter((row) => !within(row, after)).map(nameOf)),
    ...(mode.write === 'scd2' ? [...versionChain(rows), ...openVersions(rows, last)] : []),
  ];
}

/** The versions of a key follow each other: each ends where the next begins. */
function versionChain(rows: readonly DeliveredRow[]): string[] {
  const before = new Map<number, DeliveredRow>();
  const broken: string[] = [];
  for (const row of rows.toSorted((a, b) => a.version - b.version)) {
    const older = before.get(row.id);
    if (older && (older.version === row.version || older.validTo !== row.validFrom || Number(older.validFrom) >= Number(row.validFrom))) broken.push(`${nameOf(older)}, ${nameOf(row)}`);
    before.set(row.id, row);
  }
  return fault('a version does not end where the next begins', broken);
}

function openVersions(rows: readonly DeliveredRow[], last: ReadonlyMap<number, DeliveredRow>): string[] {
  const wrong = rows.filter((row) => (row.validTo === null) !== (last.get(row.id) === row) || row.validFrom !== row.at);
  return fault('not the last version is open, or it does not begin at its cursor', wrong.map(nameOf));
}

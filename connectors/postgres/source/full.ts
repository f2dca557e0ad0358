import type { Json, Load, Selection, Split, StreamState } from '#sdk';
import type { Connection } from '../connection.ts';
import { quoteName } from '../quoting.ts';
import { beyond, literalOf, mayBePlace, orderBy, type Tuple } from './keyset.ts';
import { columnNamed, keptSelection, type Selected } from './select.ts';

/** A split of a full read: blocks of a ctid range, or a range of the key's first column; the end open where it is the last. */
export type FullSplit = BlockRange | KeyRange;

interface BlockRange {
  readonly by: 'blocks';
  readonly selection: Selection;
  readonly from?: number;
  readonly to?: number;
}

/** Read in the key's order, so that it can go on after the last key that is at the destination. */
export interface KeyRange {
  readonly by: 'key';
  readonly selection: Selection;
  readonly from?: string;
  readonly to?: string;
}

const BLOCK_BYTES = 8192;
/** Below this a table is one split: a second connection would cost more than it brings. */
const SPLIT_BYTES = 64 * 1024 * 1024;

/**
 * A row of a declared immutable key is in the same range whenever it is read, so that the load may go on under another snapshot (rule 12).
 * Only replace and merge bear a table that is not of one instant; the key must be indexed, never NULL, and may lie in a position.
 */
export function readsByKey(selected: Selected, selection: Selection): boolean {
  const { key, relation } = selected;
  const [first] = key;
  return first !== undefined && selection.immutableKey && (selection.write === 'replace' || selection.write === 'merge') && relation.indexed.includes(first)
    && key.every((name) => columnNamed(relation, name).notNull) && mayBePlace(selected, selection, key);
}

interface Planning { readonly connection: Connection; readonly selected: Selected; readonly selection: Selection; readonly maxSplits: number }

const HISTOGRAM = `SELECT histogram_bounds::text::text[] AS bounds FROM pg_catalog.pg_stats WHERE schemaname || '.' || tablename = $1 AND attname = $2 AND NOT inherited`;

/** Values of the key's first column that cut the table into parts of about one size, by what the server's statistics say. */
async function keyCuts({ connection, selected }: Planning, count: number): Promise<readonly string[]> {
  if (count === 1) return [];
  const [row] = await connection.query<{ bounds: string[] | null }>(HISTOGRAM, [selected.relation.stream, selected.key[0] ?? '']);
  const bounds = row?.bounds ?? [];
  return [...new Set(Array.from({ length: count - 1 }, (_, index) => bounds[Math.floor((bounds.length * (index + 1)) / count)] ?? ''))].filter((bound) => bound !== '');
}

/** Ranges between cuts that together hold every value there may ever be. */
function rangesOf<T>(cuts: readonly T[]): readonly { readonly from?: T; readonly to?: T }[] {
  return Array.from({ length: cuts.length + 1 }, (_, index) => {
    const [from, to] = [cuts[index - 1], cuts[index]];
    return { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  });
}

async function fullSplits(planning: Planning): Promise<readonly Split[]> {
  const { selected, maxSplits } = planning;
  const selection = keptSelection(planning.selection);
  const { relation } = selected;
  const { stream, bytes = 0, estimatedRows } = relation;
  const byKey = readsByKey(selected, selection);
  const count = byKey || relation.hasCtid ? Math.max(1, Math.min(maxSplits, Math.floor(bytes / SPLIT_BYTES))) : 1;
  const blocks = Array.from({ length: count - 1 }, (_, index) => Math.floor((Math.ceil(bytes / BLOCK_BYTES) * (index + 1)) / count));
  const details: readonly FullSplit[] = byKey
    ? rangesOf(await keyCuts(planning, count)).map((range) => ({ by: 'key', selection, ...range }))
    : rangesOf(blocks).map((range) => ({ by: 'blocks', selection, ...range }));
  return details.map((detail, index) => ({
    id: details.length === 1 ? stream : `${stream}#${index}`, streams: [stream], live: false, detail: JSON.parse(JSON.stringify(detail)) as Json,
    ...(estimatedRows === undefined ? {} : { estimatedRows: Math.round(estimatedRows / details.length) }),
  }));
}

/** What follows FROM to read a split, all of it or after a place in it. */
export function fullClauses(split: FullSplit, selected: Selected, after: Tuple | undefined): string {
  if (split.by === 'blocks') {
    return where([
      ...(split.from === undefined ? [] : [`ctid >= '(${split.from},0)'::pg_catalog.tid`]),
      ...(split.to === undefined ? [] : [`ctid < '(${split.to},0)'::pg_catalog.tid`]),
    ]);
  }
  const [first = ''] = selected.key;
  return `${where([
    ...(split.from === undefined ? [] : [`${quoteName(first)} >= ${literalOf(selected, first, split.from)}`]),
    ...(split.to === undefined ? [] : [`${quoteName(first)} < ${literalOf(selected, first, split.to)}`]),
    ...(after === undefined ? [] : [beyond(selected.key, after, selected)]),
  ])}${orderBy(selected.key)}`;
}

const where = (conditions: readonly string[]): string => (conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`);

/** A full read is staged: it replaces its table, or its ranges live only as long as their snapshot (rules 11 and 12). */
export async function fullLoad(planning: Planning, state: StreamState | undefined, plan: { readonly id: string; readonly startedAt: string }): Promise<Load> {
  const { selection } = planning;
  return {
    id: plan.id, kind: 'parts', streams: [selection.stream], splits: await fullSplits(planning), staged: true,
    rebuild: selection.fullRefresh || state?.rebuild === true, positions: { [selection.stream]: { v: 1, mode: 'full', at: plan.startedAt } },
    startedAt: plan.startedAt, fingerprint: '', targets: [], detail: { mode: 'full' },
  };
}

import type { Json, Load, Selection, Split, StreamState } from '#sdk';
import type { Relation } from './catalogue.ts';

/** A split of a full read: block numbers of a ctid range, the end open where it is the last. */
export interface FullSplit {
  readonly from?: number;
  readonly to?: number;
}

const BLOCK_BYTES = 8192;
/** Below this a table is one split: a second connection would cost more than it brings. */
const SPLIT_BYTES = 64 * 1024 * 1024;

/** Whole, or in ctid ranges that cover every block there may ever be. */
export function fullSplits(relation: Relation, selection: Json, maxSplits: number): readonly Split[] {
  const { stream } = relation;
  const count = relation.hasCtid ? Math.max(1, Math.min(maxSplits, Math.floor((relation.bytes ?? 0) / SPLIT_BYTES))) : 1;
  const blocks = Math.ceil((relation.bytes ?? 0) / BLOCK_BYTES);
  return Array.from({ length: count }, (_, index) => {
    const detail: FullSplit = {
      ...(index === 0 ? {} : { from: Math.floor((blocks * index) / count) }),
      ...(index === count - 1 ? {} : { to: Math.floor((blocks * (index + 1)) / count) }),
    };
    const rows = relation.estimatedRows === undefined ? {} : { estimatedRows: Math.round(relation.estimatedRows / count) };
    return { id: count === 1 ? stream : `${stream}#${index}`, streams: [stream], live: false, detail: { ...detail, selection } as Json, ...rows };
  });
}

/** The split's condition; empty for all. */
export function fullCondition(split: FullSplit): string {
  const parts = [
    ...(split.from === undefined ? [] : [`ctid >= '(${split.from},0)'::pg_catalog.tid`]),
    ...(split.to === undefined ? [] : [`ctid < '(${split.to},0)'::pg_catalog.tid`]),
  ];
  return parts.join(' AND ');
}

/** A full read is staged: its ranges live only as long as the snapshot (rules 11 and 12). */
export function fullLoad(
  relation: Relation, selection: Selection, state: StreamState | undefined, plan: { readonly id: string; readonly maxSplits: number; readonly startedAt: string },
): Load {
  const { stream } = selection;
  return {
    id: plan.id, kind: 'parts', streams: [stream], splits: fullSplits(relation, JSON.parse(JSON.stringify(selection)) as Json, plan.maxSplits), staged: true,
    rebuild: selection.fullRefresh || state?.rebuild === true, positions: { [stream]: { v: 1, mode: 'full', at: plan.startedAt } },
    startedAt: plan.startedAt, fingerprint: '', targets: [], detail: { mode: 'full' },
  };
}

import type { TableRow } from './compare.ts';

/** A change as it lies in a stage: plain JSON. */
export interface StagedChange {
  readonly op: 'upsert' | 'delete';
  readonly key: string;
  /** The key before, where it changed. */
  readonly oldKey?: string;
  readonly row: TableRow;
  /** Columns that the source did not send since they did not change: never the same as NULL. */
  readonly unavailable: readonly string[];
}
export type FoldInput = StagedChange | { readonly op: 'truncate' };

/** What a key is after the commit. `from`: the key whose row before the commit fills the columns that are still missing. */
export type Folded = 'gone' | { readonly row: TableRow; readonly missing: readonly string[]; readonly from: string | undefined };

/** Rule 15, section 5: the changes of one stream in one commit, per key and per column. */
export function fold(changes: readonly FoldInput[]): { readonly truncated: boolean; readonly rows: ReadonlyMap<string, Folded> } {
  const rows = new Map<string, Folded>();
  let truncated = false;
  for (const change of changes) {
    if (change.op === 'truncate') {
      rows.clear();
      truncated = true;
      continue;
    }
    const origin = change.oldKey ?? change.key;
    const before = rows.get(origin) ?? { row: {}, missing: change.unavailable, from: truncated ? undefined : origin };
    if (change.oldKey !== undefined) rows.set(change.oldKey, 'gone');
    rows.set(change.key, change.op === 'delete' ? 'gone' : filled(change, before));
  }
  return { truncated, rows };
}

/** The change's row, its unavailable columns from the row before. */
function filled(change: StagedChange, before: Folded): Folded {
  if (before === 'gone') return { row: change.row, missing: change.unavailable, from: undefined };
  const known = change.unavailable.filter((name) => name in before.row);
  const values = Object.fromEntries(known.map((name) => [name, before.row[name] ?? null]));
  return { row: { ...change.row, ...values }, missing: change.unavailable.filter((name) => !known.includes(name)), from: before.from };
}

export interface ApplyPolicy {
  /** What goes: deleted, or marked. */
  readonly gone: (rows: Record<string, TableRow>, key: string) => void;
  readonly written: (row: TableRow) => TableRow;
  /** An unavailable value without a row before it. */
  readonly unavailable: (key: string, column: string) => string | null;
}

/** In one step to the table as it was: all reads of it come before all deletes. */
export function applyFold(table: Readonly<Record<string, TableRow>>, changes: readonly FoldInput[], policy: ApplyPolicy): Record<string, TableRow> {
  const { truncated, rows } = fold(changes);
  const after: Record<string, TableRow> = { ...table };
  if (truncated) for (const key of Object.keys(after)) policy.gone(after, key);
  const source = truncated ? {} : table;
  for (const [key, row] of rows) if (row === 'gone') policy.gone(after, key);
  for (const [key, folded] of rows) {
    if (folded === 'gone') continue;
    const before = folded.from === undefined ? undefined : source[folded.from];
    const rest = folded.missing.map((name) => [name, before ? before[name] ?? null : policy.unavailable(key, name)]);
    after[key] = policy.written({ ...folded.row, ...Object.fromEntries(rest) });
  }
  return after;
}

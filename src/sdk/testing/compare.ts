/** A row as canonical texts; a column that is not there counts as NULL. */
export type TableRow = Readonly<Record<string, string | null>>;

export interface Difference {
  readonly kind: 'lost' | 'doubled' | 'wrong' | 'unexpected' | 'out of order';
  readonly text: string;
}
export interface CompareOptions {
  /** The table shows its rows in the order in which they were written: per key it must be the source's. */
  readonly ordered?: boolean;
}
interface Compared {
  readonly have: readonly TableRow[];
  readonly want: readonly TableRow[];
  readonly columns: readonly string[];
  readonly key: readonly string[];
}

/** Tells apart what is lost, what came twice, what has other content, and what came in another order. */
export function compareRows({ have, want, columns, key }: Compared, options: CompareOptions = {}): readonly Difference[] {
  const line = (row: TableRow): string => JSON.stringify(columns.map((name) => row[name] ?? null));
  const keyText = (row: TableRow): string => JSON.stringify(key.map((name) => row[name] ?? null));
  const missing = counted(want, line);
  const extra: TableRow[] = [];
  for (const row of have) {
    const left = missing.get(line(row));
    if (left && left.length > 0) left.pop();
    else extra.push(row);
  }
  const lost = [...missing.values()].flat();
  const differences: Difference[] = [];
  for (const row of extra) {
    const twin = lost.findIndex((other) => keyText(other) === keyText(row));
    const meant = twin >= 0 ? lost.splice(twin, 1)[0] : undefined;
    if (meant) differences.push({ kind: 'wrong', text: `${keyText(row)}: ${columnsThatDiffer(row, meant, columns)}` });
    else if (missing.has(line(row))) differences.push({ kind: 'doubled', text: `${keyText(row)}: ${line(row)}` });
    else differences.push({ kind: 'unexpected', text: `${keyText(row)}: ${line(row)}` });
  }
  for (const row of lost) differences.push({ kind: 'lost', text: `${keyText(row)}: ${line(row)}` });
  if (options.ordered && differences.length === 0) differences.push(...outOfOrder(have, want, { line, keyText }));
  return differences;
}

/** For an assertion's message; the first twenty. */
export function describeDifferences(differences: readonly Difference[]): string {
  const lines = differences.slice(0, 20).map(({ kind, text }) => `${kind}: ${text}`);
  return differences.length > 20 ? [...lines, `… and ${differences.length - 20} more`].join('\n') : lines.join('\n');
}

function counted(rows: readonly TableRow[], line: (row: TableRow) => string): Map<string, TableRow[]> {
  const map = new Map<string, TableRow[]>();
  for (const row of rows) map.set(line(row), [...map.get(line(row)) ?? [], row]);
  return map;
}

function columnsThatDiffer(have: TableRow, want: TableRow, columns: readonly string[]): string {
  return columns.filter((name) => (have[name] ?? null) !== (want[name] ?? null))
    .map((name) => `${name} is ${JSON.stringify(have[name] ?? null)}, should be ${JSON.stringify(want[name] ?? null)}`).join(', ');
}

function outOfOrder(
  have: readonly TableRow[], want: readonly TableRow[], { line, keyText }: { readonly line: (row: TableRow) => string; readonly keyText: (row: TableRow) => string },
): Difference[] {
  const sequences = (rows: readonly TableRow[]): Map<string, string[]> => {
    const byKey = new Map<string, string[]>();
    for (const row of rows) byKey.set(keyText(row), [...byKey.get(keyText(row)) ?? [], line(row)]);
    return byKey;
  };
  const right = sequences(want);
  return [...sequences(have)].filter(([key, lines]) => lines.join() !== right.get(key)?.join())
    .map(([key]) => ({ kind: 'out of order', text: key }));
}

/** Numbers, sizes, times and tables for people. */

export function count(value: number): string {
  return String(Math.round(value)).replaceAll(/\B(?=(?:\d{3})+$)/g, ','); // not toLocaleString: loading its tables takes 6 ms
}

export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let index = 0;
  let amount = value;
  while (amount >= 999.5 && index < units.length - 1) {
    amount /= 1000;
    index++;
  }
  return `${index === 0 ? amount : amount < 10 ? amount.toFixed(1) : Math.round(amount)} ${units[index] ?? 'B'}`;
}

export function duration(ms: number): string {
  if (ms < 950) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${seconds % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export interface TableColumn {
  readonly title: string;
  readonly right?: boolean;
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

function width(text: string): number {
  return [...text.replace(ESCAPES, '')].length;
}

/** A table without a frame; empty columns are left out. */
export function table(columns: readonly TableColumn[], rows: readonly (readonly string[])[]): string[] {
  const shown = columns.map((column, index) => ({ column, index })).filter(({ index }) => rows.some((row) => (row[index] ?? '') !== ''));
  const widths = shown.map(({ column, index }) => Math.max(width(column.title), ...rows.map((row) => width(row[index] ?? ''))));
  const line = (cell: (index: number, column: TableColumn) => string): string => shown.map(({ column, index }, at) => pad(cell(index, column), widths[at] ?? 0, column.right ?? false)).join('  ').trimEnd();
  return [line((_, column) => column.title), ...rows.map((row) => line((index) => row[index] ?? ''))];
}

function pad(text: string, to: number, right: boolean): string {
  const blanks = ' '.repeat(Math.max(0, to - width(text)));
  return right ? blanks + text : text + blanks;
}

/** Parts of a position that say what it is of, and not where it stands. */
const SKIPPED: ReadonlySet<string> = new Set(['v', 'version', 'kind', 'mode', 'type', 'column', 'seen']);

/** A position is its source's own: its values are shown, not its structure. */
export function position(value: unknown): string {
  const parts: string[] = [];
  const walk = (inner: unknown, name: string): void => {
    if (SKIPPED.has(name) || inner === null) return;
    if (Array.isArray(inner)) inner.forEach((item) => walk(item, ''));
    else if (typeof inner === 'object') for (const [key, item] of Object.entries(inner)) walk(item, key);
    else parts.push(String(inner));
  };
  walk(value, '');
  const text = parts.join(' ');
  return text.length > 48 ? `${text.slice(0, 47)}…` : text;
}

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from './harness.ts';

const FILE = fileURLToPath(new URL('../../../docs/testing.md', import.meta.url));
const HEAD = '| mistake | planted in | found by | seconds |\n|---|---|---|---|\n';

export interface Found {
  readonly by: string;
  readonly seconds: number;
}

function rowOf({ name, edits }: PlantedBug, found: Found | undefined): string {
  const files = [...new Set(edits.map((edit) => edit.file))].join(', ');
  return `| ${name} | ${files} | ${found?.by.replaceAll('|', '\\|') ?? ''} | ${found?.seconds ?? ''} |`;
}

/** What docs/testing.md says of each mistake. */
export function foundBefore(text = readFileSync(FILE, 'utf8')): Map<string, Found> {
  const [, table = ''] = text.split(HEAD);
  const rows = table.split('\n\n')[0]?.split('\n') ?? [];
  return new Map(rows.flatMap((row) => {
    const [, name, , by, seconds] = row.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
    return name && by && seconds ? [[name, { by, seconds: Number(seconds) }] as const] : [];
  }));
}

/** Keeps the table of docs/testing.md: a row for every mistake that is planted now. */
export function keepTable(bugs: readonly PlantedBug[], found: ReadonlyMap<string, Found>): void {
  const [before = '', after = ''] = readFileSync(FILE, 'utf8').split(HEAD);
  const rest = after.slice(after.indexOf('\n\n'));
  writeFileSync(FILE, `${before}${HEAD}${bugs.map((bug) => rowOf(bug, found.get(bug.name))).join('\n')}${rest}`);
}

/** The rows that the table should have, without what was found. */
export function plantedRows(text = readFileSync(FILE, 'utf8')): string[] {
  const [, table = ''] = text.split(HEAD);
  return (table.split('\n\n')[0]?.split('\n') ?? []).map((row) => row.split(/(?<!\\)\|/).slice(1, 3).map((cell) => cell.trim()).join(' | '));
}

import type { Field, LogicalType } from '#batch';
import { EtlError } from '../../errors/error.ts';
import type { Target } from '../contract.ts';
import type { TableRow } from './compare.ts';
import { applyFold, type FoldInput, type StagedChange } from './fold.ts';
import type { StoredTable } from './memory-store.ts';

/** Writes the changes of one commit into a table, as its write mode says. */
export function applyChanges(table: StoredTable, target: Target, changes: readonly FoldInput[], loadStart: string): void {
  switch (table.write) {
    case 'merge':
      table.byKey = applyFold(table.byKey, changes, mergePolicy(target));
      return;
    case 'scd2':
      for (const change of changes) addVersion(table, target, change, loadStart);
      return;
    case 'append': case 'replace': // fold nothing: every change stays (rule 15)
      for (const change of changes) if (change.op !== 'truncate') table.list.push(listed(target, change));
  }
}

function mergePolicy(target: Target) {
  const soft = target.deletes === 'soft';
  return {
    gone: (rows: Record<string, TableRow>, key: string): void => {
      if (!soft) delete rows[key];
      else rows[key] = { ...(rows[key] ?? keyColumns(target, key)), _etl_deleted: 'true' };
    },
    written: (row: TableRow): TableRow => (soft ? { ...row, _etl_deleted: 'false' } : row),
    unavailable: (key: string, column: string): string => placeholder(target, key, column),
  };
}

function keyColumns(target: Target, key: string): TableRow {
  const texts = JSON.parse(key) as string[];
  return Object.fromEntries(target.key.map((name, i) => [name, texts[i] ?? null]));
}

function listed(target: Target, change: StagedChange): TableRow {
  return { ...change.row, ...Object.fromEntries(change.unavailable.map((name) => [name, placeholder(target, change.key, name)])) };
}

function placeholder(target: Target, key: string, column: string): string {
  if (target.unavailable !== 'error') return target.unavailable.placeholder;
  throw new EtlError({ kind: 'data', code: 'ETL-TST-005', message: `${target.stream} ${key}: column ${column} was not sent and no row holds it.` });
}

/** Rule 14: a version ends when the next begins; a row that is the same in all columns that both have makes none. */
function addVersion(table: StoredTable, target: Target, change: FoldInput, loadStart: string): void {
  const isCurrent = (row: TableRow): boolean => row['_etl_valid_to'] === null;
  if (change.op === 'truncate') {
    table.list = table.list.map((row) => (isCurrent(row) ? { ...row, _etl_valid_to: loadStart } : row));
    return;
  }
  const at = (target.validFrom === undefined ? undefined : change.row[target.validFrom]) ?? loadStart;
  const origin = change.oldKey ?? change.key;
  const index = table.list.findLastIndex((row) => isCurrent(row) && keyText(target, row) === origin);
  const before = table.list[index];
  const row = { ...change.row, ...Object.fromEntries(change.unavailable.map((name) => [name, before ? before[name] ?? null : placeholder(target, change.key, name)])) };
  if (change.op === 'upsert' && change.oldKey === undefined && before && sameVersion(before, row, target)) return;
  if (before) table.list[index] = { ...before, _etl_valid_to: at };
  if (change.op === 'upsert') table.list.push({ ...row, _etl_valid_from: at, _etl_valid_to: null });
}

function sameVersion(version: TableRow, row: TableRow, target: Target): boolean {
  return Object.keys(row).every((name) => name === target.validFrom || !(name in version) || version[name] === row[name]);
}

function keyText(target: Target, row: TableRow): string {
  return JSON.stringify(target.key.map((name) => row[name] ?? null));
}

/** What `publish` makes of a staged load: replaces the table, or adds to it (rules 11 and 14). */
export function mergeStaged(table: StoredTable, staged: StoredTable, target: Target, loadStart: string): void {
  widen(table, target, staged.fields);
  const upsert = (row: TableRow): StagedChange => ({ op: 'upsert', key: keyText(target, row), row, unavailable: [] });
  if (table.write === 'merge') applyChanges(table, target, Object.values(staged.byKey).map(upsert), loadStart);
  else if (table.write === 'scd2') mergeVersions(table, staged, target, loadStart);
  else table.list.push(...staged.list);
}

/** A full load closes the keys that it did not see. */
function mergeVersions(table: StoredTable, staged: StoredTable, target: Target, loadStart: string): void {
  const seen = new Set(staged.list.map((row) => keyText(target, row)));
  for (const { _etl_valid_from: _, _etl_valid_to: __, ...row } of staged.list) {
    addVersion(table, target, { op: 'upsert', key: keyText(target, row), row, unavailable: [] }, loadStart);
  }
  table.list = table.list.map((row) =>
    (row['_etl_valid_to'] === null && !seen.has(keyText(target, row)) ? { ...row, _etl_valid_to: loadStart } : row));
}

const WIDER: Readonly<Record<string, readonly string[]>> = {
  int8: ['int16', 'int32', 'int64', 'decimal', 'number', 'text'], int16: ['int32', 'int64', 'decimal', 'number', 'text'],
  int32: ['int64', 'decimal', 'number', 'text'], int64: ['decimal', 'number', 'text'],
  decimal: ['number', 'text'], float32: ['float64', 'text'], date: ['timestamp', 'text'],
};

/** Rule 30: new columns and wider types, nothing else; safe to repeat. Returns what changed, in words. */
export function widen(table: StoredTable, target: Target, fields: readonly Field[]): string[] {
  const changes: string[] = [];
  const next = [...table.fields];
  for (const field of fields) {
    const index = next.findIndex((known) => known.name === field.name);
    const known = next[index];
    if (!known) {
      if (table.fields.length > 0 && !target.evolve.columns) throw conflict(target, `a new column ${field.name}`);
      next.push(field);
      changes.push(`${target.table}: column ${field.name} ${field.type.kind}`);
    } else if (!holds(known.type, field.type)) {
      if (!WIDER[known.type.kind]?.includes(field.type.kind) || !target.evolve.types) throw conflict(target, `${field.name} from ${known.type.kind} to ${field.type.kind}`);
      next[index] = { ...known, type: field.type };
      changes.push(`${target.table}: column ${field.name} from ${known.type.kind} to ${field.type.kind}`);
    }
  }
  table.fields = next;
  return changes;
}

/** Whether a column of the first type takes every value of the second: a source may send a narrower type again. */
function holds(known: LogicalType, sent: LogicalType): boolean {
  return known.kind === sent.kind || (WIDER[sent.kind]?.includes(known.kind) ?? false);
}

function conflict(target: Target, what: string): EtlError {
  return new EtlError({ kind: 'schema', code: 'ETL-TST-004', message: `${target.table} cannot take ${what}.` });
}

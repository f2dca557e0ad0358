import type { Field, Schema } from '#batch';
import type { ColumnMapping, SchemaPlan, Target } from '#sdk';
import { qualified, type SqlDialect, type TableInfo, type TableName } from './dialect.ts';
import { DELETED, LOADED_AT, OP, RUN_ID, tableKey, targetName, UNCHANGED, VALID_FROM, VALID_TO } from './names.ts';

export interface OwnColumn {
  readonly name: string;
  readonly type: string;
  readonly suffix: string;
}
export interface PlannedColumn {
  readonly field: Field;
  /** The column's type in the target after the plan's DDL. */
  readonly type: string;
}
export interface TablePlan extends SchemaPlan {
  readonly planned: readonly PlannedColumn[];
}

/** Columns of ours that a target has beside the stream's. `changes`: it is a log of changes, which keeps what each row did. */
export function ownColumns(dialect: SqlDialect, target: Target, changes = false): readonly OwnColumn[] {
  const own: OwnColumn[] = [];
  if (target.write === 'merge' && target.deletes === 'soft') own.push({ name: DELETED, type: 'boolean', suffix: ' default false not null' });
  if (target.write === 'scd2') own.push({ name: VALID_FROM, type: dialect.instantType, suffix: '' }, { name: VALID_TO, type: dialect.instantType, suffix: '' });
  if (target.write === 'append' && changes) own.push({ name: OP, type: dialect.textType, suffix: '' }, { name: UNCHANGED, type: dialect.textType, suffix: '' });
  if (target.addedColumns.includes('_etl_loaded_at')) own.push({ name: LOADED_AT, type: dialect.instantType, suffix: '' });
  if (target.addedColumns.includes('_etl_run_id')) own.push({ name: RUN_ID, type: dialect.textType, suffix: '' });
  if (target.addedColumns.includes('_etl_position')) own.push({ name: '_etl_position', type: dialect.textType, suffix: '' });
  return own;
}

/** Columns that tell rows of the target apart; none where every row or version stays. */
export function uniqueKey(target: Target): readonly string[] {
  return target.write === 'merge' || target.write === 'replace' ? target.key : [];
}

export function keyIsNullable(schema: Schema, key: readonly string[]): boolean {
  return schema.fields.some((field) => key.includes(field.name) && field.nullable);
}

export function createTable(dialect: SqlDialect, name: TableName, columns: readonly PlannedColumn[], own: readonly OwnColumn[]): string {
  const stream = columns.map((column) => `${dialect.quote(column.field.name)} ${column.type}`);
  const ours = own.filter((column) => !columns.some((other) => other.field.name === column.name)).map((column) => `${dialect.quote(column.name)} ${column.type}${column.suffix}`);
  return `create table ${qualified(dialect, name)} (${[...stream, ...ours].join(', ')})`;
}

export function mapColumns(dialect: SqlDialect, schema: Schema): readonly PlannedColumn[] {
  return schema.fields.map((field) => ({ field, type: dialect.mapType(field).sql }));
}

function planNew(dialect: SqlDialect, target: Target, schema: Schema, changes: boolean): TablePlan {
  const name = targetName(dialect, target);
  const planned = mapColumns(dialect, schema);
  const key = uniqueKey(target);
  const conflicts = target.evolve.tables ? [] : [`Table ${tableKey(name)} does not exist, and the contract does not let it be created.`];
  return {
    planned, conflicts, columns: mappings(dialect, planned),
    ddl: [
      ...(name.schema === dialect.defaultSchema ? [] : [`create schema if not exists ${dialect.quote(name.schema ?? '')}`]),
      createTable(dialect, name, planned, ownColumns(dialect, target, changes)),
      ...(key.length > 0 && dialect.needsUniqueKey ? dialect.addKey(name, key, keyIsNullable(schema, key)) : []),
    ],
  };
}

function mappings(dialect: SqlDialect, planned: readonly PlannedColumn[]): ColumnMapping[] {
  return planned.map(({ field, type }) => {
    const mapped = dialect.mapType(field);
    const asMapped = dialect.sameType(mapped.sql, type) || dialect.widens(mapped.sql, type);
    return { column: field.name, from: field.type, to: type, outcome: asMapped ? mapped.outcome : 'checked', ...(mapped.note !== undefined && { note: mapped.note }) };
  });
}

/** Text of no declared length does not lift the length that the target's column has: longer values are rejected by name (rule 31). */
function keepsLength(dialect: SqlDialect, field: Field, existing: string): boolean {
  return field.type.kind === 'text' && field.type.maxLength === undefined && dialect.overflows('v', dialect.mapType(field).sql, existing) !== undefined;
}

interface Drafted {
  readonly planned: PlannedColumn;
  readonly ddl?: string;
  readonly conflict?: string;
}

/** One column of the stream against the table as it is. */
function draft(dialect: SqlDialect, info: TableInfo, target: Target, field: Field): Drafted {
  const where = tableKey(info.name);
  const existing = info.columns.find((column) => column.name === field.name);
  const wanted = dialect.mapType(field).sql;
  if (!existing) {
    const planned = { field, type: wanted };
    return target.evolve.columns
      ? { planned, ddl: `alter table ${qualified(dialect, info.name)} add column if not exists ${dialect.quote(field.name)} ${wanted}` }
      : { planned, conflict: `Column ${field.name} is new, and the contract of ${where} lets no column be added.` };
  }
  const fits = dialect.sameType(existing.type, wanted) || dialect.widens(wanted, existing.type) || keepsLength(dialect, field, existing.type);
  if (fits) return { planned: { field, type: existing.type } };
  const conflict = `Column ${field.name} of ${where} is ${existing.type}, the source now sends ${wanted}`;
  if (!dialect.widens(existing.type, wanted)) return { planned: { field, type: existing.type }, conflict: `${conflict}.` };
  return target.evolve.types
    ? { planned: { field, type: wanted }, ddl: dialect.alterType(info.name, field.name, wanted) }
    : { planned: { field, type: wanted }, conflict: `${conflict}, and the contract lets no type be widened.` };
}

function keyConflicts(dialect: SqlDialect, info: TableInfo, target: Target): string[] {
  const key = uniqueKey(target);
  const needed = target.write === 'merge' && key.length > 0 && dialect.needsUniqueKey;
  return needed && !hasKey(info, key) ? [`Table ${tableKey(info.name)} has no primary key or unique constraint over (${key.join(', ')}), which merge needs.`] : [];
}

/** Columns of ours that the table lacks. */
function ownDdl(dialect: SqlDialect, info: TableInfo, schema: Schema, own: readonly OwnColumn[]): string[] {
  const there = new Set([...info.columns.map((column) => column.name), ...schema.fields.map((field) => field.name)]);
  return own.filter((column) => !there.has(column.name))
    .map((column) => `alter table ${qualified(dialect, info.name)} add column if not exists ${dialect.quote(column.name)} ${column.type}${column.suffix.replace(' not null', '')}`);
}

export interface PlanOf {
  readonly info: TableInfo | undefined;
  readonly target: Target;
  readonly schema: Schema;
  /** An append target that keeps what each row did. */
  readonly changes?: boolean;
  /** The load makes the table anew and swaps it in. */
  readonly replaces?: boolean;
}

/** A swap changes nothing to see where the table has this shape already. A frozen contract holds for a new table too. */
function planSwap(dialect: SqlDialect, { info, target, schema, changes = false }: PlanOf & { readonly info: TableInfo }): TablePlan {
  const fresh = planNew(dialect, target, schema, changes);
  const frozen = !target.evolve.columns || !target.evolve.types || !target.evolve.tables;
  const wanted = [...fresh.planned.map(({ field, type }) => ({ name: field.name, type })), ...ownColumns(dialect, target, changes)];
  const same = wanted.length === info.columns.length && wanted.every(({ name, type }) => info.columns.some((column) => column.name === name && dialect.sameType(column.type, type)));
  const key = uniqueKey(target);
  const keyed = key.length === 0 || !dialect.needsUniqueKey || hasKey(info, key);
  const conflicts = frozen ? planTable(dialect, { info, target, schema, changes }).conflicts : [];
  return { ...fresh, conflicts, ddl: same && keyed ? [] : [`drop table ${qualified(dialect, info.name)}`, ...fresh.ddl.filter((statement) => !statement.startsWith('create schema'))] };
}

function hasKey(info: TableInfo, key: readonly string[]): boolean {
  return info.uniqueKeys.some((unique) => unique.length === key.length && key.every((name) => unique.includes(name)));
}

/**
 * What a schema message changes at the target: only new columns and wider types (rule 30), the same for `plan` and for the writer.
 * A column that the source has dropped stays: its new rows are NULL, rows that are there keep what they have.
 */
export function planTable(dialect: SqlDialect, { info, target, schema, changes = false, replaces = false }: PlanOf): TablePlan {
  if (!info) return planNew(dialect, target, schema, changes);
  if (replaces) return planSwap(dialect, { info, target, schema, changes });
  const drafts = schema.fields.map((field) => draft(dialect, info, target, field));
  const planned = drafts.map((each) => each.planned);
  return {
    planned, columns: mappings(dialect, planned),
    ddl: [...drafts.flatMap((each) => each.ddl ?? []), ...ownDdl(dialect, info, schema, ownColumns(dialect, target, changes))],
    conflicts: [...drafts.flatMap((each) => each.conflict ?? []), ...keyConflicts(dialect, info, target)],
  };
}

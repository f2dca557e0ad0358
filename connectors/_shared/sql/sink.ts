import { DELETE, UNAVAILABLE, UPDATE, type Batch, type Schema } from '#batch';
import type { Target } from '#sdk';
import { qualified, type RowColumn, type RowTarget, type SqlDialect, type TableInfo, type TableName } from './dialect.ts';
import { uniqueKey, type TablePlan } from './evolve.ts';
import { oldKeyColumn, OP, ORDINAL, shortName, UNAVAILABLE_MASK } from './names.ts';

export interface StageColumn {
  /** The stream's column. */
  readonly name: string;
  readonly index: number;
  /** Its type in the table that the rows end up in. */
  readonly type: string;
  /** Its type in the stage. */
  readonly stageType: string;
  /** The stage's value as the target's type. */
  cast(expression: string): string;
}

/** Where the rows of one target go within a session, and what is known of those that are not yet committed. */
export interface Sink {
  readonly target: Target;
  schema: Schema;
  /** Target, load's table or shadow. */
  readonly into: TableName;
  /** It is the target itself, whose incarnation is compared; others are ours alone. */
  readonly isTarget: boolean;
  readonly nullableKey: boolean;
  /** The table whose constraints the rows will meet: the target as it was before this session, if the rows are to join it. */
  readonly limits: TableInfo | undefined;
  /** A unique index stands on the key: not yet on the table of a load. */
  readonly hasKeyIndex: boolean;
  /** An append target that keeps what each row did. */
  logsChanges: boolean;
  readonly key: readonly string[];
  columns: readonly StageColumn[];
  stage: TableName | undefined;
  stageTarget: RowTarget | undefined;
  direct: RowTarget | undefined;
  pending: Pending;
}

/** What the stage holds since the last commit. */
export interface Pending {
  /** Rows in the stage. */
  staged: number;
  /** Rows written straight into the table. */
  direct: number;
  /** Some row is not simply inserted or put over another. */
  changes: boolean;
  /** Columns with a value that was not sent. */
  readonly unavailable: Set<number>;
  /** Everything up to this ordinal is gone. */
  truncatedAt: bigint | undefined;
  /** scd2: all versions end at these places. */
  readonly truncates: bigint[];
}

export function nothingPending(): Pending {
  return { staged: 0, direct: 0, changes: false, unavailable: new Set(), truncatedAt: undefined, truncates: [] };
}

export function isDirty(sink: Sink): boolean {
  return sink.pending.staged > 0 || sink.pending.direct > 0 || sink.pending.truncatedAt !== undefined || sink.pending.truncates.length > 0;
}

/** Do all rows of the batch simply come in: nothing is changed, deleted, moved or left out. */
export function isPlain(batch: Batch): boolean {
  if (batch.oldKeys || batch.ops?.includes(UPDATE) || batch.ops?.includes(DELETE)) return false;
  return batch.columns.every((vector) => !vector.validity?.includes(UNAVAILABLE));
}

export function noteChanges(sink: Sink, batch: Batch): void {
  const { pending } = sink;
  if (batch.oldKeys || batch.ops?.includes(DELETE)) pending.changes = true;
  for (const [index, vector] of batch.columns.entries()) if (vector.validity?.includes(UNAVAILABLE)) pending.unavailable.add(index);
}

export function stageColumns(dialect: SqlDialect, plan: TablePlan): readonly StageColumn[] {
  return plan.planned.map(({ field, type }, index) => {
    const stage = dialect.stageType(field);
    const cast = (expression: string) => (dialect.sameType(stage.type, type) ? expression : stage.cast(expression, type));
    return { name: field.name, index, type, stageType: stage.type, cast };
  });
}

/** Does the table refuse rows that the stream may hold. */
function constrains(limits: TableInfo, schema: Schema): boolean {
  const mayBeNull = (name: string) => schema.fields.some((field) => field.name === name && field.nullable);
  return limits.checks.length > 0 || limits.columns.some((column) => !column.nullable && mayBeNull(column.name));
}

/** Straight into the table, when its types are those that the writer writes, and no column of ours has to be filled. */
export function directTarget(dialect: SqlDialect, sink: Sink): RowTarget | undefined {
  if (sink.limits && constrains(sink.limits, sink.schema)) return undefined; // looked at row by row first (rule 31)
  if (sink.target.addedColumns.some((name) => !sink.columns.some((column) => column.name === name))) return undefined;
  // a type with values that even its like in the target refuses is looked at in a stage
  if (!sink.columns.every((column) => dialect.sameType(column.stageType, column.type) && dialect.overflows('v', column.stageType, column.type) === undefined)) return undefined;
  return { table: sink.into, columns: sink.columns.map((column) => fieldColumn(sink, column)) };
}

function fieldColumn(sink: Sink, column: StageColumn): RowColumn {
  const field = sink.schema.fields[column.index];
  return { name: column.name, type: column.stageType, from: { kind: 'field', index: column.index, type: field?.type ?? { kind: 'text' } } };
}

/** The session's own table, named by load, split and epoch (rule 23); and its columns. */
export function stageFor(dialect: SqlDialect, sink: Sink, session: readonly (string | number)[]): { readonly ddl: string; readonly target: RowTarget } {
  const table = shortName('c', ...session, sink.into.schema ?? '', sink.into.table, JSON.stringify(sink.schema.fields.map((field) => [field.name, dialect.stageType(field).type])));
  const oldKeys = sink.key.flatMap((name, index): RowColumn[] => {
    const column = sink.columns.find((each) => each.name === name);
    const field = column && sink.schema.fields[column.index];
    return column && field ? [{ name: oldKeyColumn(index), type: column.stageType, from: { kind: 'oldKey', index, type: field.type } }] : [];
  });
  const columns: RowColumn[] = [
    ...sink.columns.map((column) => fieldColumn(sink, column)), ...oldKeys,
    { name: ORDINAL, type: dialect.ordinalType, from: { kind: 'ordinal', base: 0n } },
    { name: OP, type: dialect.opType, from: { kind: 'op' } },
    { name: UNAVAILABLE_MASK, type: dialect.textType, from: { kind: 'unavailable' } },
  ];
  const written = columns.filter((column) => column.from.kind !== 'field' || column.from.index < sink.schema.fields.length);
  return { ddl: dialect.createTemporary(table, columns), target: { table: { schema: undefined, table }, columns: written } };
}

export function withOrdinal(target: RowTarget, base: bigint): RowTarget {
  return { table: target.table, columns: target.columns.map((column) => (column.from.kind === 'ordinal' ? { ...column, from: { kind: 'ordinal', base } } : column)) };
}

/** Key of a sink: what tells its rows apart, or for versions of rows what they are versions of. */
export function sinkKey(target: Target): readonly string[] {
  return target.write === 'scd2' ? target.key : uniqueKey(target);
}

export const sinkId = (name: TableName): string => JSON.stringify([name.schema, name.table]);
export const stageName = (dialect: SqlDialect, sink: Sink): string => (sink.stage ? qualified(dialect, sink.stage) : '');

/** Takes the columns that waiting rows have and the new schema has not: rows of the new schema leave them NULL. */
export function keepColumns(before: Sink, after: Sink): void {
  const dropped = before.columns.filter((column) => !after.columns.some((other) => other.name === column.name));
  after.columns = [...after.columns, ...dropped.map((column, i) => ({ ...column, index: after.schema.fields.length + i }))];
}

/** Columns of the old stage that go over to the new one, but for the mask. */
export function carriedColumns(dialect: SqlDialect, before: Sink): string[] {
  return [...before.columns.map((column) => column.name), ...before.key.map((_, i) => oldKeyColumn(i)), ORDINAL, OP].map((name) => dialect.quote(name));
}

/** The mask of a row that was staged under another schema; what that schema did not know stays as the target has it. */
export function movedMask(before: Sink, after: Sink): string {
  const places = after.columns.map((column) => {
    const old = before.columns.find((each) => each.name === column.name);
    return old ? `coalesce(substr(${UNAVAILABLE_MASK}, ${old.index + 1}, 1), '0')` : "'0'";
  });
  return `case when ${UNAVAILABLE_MASK} is not null then concat(${places.join(', ')}) end`;
}

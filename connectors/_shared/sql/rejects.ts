import { createHash } from 'node:crypto';
import type { JsonObject, Rejection } from '#sdk';
import { qualified, type SqlConnection } from './dialect.ts';
import { OP, ORDINAL, UNAVAILABLE_MASK } from './names.ts';
import type { RunContext } from './run.ts';
import { stageName, type Sink, type StageColumn } from './sink.ts';

/** A condition that a row must not meet, over the stage `s`. */
export interface Violation {
  readonly column: string | undefined;
  readonly reason: string;
  readonly condition: string;
}

function present(column: StageColumn, condition: string): string {
  return `(s.${OP} <> 3 and (s.${UNAVAILABLE_MASK} is null or substr(s.${UNAVAILABLE_MASK}, ${column.index + 1}, 1) <> '1') and (${condition}))`;
}

/** What the target would refuse, row by row, found before the merge (rule 31): the rows leave the stage and are returned. */
export async function findViolations(context: RunContext, connection: SqlConnection, sink: Sink): Promise<Rejection[]> {
  const { dialect } = context.database;
  const violations: Violation[] = [];
  for (const column of sink.columns) {
    const existing = sink.limits?.columns.find((each) => each.name === column.name);
    const value = `s.${dialect.quote(column.name)}`;
    if (existing?.nullable === false) violations.push({ column: column.name, reason: `${column.name} is NULL, which the target does not take`, condition: present(column, `${value} is null`) });
    const narrow = dialect.overflows(value, column.stageType, column.type);
    if (narrow !== undefined) violations.push({ column: column.name, reason: `${column.name} does not fit ${column.type}`, condition: present(column, narrow) });
  }
  const found: Rejection[] = [];
  for (const violation of violations) found.push(...await take(context, connection, sink, violation));
  return [...found, ...await takeChecked(context, connection, sink, sink.limits?.checks ?? [])];
}

/** CHECK constraints see the row as the target's types. */
async function takeChecked(context: RunContext, connection: SqlConnection, sink: Sink, checks: readonly { readonly name: string; readonly expression: string }[]): Promise<Rejection[]> {
  const { dialect } = context.database;
  const found: Rejection[] = [];
  for (const check of checks) {
    const row = sink.columns.map((column) => `${column.cast(`s.${dialect.quote(column.name)}`)} as ${dialect.quote(column.name)}`).join(', ');
    const condition = `s.${OP} <> 3 and s.${UNAVAILABLE_MASK} is null and exists (select 1 from (select ${row}) r where not (${check.expression}))`;
    found.push(...await take(context, connection, sink, { column: undefined, reason: `the row breaks the constraint ${check.name}`, condition }));
  }
  return found;
}

async function take(context: RunContext, connection: SqlConnection, sink: Sink, violation: Violation): Promise<Rejection[]> {
  const { dialect } = context.database;
  const columns = sink.columns.map((column) => `cast(s.${dialect.quote(column.name)} as ${dialect.textType}) as ${dialect.quote(column.name)}`).join(', ');
  const rows = await connection.query(`select s.${ORDINAL} as _etl_row, ${columns} from ${stageName(dialect, sink)} s where ${violation.condition}`);
  if (rows.length === 0) return [];
  const ordinals = rows.map((row) => String(row['_etl_row']));
  await connection.query(`delete from ${qualified(dialect, sink.stage ?? sink.into)} where ${ORDINAL} in (${ordinals.join(', ')})`);
  return rows.map((row) => rejection(sink, violation, Object.fromEntries(sink.columns.map((column) => [column.name, row[column.name] ?? null])) as JsonObject));
}

function rejection(sink: Sink, violation: Violation, row: JsonObject): Rejection {
  const key = Object.fromEntries(sink.target.key.map((name) => [name, row[name] ?? null]));
  const identified = sink.target.key.length > 0 && Object.values(key).every((value) => value !== null);
  const id = createHash('sha256').update(JSON.stringify([sink.target.stream, identified ? key : row])).digest('hex').slice(0, 32);
  return {
    id, stream: sink.target.stream, code: 'ETL-SQL-001', reason: violation.reason, row,
    ...(violation.column !== undefined && { column: violation.column }), ...(identified && { key }),
  };
}

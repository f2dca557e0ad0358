import { createHash } from 'node:crypto';
import type { Target } from '#sdk';
import type { SqlDialect, TableName } from './dialect.ts';

/** Schema of the state tables: runs, streams, loads, splits, stages, rejected rows. */
export const STATE_SCHEMA = '_etl';

/** Columns of a stage beside those of the stream. */
export const ORDINAL = '_etl_ordinal';
export const OP = '_etl_op';
export const UNAVAILABLE_MASK = '_etl_mask';
export const oldKeyColumn = (index: number): string => `_etl_old_${index}`;

/** Columns of a target beside those of the stream. */
export const DELETED = '_etl_deleted';
export const VALID_FROM = '_etl_valid_from';
export const VALID_TO = '_etl_valid_to';
export const UNCHANGED = '_etl_unchanged';
export const LOADED_AT = '_etl_loaded_at';
export const RUN_ID = '_etl_run_id';

/** A short name that no limit cuts: stages of two loads, splits or epochs never share one (rule 23). */
export function shortName(prefix: string, ...parts: readonly (string | number)[]): string {
  return `_etl_${prefix}_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24)}`;
}

export function targetName(dialect: SqlDialect, target: Target): TableName {
  return { schema: target.schema ?? dialect.defaultSchema, table: target.table };
}

/** How state names a table: incarnations are kept by it. */
export function tableKey(name: TableName): string {
  return `${name.schema ?? ''}.${name.table}`;
}

const MARK = /\s*\[etl:([0-9a-f-]+)\]/;
export function markIn(comment: string): string | undefined {
  return MARK.exec(comment)?.[1];
}
export function withMark(comment: string, incarnation: string): string {
  return `${comment.replace(MARK, '')} [etl:${incarnation}]`.trimStart();
}

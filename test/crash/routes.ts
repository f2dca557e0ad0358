import type { Mode } from './oracle.ts';

export const ROUTES = ['postgres-parquet', 'postgres-duckdb', 'postgres-postgres'] as const;
export type Route = (typeof ROUTES)[number];

const FILES: readonly Mode[] = [{ sync: 'full', write: 'replace' }, { sync: 'full', write: 'append' }, { sync: 'incremental', write: 'append' }];
const SQL: readonly Mode[] = [...FILES, { sync: 'full', write: 'merge' }, { sync: 'full', write: 'scd2' }, { sync: 'incremental', write: 'merge' }, { sync: 'incremental', write: 'scd2' }];
export const modesOf = (route: Route): readonly Mode[] => (route === 'postgres-parquet' ? FILES : SQL);
/** Deletes reach only what is read whole; a merge of a full load keeps the keys that it does not see. */
export const mayDelete = ({ sync, write }: Mode): boolean => sync === 'full' && write !== 'merge';

const SQL_POINTS = ['sql.claim', 'sql.claimed', 'sql.begin', 'sql.open', 'sql.commit.held', 'sql.commit.before', 'sql.commit.after', 'sql.publish', 'sql.publish.flip', 'sql.published'];
const FAILPOINTS: Readonly<Record<Route, readonly string[]>> = {
  'postgres-parquet': [
    'file.claim.recorded', 'file.begin.recorded', 'file.open.recorded', 'file.data.synced', 'file.commit.prepared', 'file.commit.recorded', 'file.commit.visible', 'file.name', 'file.publish.recorded',
    'file.publish.visible', 'file.sweep', 'log.record.decided', 'log.record.synced', 'log.record.linked', 'log.record.durable',
  ],
  'postgres-duckdb': [...SQL_POINTS, 'duckdb.commit', 'duckdb.committed', 'duckdb.close'],
  'postgres-postgres': [...SQL_POINTS, 'postgres.commit.send', 'postgres.commit.sent'],
};
export const failpointsOf = (route: Route): readonly string[] => FAILPOINTS[route];
/** A run that has passed one of these holds the claim: whoever claims after it fences it. */
export const CLAIMED: ReadonlySet<string> = new Set(['sql.claimed', 'file.claim.recorded']);

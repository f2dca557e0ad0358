import type { Field } from '#batch';
import { EtlError } from '#sdk';
import { keysEqual, qualified, valuesOf, type SqlConnection, type SqlDialect, type StateRows, type Statement, type Swap, type TableInfo, type TableName } from '../_shared/sql/dialect.ts';
import { markIn, STATE_SCHEMA, withMark } from '../_shared/sql/names.ts';
import { canonicalType, INSTANT, mapDuckdbType, quoteName, stageTypeOf, widensType } from './types.ts';

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The catalogue's rows of one table of this file; never those of a temporary table of the same name. */
const here = (name: TableName): string => `database_name = current_database() and schema_name = ${literal(name.schema ?? 'main')} and table_name = ${literal(name.table)}`;

/** Table by table: `duckdb_columns()` binds every view of the catalogue first, which takes ten times as long. */
async function columnNames(connection: SqlConnection, schema: string): Promise<readonly string[]> {
  const tables = await connection.query(`select table_name from duckdb_tables() where database_name = current_database() and schema_name = ${literal(schema)}`);
  if (tables.length === 0) return [];
  const names = tables.map((row) => String(row['table_name']));
  const rows = await connection.query(names.map((table) => `select ${literal(`${table}.`)} || name as name from pragma_table_info(${literal(`${quoteName(schema)}.${quoteName(table)}`)})`).join(' union all '));
  return rows.map((row) => String(row['name']));
}

async function readTable(connection: SqlConnection, name: TableName): Promise<TableInfo | undefined> {
  const [table] = await connection.query(`select comment from duckdb_tables() where ${here(name)} and not temporary`);
  if (!table) return undefined;
  const columns = await connection.query(`select column_name, data_type, is_nullable from duckdb_columns() where ${here(name)} order by column_index`);
  const constraints = await connection.query(
    `select constraint_type, expression, array_to_string(constraint_column_names, chr(31)) as names from duckdb_constraints() where ${here(name)}`);
  const indexes = await connection.query(`select expressions from duckdb_indexes() where ${here(name)} and is_unique`);
  const comment = typeof table['comment'] === 'string' ? table['comment'] : '';
  return {
    name, comment, incarnation: markIn(comment), isMarked: markIn(comment) !== undefined,
    columns: columns.map((row) => ({
      name: String(row['column_name']), type: String(row['data_type']), nullable: row['is_nullable'] === true,
    })),
    uniqueKeys: [
      ...constraints.filter((row) => row['constraint_type'] === 'PRIMARY KEY' || row['constraint_type'] === 'UNIQUE').map((row) => String(row['names']).split('\x1f')),
      ...indexes.map((row) => String(row['expressions']).replace(/^\[|\]$/g, '').split(', ').map((part) => part.replace(/^'?"?|"?'?$/g, ''))),
    ],
    checks: constraints.filter((row) => row['constraint_type'] === 'CHECK').map((row) => ({ name: String(row['expression']), expression: String(row['expression']) })),
  };
}

async function incarnations(connection: SqlConnection, names: readonly TableName[]): Promise<readonly (string | undefined)[]> {
  if (names.length === 0) return [];
  const rows = await connection.query(`select schema_name, table_name, comment from duckdb_tables() where not temporary and (${names.map((name) => `(${here(name)})`).join(' or ')})`);
  return names.map((name) => {
    const row = rows.find((each) => each['schema_name'] === (name.schema ?? 'main') && each['table_name'] === name.table);
    return typeof row?.['comment'] === 'string' ? markIn(row['comment']) : undefined;
  });
}

const commentOn = (name: TableName, comment: string): string => `comment on table ${qualified(duckdbDialect, name)} is ${literal(comment)}`;

/** A table with an index can't be renamed, so the user's own indexes are made again on the table that takes the name. Views go by name. */
async function swap(connection: SqlConnection, { old, fresh, name, rewritten }: Swap): Promise<void> {
  const indexes = old ? await connection.query(`select sql from duckdb_indexes() where ${here(old)} and sql is not null`) : [];
  if (old) await connection.query(`drop table ${qualified(duckdbDialect, old)}`);
  if (rewritten) await remake(connection, fresh, name);
  else await connection.query(`alter table ${qualified(duckdbDialect, fresh)} rename to ${quoteName(name.table)}`);
  for (const index of indexes) await connection.query(String(index['sql']));
}

/**
 * Another table of the same form takes the rows. Never a rename in the transaction that changed or removed rows of the table: DuckDB
 * (1.5.6) can not replay that from its log, and after a crash the file would not open any more.
 */
async function remake(connection: SqlConnection, fresh: TableName, name: TableName): Promise<void> {
  const [table] = await connection.query(`select sql, comment from duckdb_tables() where not temporary and (${here(fresh)})`);
  const sql = String(table?.['sql']);
  await connection.query(`create table ${qualified(duckdbDialect, name)} ${sql.slice(sql.indexOf('(', sql.indexOf(fresh.table)))}`);
  await connection.query(`insert into ${qualified(duckdbDialect, name)} select * from ${qualified(duckdbDialect, fresh)}`);
  await connection.query(`drop table ${qualified(duckdbDialect, fresh)}`);
  if (typeof table?.['comment'] === 'string') await connection.query(commentOn(name, table['comment']));
}

/** Columns that the stage does not have keep what the target's row holds. */
function upsert(target: TableName, source: string, columns: readonly string[], key: readonly string[]): string {
  const others = columns.filter((column) => !key.includes(column));
  const matched = others.length === 0 ? '' : ` when matched then update set ${others.map((column) => `${quoteName(column)} = s.${quoteName(column)}`).join(', ')}`;
  const list = columns.map(quoteName).join(', ');
  return `merge into ${qualified(duckdbDialect, target)} as t using ${source} as s on (${keysEqual(duckdbDialect, key, ['t', 's'], true)})${matched}`
    + ` when not matched then insert (${list}) values (${columns.map((column) => `s.${quoteName(column)}`).join(', ')})`;
}

/** `on conflict` is planned as a merge, which takes DuckDB as long as ten other statements. Two at once there are not (connection.ts). */
function put(these: StateRows): readonly Statement[] {
  const table = `${quoteName(STATE_SCHEMA)}.${quoteName(these.table)}`;
  const same = keysEqual(duckdbDialect, these.key, ['t', 's'], false);
  const set = these.replaces.map((column) => `${quoteName(column)} = s.${quoteName(column)}`).join(', ');
  return valuesOf(duckdbDialect, these).flatMap(({ columns, values, params }) => {
    const rows = `(values ${values}) as s (${columns})`;
    return [
      ...(set === '' ? [] : [{ sql: `update ${table} as t set ${set} from ${rows} where ${same}`, params }]),
      { sql: `insert into ${table} (${columns}) select ${columns} from ${rows} where not exists (select 1 from ${table} as t where ${same})`, params },
    ];
  });
}

/** The infinite intervals of a vector, which DuckDB would take for long ones. */
const INFINITE_INTERVALS = "'178956970 years 7 months 2147483647 days 2562047788:00:54.775807', '-178956970 years -8 months -2147483648 days -2562047788:00:54.775808'";

function overflows(expression: string, from: string, to: string): string | undefined {
  if (from === 'INTERVAL') return `cast(${expression} as varchar) in (${INFINITE_INTERVALS})`;
  if (from === 'INTERVAL[]') return `list_has_any(cast(${expression} as varchar[]), [${INFINITE_INTERVALS}])`;
  return widensType(from, to) ? undefined : `${expression} is not null and try_cast(${expression} as ${to}) is null`;
}

export const duckdbDialect: SqlDialect = {
  name: 'duckdb',
  maxNameBytes: 255,
  defaultSchema: 'main',
  quote: quoteName,
  literal,
  prepareTypes: () => Promise.resolve(),
  mapType: mapDuckdbType,
  widens: widensType,
  sameType: (left, right) => canonicalType(left) === canonicalType(right),
  // a month equals 30 days there, and 0 equals -0; a target may hold wider floats
  comparable: (expression, type) => (/^(float|double)$/i.test(type) ? `${expression}::double::varchar` : /interval|double|float/i.test(type) ? `${expression}::varchar` : expression),
  lock: () => '', // transactions that change the file run one after the other (connection.ts)
  columnNames,
  readTable,
  incarnations,
  mark: (name, comment, incarnation) => [commentOn(name, withMark(comment, incarnation))],
  // No index: DuckDB checks it eagerly, it slows every write, and a table that has one can't be renamed by the swap. The fold keeps keys
  // unique from commit to commit, and `publish` removes what a load repeats.
  addKey: () => [],
  alterType: (name, column, type) => `alter table ${qualified(duckdbDialect, name)} alter column ${quoteName(column)} type ${type}`,
  upsert,
  refuseLeftOut: () => Promise.resolve(), // DuckDB has neither triggers nor rules
  put,
  swap,
  lockName: () => Promise.resolve(), // as above
  savepoint: (_connection, work) => work(), // DuckDB has none; nothing here is expected to fail
  isDuplicate: (error) => error instanceof EtlError && error.message.startsWith('DuckDB: Constraint Error: Duplicate key'),
  stageType: (field: Field) => {
    const type = stageTypeOf(field.type);
    return { type, cast: (expression, to) => (canonicalType(to) === type ? expression : `cast(${expression} as ${to})`) };
  },
  createTemporary: (table, columns) => `create temporary table if not exists ${quoteName(table)} (${columns.map((column) => `${quoteName(column.name)} ${column.type}`).join(', ')})`,
  rowId: 'rowid',
  overflows,
  nowText: "strftime(now() at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')",
  nowInstant: 'now()',
  textType: 'VARCHAR',
  ordinalType: 'BIGINT',
  opType: 'SMALLINT',
  needsUniqueKey: false,
  calendar: { days: [-2_147_483_646, 2_147_483_646], instants: [-9_223_372_022_400_000_000n, 9_223_372_036_854_775_806n] },
  instantType: INSTANT,
};

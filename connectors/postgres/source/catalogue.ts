import type { Schema } from '#batch';
import { EtlError, type StreamInfo } from '#sdk';
import type { Connection } from '../connection.ts';
import { classify } from '../errors.ts';
import { quoteName } from '../quoting.ts';
import { typeNameSql } from '../type-name.ts';
import { cursorKind, readColumn, valueTypeOf, type PgColumn, type PgType, type PgTypes } from '../types.ts';

/** Something that rows are read from. */
export interface Relation {
  readonly stream: string;
  readonly kind: StreamInfo['kind'];
  /** What stands after FROM. */
  readonly from: string;
  /** Of a stream that is a query of the user's: as the job has it. */
  readonly query?: string;
  /** Rows lie in this one file: ctid ranges cover it. */
  readonly hasCtid: boolean;
  /** Each row shows the transaction that wrote it: tables of Postgres' own, their partitions too. */
  readonly hasXmin: boolean;
  readonly columns: readonly PgColumn[];
  readonly types: PgTypes;
  /** Primary key, or a unique index whose columns are all NOT NULL. */
  readonly key: readonly string[];
  /** First columns of its indexes. */
  readonly indexed: readonly string[];
  readonly estimatedRows: number | undefined;
  readonly bytes: number | undefined;
}

interface RelationRow { oid: number; schema: string; name: string; stream: string; kind: string; tuples: number; bytes: string; subclass: boolean; heap: boolean }
interface ColumnRow { relation: number; name: string; typeOid: number; typmod: number; notNull: boolean }
interface IndexRow { relation: number; primary: boolean; usable: boolean; columns: string[] }

/** A part that holds a dot or a quote stands in quotes, as in SQL: else two tables could have one name. */
const namePart = (column: string): string => `CASE WHEN ${column} ~ '[."]' THEN '"' || replace(${column}, '"', '""') || '"' ELSE ${column}::text END`;
/** How a stream is called, over pg_namespace `n` and pg_class `c`. */
export const STREAM = `(${namePart('n.nspname')} || '.' || ${namePart('c.relname')})`;

const RELATIONS = `
  SELECT c.oid::int8::text::float8 AS oid, n.nspname AS schema, c.relname AS name, ${STREAM} AS stream, c.relkind::text AS kind, c.reltuples::float8 AS tuples,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) ELSE 0 END::text AS bytes, EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AS subclass,
    CASE WHEN c.relkind IN ('r', 'm') THEN c.relam = 2 WHEN c.relkind = 'p' THEN NOT EXISTS (
      SELECT FROM pg_catalog.pg_partition_tree(c.oid) p JOIN pg_catalog.pg_class x ON x.oid = p.relid WHERE p.isleaf AND (x.relkind <> 'r' OR x.relam <> 2)) ELSE false END AS heap
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND NOT c.relispartition AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`;

const COLUMNS = `
  SELECT a.attrelid::int8::text::float8 AS relation, a.attname AS name, a.atttypid::int8::text::float8 AS "typeOid", a.atttypmod AS typmod, a.attnotnull AS "notNull"
  FROM pg_catalog.pg_attribute a WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum`;

const INDEXES = `
  SELECT i.indrelid::int8::text::float8 AS relation, i.indisprimary AS primary,
    i.indisunique AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND bool_and(coalesce(a.attnotnull, false)) AS usable,
    array_agg(a.attname::text ORDER BY k.place) AS columns
  FROM pg_catalog.pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = ANY($1::oid[]) AND i.indisvalid AND k.place <= i.indnkeyatts GROUP BY i.indexrelid, i.indrelid, i.indisprimary, i.indisunique, i.indimmediate, i.indpred, i.indexprs
  ORDER BY i.indisprimary DESC, i.indexrelid`;

const TYPES = `
  SELECT t.oid::int8::text::float8 AS oid, n.nspname AS schema, t.typname AS name, t.typtype::text AS type, t.typbasetype::int8::text::float8 AS "baseOid", t.typtypmod AS "baseTypmod",
    CASE WHEN t.typcategory = 'A' AND t.typlen = -1 AND t.typname NOT IN ('int2vector', 'oidvector') THEN t.typelem ELSE 0 END::int8::text::float8 AS "elementOid",
    CASE WHEN t.typtype = 'e' THEN ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) END AS labels
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = ANY($1::oid[])`;

/** The types of these columns, with what they are made of. */
async function loadTypes(connection: Connection, oids: readonly number[]): Promise<PgTypes> {
  const types = new Map<number, PgType>();
  let wanted = [...new Set(oids)];
  while (wanted.length > 0) {
    const rows = await connection.query<PgType>(TYPES, [wanted]);
    for (const row of rows) types.set(row.oid, row);
    wanted = [...new Set(rows.flatMap((row) => [row.baseOid, row.elementOid]))].filter((oid) => oid > 0 && !types.has(oid));
  }
  return types;
}

type TypedColumn = Pick<PgColumn, 'typeOid' | 'typmod'>;

const NAMES = `SELECT ${typeNameSql('p.oid', 'p.typmod')} AS name FROM unnest($1::oid[], $2::int4[]) WITH ORDINALITY AS p(oid, typmod, place) ORDER BY p.place`;

/** Columns with their types named: as they are declared, and as their values are. */
async function nameTypes<T extends TypedColumn>(connection: Connection, columns: readonly T[], types: PgTypes): Promise<(T & Pick<PgColumn, 'typeName' | 'valueType'>)[]> {
  const values = columns.map(({ typeOid, typmod }) => valueTypeOf(types, typeOid, typmod));
  const asked = [...columns.map(({ typeOid, typmod }) => ({ oid: typeOid, typmod })), ...values];
  const rows = await connection.query<{ name: string }>(NAMES, [asked.map(({ oid }) => oid), asked.map(({ typmod }) => typmod)]);
  const nameAt = (place: number): string => rows[place]?.name ?? 'unknown';
  return columns.map((column, place) => ({ ...column, typeName: nameAt(place), valueType: `${nameAt(columns.length + place)}${values[place]?.isArray ? '[]' : ''}` }));
}

const KINDS: Readonly<Record<string, StreamInfo['kind']>> = { r: 'table', f: 'table', p: 'partitioned', v: 'view', m: 'view' };

function keyOf(indexes: readonly IndexRow[]): readonly string[] {
  return (indexes.find((index) => index.primary) ?? indexes.find((index) => index.usable))?.columns ?? [];
}

function byRelation<T extends { readonly relation: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row.relation);
    if (group) group.push(row);
    else groups.set(row.relation, [row]);
  }
  return groups;
}

/** Tables, views, materialised views and partitioned parents; only those named, if names are given. */
export async function loadRelations(connection: Connection, streams?: readonly string[]): Promise<readonly Relation[]> {
  const filter = streams ? ` AND ${STREAM} = ANY($1::text[])` : '';
  const relations = await connection.query<RelationRow>(`${RELATIONS}${filter} ORDER BY n.nspname, c.relname`, streams ? [streams] : []);
  const oids = relations.map((relation) => relation.oid);
  const [columns, indexes] = (await connection.queries([{ sql: COLUMNS, params: [oids] }, { sql: INDEXES, params: [oids] }])) as [ColumnRow[], IndexRow[]];
  const types = await loadTypes(connection, columns.map((column) => column.typeOid));
  const columnsOf = byRelation(await nameTypes(connection, columns, types));
  const indexesOf = byRelation(indexes);
  return relations.map((relation) => {
    const own = indexesOf.get(relation.oid) ?? [];
    const inherited = relation.kind === 'r' && relation.subclass; // rows of the tables that inherit from it are read with it
    return {
      stream: relation.stream, kind: KINDS[relation.kind] ?? 'table', from: quoteName(relation.schema, relation.name),
      hasCtid: (relation.kind === 'r' || relation.kind === 'm') && !inherited, hasXmin: relation.heap && !inherited, types,
      key: inherited ? [] : keyOf(own), // which those need not share
      columns: columnsOf.get(relation.oid) ?? [],
      indexed: own.flatMap((index) => index.columns.slice(0, 1)),
      estimatedRows: relation.tuples < 0 ? undefined : relation.tuples,
      bytes: relation.kind === 'r' || relation.kind === 'm' ? Number(relation.bytes) : undefined,
    };
  });
}

/** A query of the user's, described by the server without running it for rows. */
export async function describeQuery(connection: Connection, stream: string, sql: string): Promise<Relation> {
  const from = `(${sql.trim().replace(/;\s*$/, '')}\n) AS query`;
  const columns = await connection.describe(`SELECT * FROM ${from} LIMIT 0`).catch((error: unknown) => { throw aboutQuery(error, stream); });
  const types = await loadTypes(connection, columns.map((column) => column.typeOid));
  return {
    stream, kind: 'query', from, query: sql, hasCtid: false, hasXmin: false, types, key: [], indexed: [], estimatedRows: undefined, bytes: undefined,
    columns: (await nameTypes(connection, columns, types)).map((column) => ({ ...column, notNull: false })),
  };
}

/** What is wrong with a query is wrong with its stream, not with the connection. */
function aboutQuery(error: unknown, stream: string): unknown {
  const known = error instanceof EtlError ? error : classify(error);
  if (!known) return error;
  return new EtlError({ kind: known.kind, code: known.code, message: `${stream}: ${known.message}`, configPath: `streams.${stream}.query`, cause: error, ...(known.hint === undefined ? {} : { hint: known.hint }) });
}

export function schemaOf(relation: Relation): Schema {
  return { fields: relation.columns.map((column) => readColumn(column, relation.types, false).field), key: relation.key };
}

export function streamInfo(relation: Relation): StreamInfo {
  const usable = relation.columns.filter((column) => cursorKind(relation.types.get(column.typeOid)) !== undefined);
  const cursors = usable.map((column) => column.name).sort((a, b) => Number(relation.indexed.includes(b)) - Number(relation.indexed.includes(a)));
  return {
    name: relation.stream, kind: relation.kind, schema: schemaOf(relation), cursors,
    ...(relation.estimatedRows === undefined ? {} : { estimatedRows: relation.estimatedRows }),
    ...(relation.bytes === undefined ? {} : { estimatedBytes: relation.bytes }),
  };
}

/** The relation of a selection, or a typed error. */
export function missing(stream: string): EtlError {
  return new EtlError({ kind: 'not_found', code: 'ETL-PG-005', message: `There is no table or view ${stream} that this role sees.` });
}

import type { Field } from '#batch';
import { EtlError } from '#sdk';
import { valuesOf, type MappedType, type SqlConnection, type SqlDialect, type Swap, type TableInfo, type TableName } from '../_shared/sql/dialect.ts';
import { markIn, STATE_SCHEMA, withMark } from '../_shared/sql/names.ts';
import { quoteName, quoteText } from './quoting.ts';
import { canonicalName, invalidInput, mapField, narrower, stageTypeOf, widensName } from './target-types.ts';
import { TypeCatalogue } from './type-catalogue.ts';
import { typeNameSql } from './type-name.ts';

const pathOf = (name: TableName): string => quoteName(...(name.schema === undefined ? [name.table] : [name.schema, name.table]));
const regclass = (name: TableName): string => `to_regclass(${quoteText(pathOf(name))})`;

/**
 * The comment of a table's row type. It goes with the table, through each rename, and nobody writes another: so the mark stays when a user
 * comments the table. A dump leaves it out, so that a restored table is known as such; the one in the table's comment, which a dump has, says
 * whose copy it is.
 */
const rowTypeComment = (table: string): string => `coalesce(obj_description((select reltype from pg_class where oid = ${table}), 'pg_type'), '')`;

async function readTable(connection: SqlConnection, name: TableName): Promise<TableInfo | undefined> {
  const [row] = await connection.query(`select c.oid, coalesce(obj_description(c.oid, 'pg_class'), '') as comment, ${rowTypeComment('c.oid')} as row_type,
    (select json_agg(json_build_object('name', a.attname, 'type', ${typeNameSql('a.atttypid', 'a.atttypmod')}, 'nullable', not a.attnotnull) order by a.attnum)
      from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)::text as columns,
    (select json_agg((select json_agg(a.attname order by k.place) from unnest(i.indkey::int2[]) with ordinality k(num, place) join pg_attribute a on a.attrelid = c.oid and a.attnum = k.num where k.place <= i.indnkeyatts))
      from pg_index i where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null)::text as keys,
    (select json_agg(json_build_object('name', k.conname, 'expression', pg_get_expr(k.conbin, k.conrelid))) from pg_constraint k where k.conrelid = c.oid and k.contype = 'c')::text as checks
    from pg_class c where c.oid = ${regclass(name)} and c.relkind in ('r', 'p')`);
  if (!row) return undefined;
  const list = <T>(value: unknown): readonly T[] => (typeof value === 'string' ? (JSON.parse(value) as readonly T[] | null) ?? [] : []);
  const comment = String(row['comment']);
  const mark = markIn(String(row['row_type']));
  return {
    name, comment, incarnation: mark, isMarked: mark !== undefined && mark === markIn(comment),
    columns: list(row['columns']), uniqueKeys: list<readonly string[] | null>(row['keys']).filter((key) => key !== null), checks: list(row['checks']),
  };
}

/**
 * What rests on a table, or was set on it, and would go if `fresh` took its place, or would stop that: views, constraints, indexes, triggers,
 * policies, publications, defaults, settings of the table and its columns. At most three of them, by name. The key is the job's.
 */
async function bornBy(connection: SqlConnection, old: TableName, fresh: TableName): Promise<readonly string[]> {
  const table = (it: string) => `${it}.relkind, ${it}.relowner, ${it}.reltablespace, ${it}.relpersistence, ${it}.relreplident, ${it}.relrowsecurity, ${it}.relforcerowsecurity, ${it}.relam, ${it}.reloftype, ${it}.reloptions`;
  const column = (it: string) => `${it}.attidentity, ${it}.attgenerated, ${it}.attacl, ${it}.attoptions, ${it}.attstattarget, col_description(${it}.attrelid, ${it}.attnum), (select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d where d.adrelid = ${it}.attrelid and d.adnum = ${it}.attnum)`;
  const typed = (it: string) => `${it}.attstorage, ${it}.attcollation, to_jsonb(${it}) -> 'attcompression'`; // before Postgres 14 there is none
  const [row] = await connection.query(`select array_to_json(array(
    select pg_describe_object(d.classid, d.objid, d.objsubid) from pg_class o join pg_depend d on (d.refclassid = 'pg_class'::regclass and d.refobjid = o.oid) or (d.refclassid = 'pg_type'::regclass and d.refobjid = o.reltype)
      where o.oid = ${regclass(old)} and d.deptype <> 'i' and d.classid <> 'pg_attrdef'::regclass
      and not exists (select 1 from pg_constraint k where d.classid = 'pg_constraint'::regclass and k.oid = d.objid and k.contype in ('p', 'n'))
    union select 'what it inherits' from pg_inherits i where i.inhrelid = ${regclass(old)}
    union select 'its security label' from pg_seclabel l where l.classoid = 'pg_class'::regclass and l.objoid = ${regclass(old)}
    union select 'settings of the table' from pg_class o, pg_class f where o.oid = ${regclass(old)} and f.oid = ${regclass(fresh)} and (${table('o')}) is distinct from (${table('f')})
    union select 'settings of column ' || a.attname from pg_attribute a left join pg_attribute b on b.attrelid = ${regclass(fresh)} and b.attname = a.attname
      where a.attrelid = ${regclass(old)} and a.attnum > 0 and not a.attisdropped
      and (a.attnotnull and not coalesce(b.attnotnull, false) and not exists (select 1 from pg_index i where i.indrelid = a.attrelid and i.indisprimary and a.attnum = any(i.indkey))
        or case when b.attrelid is null then a.atthasdef or a.attidentity <> '' or a.attacl is not null else (${column('a')}) is distinct from (${column('b')}) end
        or a.atttypid = b.atttypid and (${typed('a')}) is distinct from (${typed('b')}))
    limit 3))::text as born`);
  return JSON.parse(String(row?.['born'])) as string[];
}

/** Makes the table take the rows of `fresh` as it stands: new columns and wider types, as for any other load. */
async function fit(connection: SqlConnection, { old, fresh, born }: { readonly old: TableName; readonly fresh: TableName; readonly born: readonly string[] }): Promise<void> {
  const before = await readTable(connection, old);
  const after = await readTable(connection, fresh);
  const misfit = (what: string) => new EtlError({
    kind: 'schema', code: 'ETL-PG-117', message: `${pathOf(old)} can not take these rows as it stands: ${what}. A table made anew would be without ${born.join(', ')}.`,
    hint: 'Change the column or the key by hand, so that the table can be filled in place; or take away what rests on it.',
  });
  for (const { name, type } of after?.columns ?? []) {
    const there = before?.columns.find((column) => column.name === name)?.type;
    if (there === undefined) await connection.query(`alter table ${pathOf(old)} add column ${quoteName(name)} ${type}`);
    else if (canonicalName(there) === canonicalName(type) || widensName(type, there)) continue;
    else if (widensName(there, type)) await connection.query(plainDialect.alterType(old, name, type));
    else throw misfit(`${name} is ${there}, and is to be ${type}`);
  }
  const key = after?.uniqueKeys.find((wanted) => !before?.uniqueKeys.some((unique) => unique.length === wanted.length && wanted.every((name) => unique.includes(name))));
  if (key) throw misfit(`its key is to be (${key.join(', ')})`);
}

/** Owner's grants go on to the table that takes the name. */
async function copyGrants(connection: SqlConnection, from: string, to: TableName): Promise<void> {
  const rows = await connection.query(`select a.privilege_type as privilege, case a.grantee when 0 then null else pg_get_userbyid(a.grantee) end as grantee, a.is_grantable as grantable
    from pg_class c, aclexplode(c.relacl) a where c.oid = ${from} and a.grantee <> c.relowner`);
  for (const row of rows) {
    const grantee = typeof row['grantee'] === 'string' ? quoteName(row['grantee']) : 'public';
    await connection.query(`grant ${String(row['privilege'])} on ${pathOf(to)} to ${grantee}${row['grantable'] === true ? ' with grant option' : ''}`);
  }
}

/**
 * A rename, so that nothing is written twice. A table that bears more than the one that would take its place is emptied and filled instead,
 * in the same transaction: slower, but what rests on it goes on.
 */
async function swap(connection: SqlConnection, { old, fresh, name }: Swap): Promise<void> {
  const to = quoteName(name.table);
  if (!old) {
    await connection.query(`alter table ${pathOf(fresh)} rename to ${to}`);
    return renameKey(connection, name);
  }
  await connection.query(`lock table ${pathOf(old)} in access exclusive mode`);
  const born = await bornBy(connection, old, fresh);
  if (born.length > 0) {
    await fit(connection, { old, fresh, born });
    return refill(connection, old, fresh);
  }
  await copyGrants(connection, regclass(old), fresh);
  await connection.query(`drop table ${pathOf(old)}`);
  await connection.query(`alter table ${pathOf(fresh)} rename to ${to}`);
  await renameKey(connection, name);
}

/** The key's name would else tell of the stage, and meet the next load's. */
async function renameKey(connection: SqlConnection, name: TableName): Promise<void> {
  const [row] = await connection.query(`select conname from pg_constraint where conrelid = ${regclass(name)} and contype = 'p' and conname like '\\_etl\\_%'`);
  const wanted = `${name.table.slice(0, 50)}_pkey`;
  if (!row) return;
  const [taken] = await connection.query(`select 1 as one from pg_class where relname = $1 and relnamespace = (select relnamespace from pg_class where oid = ${regclass(name)})`, [wanted]);
  if (!taken) await connection.query(`alter table ${pathOf(name)} rename constraint ${quoteName(String(row['conname']))} to ${quoteName(wanted)}`);
}

/** Does the table, or a part of it, have a trigger that can keep a row as it was, or a rule. */
async function mayLeaveOut(connection: SqlConnection, name: TableName): Promise<boolean> {
  const [row] = await connection.query(`with recursive parts as (select ${regclass(name)}::oid as oid union all select i.inhrelid from pg_inherits i join parts p on i.inhparent = p.oid)
    select exists (select 1 from parts p join pg_trigger t on t.tgrelid = p.oid where not t.tgisinternal and t.tgenabled <> 'D' and t.tgtype::int & 3 = 3)
    or exists (select 1 from parts p join pg_rewrite r on r.ev_class = p.oid where r.ev_enabled <> 'D') as may`); // 3: for each row, before
  return row?.['may'] === true;
}

/** Nothing is dropped silently, not by the target either. The writer's lock on the table keeps triggers as they are until its transaction ends. */
async function refuseLeftOut(connection: SqlConnection, name: TableName, missing: readonly string[]): Promise<void> {
  if (!(await mayLeaveOut(connection, name))) return;
  for (const query of missing) {
    const [row] = await connection.query(query);
    const rows = Number(row?.['missing']);
    if (rows <= 0) continue;
    throw new EtlError({
      kind: 'data', code: 'ETL-PG-118', message: `A trigger or a rule of ${pathOf(name)} kept ${rows} rows from being written.`,
      hint: 'Disable it for the role of this connection, or leave such rows out at the source.',
    });
  }
}

async function refill(connection: SqlConnection, old: TableName, fresh: TableName): Promise<void> {
  const info = await readTable(connection, fresh);
  const columns = (info?.columns ?? []).map((column) => quoteName(column.name)).join(', ');
  await connection.query(`delete from ${pathOf(old)}`);
  await refuseLeftOut(connection, old, [`select count(*) as missing from ${pathOf(old)}`]);
  const stored = await connection.change(`insert into ${pathOf(old)} (${columns}) select ${columns} from ${pathOf(fresh)}`);
  await refuseLeftOut(connection, old, [`select count(*) - ${stored} as missing from ${pathOf(fresh)}`]);
  for (const statement of plainDialect.mark(old, info?.comment ?? '', info?.incarnation ?? '')) await connection.query(statement);
  await connection.query(`drop table ${pathOf(fresh)}`);
}

/** Known when a connection was made. */
export interface Server {
  major: number;
}

/** A dialect for one database: it learns which types are there. */
export function postgresDialect(server: Server): SqlDialect {
  const types = new TypeCatalogue();
  const mapType = (field: Field): MappedType => mapField(field, types);
  return {
    ...plainDialect, mapType,
    prepareTypes: (connection, fields) => types.learn(connection, fields),
    stageType: (field) => ({ type: stageTypeOf(field, mapType(field).sql), cast: (expression, to) => `(${expression})::${to}` }),
    overflows: (expression, from, to) => narrower(expression, from, to) ?? (server.major >= 16 ? invalidInput(expression, from, to) : undefined), // pg_input_is_valid
    addKey: (name, key, nullable) => addKey(name, key, nullable && server.major >= 15),
  };
}

/** Before Postgres 15 no index takes two NULLs for the same: there a key has none, and rows without one are rejected by name. */
function addKey(name: TableName, key: readonly string[], takesNulls: boolean): readonly string[] {
  const columns = key.map((column) => quoteName(column)).join(', ');
  return [takesNulls ? `create unique index on ${pathOf(name)} (${columns}) nulls not distinct` : `alter table ${pathOf(name)} add primary key (${columns})`];
}

function onConflict(key: readonly string[], replaces: readonly string[]): string {
  const set = replaces.map((column) => `${quoteName(column)} = excluded.${quoteName(column)}`).join(', ');
  return `on conflict (${key.map((column) => quoteName(column)).join(', ')}) do ${set === '' ? 'nothing' : `update set ${set}`}`;
}

/** To `=` some values that differ are equal (a month and 30 days, 0 and -0), and some types have none. A target may hold wider floats. */
function comparable(expression: string, type: string): string {
  const float = /^(?:real|double precision)(?<array>\[\])?$/.exec(canonicalName(type));
  if (float) return `${expression}::double precision${float.groups?.['array'] ?? ''}::text`;
  return /interval|json/.test(type) || /^(xml|point|box|circle|polygon|path|line|lseg)$/.test(canonicalName(type)) ? `${expression}::text` : expression;
}

const plainDialect: Omit<SqlDialect, 'mapType' | 'prepareTypes' | 'stageType' | 'overflows' | 'addKey'> = {
  name: 'postgres', maxNameBytes: 63, defaultSchema: 'public',
  quote: (name) => quoteName(name), literal: quoteText,
  widens: widensName,
  sameType: (left, right) => canonicalName(left) === canonicalName(right),
  comparable,
  lock: (strength) => (strength === 'update' ? 'for update' : 'for share'),
  // the view of information_schema takes a new connection ten times as long
  columnNames: async (connection, schema) => {
    const rows = await connection.query(`select c.relname || '.' || a.attname as name from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid
      where c.relnamespace = to_regnamespace(${quoteText(quoteName(schema))}) and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped`);
    return rows.map((row) => String(row['name']));
  },
  readTable,
  incarnations: async (connection, names) => {
    const [row] = await connection.query(`select json_build_array(${names.map((name) => rowTypeComment(regclass(name))).join(', ')})::text as comments`);
    return (JSON.parse(String(row?.['comments'])) as string[]).map((comment) => markIn(comment));
  },
  mark: (name, comment, incarnation) => [
    `comment on table ${pathOf(name)} is ${quoteText(withMark(comment, incarnation))}`,
    `comment on type ${pathOf(name)} is ${quoteText(withMark('', incarnation))}`,
  ],
  alterType: (name, column, type) => `alter table ${pathOf(name)} alter column ${quoteName(column)} type ${type} using ${quoteName(column)}::${type}`,
  upsert: (target, source, columns, key) => {
    const list = columns.map((column) => quoteName(column)).join(', ');
    return `insert into ${pathOf(target)} (${list}) select ${list} from ${source} n ${onConflict(key, columns.filter((column) => !key.includes(column)))}`;
  },
  refuseLeftOut,
  put: (these) => valuesOf(plainDialect, these).map(({ columns, values, params }) => ({
    sql: `insert into ${quoteName(STATE_SCHEMA, these.table)} (${columns}) values ${values} ${onConflict(these.key, these.replaces)}`, params,
  })),
  swap,
  savepoint: async (connection, work) => {
    await connection.query('savepoint etl');
    try {
      const result = await work();
      await connection.query('release savepoint etl');
      return result;
    } catch (error) {
      await connection.query('rollback to savepoint etl');
      throw error;
    }
  },
  isDuplicate: (error) => {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return cause instanceof Error && 'code' in cause && cause.code === '23505';
  },
  lockName: async (connection, name) => void (await connection.query('select pg_advisory_xact_lock(hashtextextended($1, 7))', [`etl ${name}`])),
  createTemporary: (table, columns) => `create temporary table ${quoteName(table)} (${columns.map((column) => `${quoteName(column.name)} ${column.type}`).join(', ')})`,
  rowId: 'ctid',
  nowText: `to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  nowInstant: 'now()', textType: 'text', ordinalType: 'bigint', opType: 'smallint', needsUniqueKey: true, calendar: { days: [-2_440_588, 2_145_042_905], instants: [-210_866_803_200_000_000n, 2n ** 63n - 2n] }, instantType: 'timestamp with time zone',
};

import type { Schema } from '#batch';
import type { Load, Target } from '#sdk';
import { keysEqual, qualified, type SqlConnection, type TableName } from './dialect.ts';
import { fillStage, movedCondition } from './fold.ts';
import { LOADED_AT, oldKeyColumn, OP, ORDINAL, RUN_ID, shortName, STATE_SCHEMA, VALID_FROM, VALID_TO } from './names.ts';
import type { Applying } from './merge.ts';
import type { RunContext } from './run.ts';
import type { Sink } from './sink.ts';
import { insertAll } from './stored.ts';

export interface Versions {
  readonly target: Target;
  readonly into: TableName;
  /** Stage of a session, or a load's table. */
  readonly from: TableName;
  readonly schema: Schema;
  readonly startedAt: string;
  /** A full load: keys that it did not see end (rule 14). */
  readonly closesUnseen: boolean;
  /** `from` has ordinals, ops and old keys. */
  readonly changes: boolean;
  readonly load: string;
  /** Places at which all versions end. */
  readonly truncates: readonly bigint[];
  cast?(column: string, expression: string): string;
}

/** Rule 14: a version per change that differs, from its `valid_from` to the next one's. */
export async function mergeVersions(context: RunContext, connection: SqlConnection, versions: Versions): Promise<void> {
  const { dialect } = context.database;
  const { target } = versions;
  if (target.key.length === 0) throw context.database.error({ what: 'schema', message: `Stream ${target.stream} is written as scd2, but has no key.`, hint: 'Set `key:` for the stream.' });
  const table = qualified(dialect, versions.into);
  const kept = dialect.quote(shortName('v', context.token.runId, versions.into.schema ?? '', versions.into.table));
  const key = target.key.map(dialect.quote);
  const from = dialect.quote(VALID_FROM);
  const to = dialect.quote(VALID_TO);
  await connection.query(`drop table if exists ${kept}`);
  await connection.query(`create temporary table ${kept} as ${differing(context, versions)}`);
  await connection.query(`update ${table} as t set ${to} = v.first_at from (select ${key.join(', ')}, min(_etl_at) as first_at from ${kept} group by ${key.join(', ')}) v
    where t.${to} is null and ${keysEqual(dialect, target.key, ['t', 'v'], nullable(versions))}`);
  await dialect.refuseLeftOut(connection, versions.into, [`select count(*) as missing from ${table} t where t.${to} is null and exists (select 1 from ${kept} v where ${keysEqual(dialect, target.key, ['t', 'v'], nullable(versions))})`]);
  const columns = versions.schema.fields.map((field) => dialect.quote(field.name)).join(', ');
  const own = ownValues(context, target);
  const [names, values] = [own.map(([name]) => `, ${dialect.quote(name)}`).join(''), own.map(([, value]) => `, ${value}`).join('')];
  const dated = `(select *, lead(_etl_at) over (partition by ${key.join(', ')} order by _etl_seq) as _etl_until from ${kept}) v where not _etl_gone`;
  await insertAll({ dialect, connection, into: versions.into }, { columns: `${columns}, ${from}, ${to}${names}`, values: `${columns}, _etl_at, _etl_until${values}`, source: dated, order: '_etl_seq' });
  await connection.query(`drop table ${kept}`);
  if (versions.closesUnseen) await closeUnseen(context, connection, versions);
}

/** The columns that the job asked for; a position has only the row of a change log. */
function ownValues({ database: { dialect }, token }: RunContext, { addedColumns }: Target): readonly (readonly [name: string, value: string])[] {
  const values: Readonly<Record<string, string>> = { [LOADED_AT]: dialect.nowInstant, [RUN_ID]: dialect.literal(token.runId) };
  return addedColumns.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const]));
}

function nullable(versions: Versions): boolean {
  return versions.schema.fields.some((field) => versions.target.key.includes(field.name) && field.nullable);
}

/** Events that differ from the one before them, or from the open version. */
function differing(context: RunContext, versions: Versions): string {
  const { dialect } = context.database;
  const { target, schema, startedAt } = versions;
  const key = target.key.map(dialect.quote);
  const cast = (name: string, expression: string) => versions.cast?.(name, expression) ?? expression;
  const start = `cast(${dialect.literal(startedAt)} as ${dialect.instantType})`;
  const at = target.validFrom === undefined ? start : `coalesce(cast(${cast(target.validFrom, `s.${dialect.quote(target.validFrom)}`)} as ${dialect.instantType}), ${start})`;
  const fields = schema.fields.map((field) => `${cast(field.name, `s.${dialect.quote(field.name)}`)} as ${dialect.quote(field.name)}`);
  const marks = versions.changes
    ? [`s.${OP} = 3 as _etl_gone`, `${movedCondition(dialect, target.key)} as _etl_came`, `s.${ORDINAL} * 2 + 1 as _etl_seq`]
    : ['false as _etl_gone', 'false as _etl_came', 'row_number() over () as _etl_seq'];
  const events = [`select ${[...fields, ...marks].join(', ')}, ${at} as _etl_at from ${qualified(dialect, versions.from)} s`];
  if (versions.changes) events.push(movedAway(context, versions, at));
  for (const place of versions.truncates) events.push(truncated(context, versions, { at, start, place }));
  const compared = schema.fields.filter((field) => !target.key.includes(field.name) && field.name !== target.validFrom && !field.meta);
  const differs = (left: string, right: string) => compared.map((field) => {
    const type = dialect.mapType(field).sql;
    return `${dialect.comparable(`${left}.${dialect.quote(field.name)}`, type)} is distinct from ${dialect.comparable(`${right}.${dialect.quote(field.name)}`, type)}`;
  }).join(' or ') || 'false';
  const before = `lag(_etl_place) over (partition by ${key.join(', ')} order by _etl_seq)`;
  return `with events as (${events.join(' union all ')}),
placed as (select *, row_number() over (partition by ${key.join(', ')} order by _etl_seq) as _etl_place from events)
select e.* from (select *, ${before} as _etl_before from placed) e
  left join placed p on e._etl_place > 1 and p._etl_place = e._etl_place - 1 and ${keysEqual(dialect, target.key, ['e', 'p'], nullable(versions))}
  left join (select true as _etl_open, x.* from ${qualified(dialect, versions.into)} x where x.${dialect.quote(VALID_TO)} is null) t on e._etl_place = 1 and ${keysEqual(dialect, target.key, ['e', 't'], nullable(versions))}
where case when e._etl_place = 1 then case when e._etl_gone then t._etl_open is not null else e._etl_came or t._etl_open is null or (${differs('e', 't')}) end
  else case when e._etl_gone then not p._etl_gone else e._etl_came or p._etl_gone or (${differs('e', 'p')}) end end`;
}

/** A change of key ends the versions of the key that it leaves. */
function movedAway(context: RunContext, versions: Versions, at: string): string {
  const { dialect } = context.database;
  const { target, schema } = versions;
  const fields = schema.fields.map((field) => {
    const name = dialect.quote(field.name);
    const place = target.key.indexOf(field.name);
    const value = place < 0 ? `s.${name}` : `s.${oldKeyColumn(place)}`;
    const cast = versions.cast?.(field.name, value) ?? value;
    return place < 0 ? `case when false then ${cast} end as ${name}` : `${cast} as ${name}`;
  });
  return `select ${fields.join(', ')}, true as _etl_gone, false as _etl_came, s.${ORDINAL} * 2 as _etl_seq, ${at} as _etl_at from ${qualified(dialect, versions.from)} s where ${movedCondition(dialect, target.key)}`;
}

/** A truncate ends what is open then, at the time of the last change before it. */
function truncated(context: RunContext, versions: Versions, of: { readonly at: string; readonly start: string; readonly place: bigint }): string {
  const { dialect } = context.database;
  const { target, schema, from, into } = versions;
  const stage = qualified(dialect, from);
  const names = schema.fields.map((field) => (target.key.includes(field.name) ? `k.${dialect.quote(field.name)}` : `case when false then x.${dialect.quote(field.name)} end as ${dialect.quote(field.name)}`));
  const key = target.key.map(dialect.quote).join(', ');
  const cast = target.key.map((name) => `${versions.cast?.(name, `s.${dialect.quote(name)}`) ?? `s.${dialect.quote(name)}`} as ${dialect.quote(name)}`).join(', ');
  const keys = `(select ${cast} from ${stage} s where s.${ORDINAL} < ${of.place} union select ${key} from ${qualified(dialect, into)} where ${dialect.quote(VALID_TO)} is null)`;
  const time = `coalesce((select max(${of.at}) from ${stage} s where s.${ORDINAL} < ${of.place}), ${of.start})`;
  return `select ${names.join(', ')}, true as _etl_gone, false as _etl_came, ${of.place * 2n} as _etl_seq, ${time} as _etl_at from ${keys} k left join ${qualified(dialect, into)} x on false`;
}

/** Rejected keys count as seen; if one is not known, nothing is closed. */
async function closeUnseen(context: RunContext, connection: SqlConnection, versions: Versions): Promise<void> {
  const { dialect } = context.database;
  const { target } = versions;
  const rejected = await connection.query(`select key_json from ${STATE_SCHEMA}.quarantine where pipe = $1 and load = $2 and stream = $3`, [context.token.pipe, versions.load, target.stream]);
  const keys = rejected.map((row) => (typeof row['key_json'] === 'string' ? (JSON.parse(row['key_json']) as Record<string, unknown>) : undefined));
  if (keys.some((key) => key === undefined || !target.key.every((name) => key[name] !== undefined))) {
    context.note('warn', `${target.stream}: rejected rows of unknown key; versions that this load did not see stay open.`);
    return;
  }
  const seen = keys.map((key) => `not (${target.key.map((name) => `cast(t.${dialect.quote(name)} as ${dialect.textType}) = ${dialect.literal(String(key?.[name]))}`).join(' and ')})`);
  const match = keysEqual(dialect, target.key, ['t', 's'], nullable(versions));
  const unseen = `t.${dialect.quote(VALID_TO)} is null and not exists (select 1 from ${qualified(dialect, versions.from)} s where ${match})${seen.map((condition) => ` and ${condition}`).join('')}`;
  await endOpen(context, connection, versions, unseen);
}

/** Open versions of rows `t` end with the load's start. */
async function endOpen({ database: { dialect } }: RunContext, connection: SqlConnection, { into, startedAt }: Pick<Versions, 'into' | 'startedAt'>, which: string): Promise<void> {
  const table = qualified(dialect, into);
  await connection.query(`update ${table} as t set ${dialect.quote(VALID_TO)} = cast(${dialect.literal(startedAt)} as ${dialect.instantType}) where ${which}`);
  await dialect.refuseLeftOut(connection, into, [`select count(*) as missing from ${table} t where ${which}`]);
}

/** The versions of a commit. */
export async function applyVersions(applying: Applying, sink: Sink, load: Load): Promise<void> {
  const { context, connection } = applying;
  const { dialect } = context.database;
  if (!sink.stage) {
    // only truncates: whatever is open ends
    return endOpen(context, connection, { into: sink.into, startedAt: load.startedAt }, `t.${dialect.quote(VALID_TO)} is null`);
  }
  if (sink.pending.unavailable.size > 0) await fillStage(applying, sink);
  await mergeVersions(context, connection, {
    target: sink.target, into: sink.into, from: sink.stage, schema: sink.schema, startedAt: load.startedAt, closesUnseen: false, changes: true, load: load.id, truncates: sink.pending.truncates,
    cast: (name, expression) => sink.columns.find((column) => column.name === name)?.cast(expression) ?? expression,
  });
}

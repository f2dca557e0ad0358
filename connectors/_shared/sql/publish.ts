import { failpoint, type Load, type Target } from '#sdk';
import { keysEqual, qualified, type SqlRow, type SqlSession, type TableName } from './dialect.ts';
import { keyIsNullable, ownColumns, uniqueKey } from './evolve.ts';
import { findLoad, storedLoad, type HeldLoad } from './fence.ts';
import { checkIncarnations, markTable, own, storeIncarnation, storedIncarnations } from './incarnation.ts';
import { DELETED, STATE_SCHEMA, tableKey, targetName, VALID_FROM } from './names.ts';
import type { RunContext } from './run.ts';
import { mergeVersions } from './scd2.ts';
import { closeLoads, forgetStage, stagesOf, type Stage } from './stages.ts';
import { text } from './state.ts';
import { insertAll, upsertAll } from './stored.ts';

/** The stage becomes the table: keyed, dated, marked, renamed, all in this transaction. */
async function flip(context: RunContext, control: SqlSession, load: Load, stage: Stage): Promise<void> {
  const { dialect } = context.database;
  const name = targetName(dialect, stage.target);
  const key = uniqueKey(stage.target);
  let rewritten = key.length > 0 && (await addKey(context, control, stage, key));
  if (stage.target.write === 'scd2') {
    await dateVersions(context, control, load, stage);
    rewritten = true;
  }
  await own(context, control, stage.target, name);
  const old = await dialect.readTable(control, name);
  const incarnation = context.uuid();
  await markTable(context, control, { name: stage.name, comment: old?.comment, incarnation });
  await failpoint('sql.publish.flip');
  await dialect.swap(control, { old: old && name, fresh: stage.name, name, rewritten });
  await forgetStage(control, context.token.pipe, stage.name);
  await storeIncarnation(context, control, { stream: stage.stream, name, incarnation });
}

/** Pages of an API may repeat a row, and a declared key need not be one: of equal keys the last row written stays, and the others are counted. Returns whether there were any. */
async function addKey(context: RunContext, control: SqlSession, stage: Stage, key: readonly string[]): Promise<boolean> {
  const { dialect } = context.database;
  if (!dialect.needsUniqueKey) return !(await rises(context, control, stage, key)) && keepLast(context, control, stage, key);
  const nullable = keyIsNullable(stage.schema, key);
  const keyed = () => dialect.addKey(stage.name, key, nullable);
  try {
    await dialect.savepoint(control, async () => { for (const statement of keyed()) await control.query(statement); });
    return false;
  } catch (error) {
    if (!dialect.isDuplicate(error)) throw error;
  }
  await keepLast(context, control, stage, key);
  for (const statement of keyed()) await control.query(statement);
  return true;
}

/** Keys that only rise repeat none. That is seen at a glance, while the groups of a large table take thirty times as long. */
async function rises(context: RunContext, control: SqlSession, stage: Stage, key: readonly string[]): Promise<boolean> {
  const { dialect } = context.database;
  const columns = key.map((column) => dialect.quote(column));
  const before = columns.map((column) => `lag(${column}) over ()`);
  const [row] = await control.query(`select count(*) filter (where rises) = count(*) - 1 as rises from (select (${columns.join(', ')}) > (${before.join(', ')}) as rises from ${qualified(dialect, stage.name)}) as t`);
  return row?.['rises'] === true;
}

async function keepLast(context: RunContext, control: SqlSession, stage: Stage, key: readonly string[]): Promise<boolean> {
  const { dialect } = context.database;
  const table = qualified(dialect, stage.name);
  const columns = key.map((column) => dialect.quote(column)).join(', ');
  const [row] = await control.query(`select count(*) as keys, coalesce(sum(n - 1), 0) as extra from (select count(*) as n from ${table} group by ${columns} having count(*) > 1) d`);
  const [keys, extra] = [Number(row?.['keys'] ?? 0), Number(row?.['extra'] ?? 0)];
  if (extra === 0) return false;
  context.note('warn', `${stage.stream}: ${extra} rows have a key (${key.join(', ')}) that a later row has too: of these ${keys} keys the last row stays.`);
  await control.query(`delete from ${table} as t using (select ${columns}, max(${dialect.rowId}) as last_row from ${table} group by ${columns} having count(*) > 1) as d
    where ${keysEqual(dialect, key, ['t', 'd'], keyIsNullable(stage.schema, key))} and t.${dialect.rowId} <> d.last_row`);
  return true;
}

/** A table of versions that begins anew: each row is its key's first one (rule 14). */
async function dateVersions(context: RunContext, control: SqlSession, load: Load, stage: Stage): Promise<void> {
  const { dialect } = context.database;
  const { key, validFrom } = stage.target;
  await keepLast(context, control, stage, key);
  const start = `cast(${dialect.literal(load.startedAt)} as ${dialect.instantType})`;
  const at = validFrom === undefined ? start : `coalesce(cast(${dialect.quote(validFrom)} as ${dialect.instantType}), ${start})`;
  await control.query(`update ${qualified(dialect, stage.name)} set ${dialect.quote(VALID_FROM)} = ${at}`);
}

/** The load's rows join the table that stays. */
async function blend(context: RunContext, control: SqlSession, load: Load, stage: Stage): Promise<void> {
  const { dialect } = context.database;
  const name = targetName(dialect, stage.target);
  const columns = [...stage.schema.fields.map((field) => field.name), ...ownColumns(dialect, stage.target).map((column) => column.name)];
  if (stage.target.write === 'scd2') {
    await mergeVersions(context, control, { target: stage.target, into: name, from: stage.name, schema: stage.schema, startedAt: load.startedAt, closesUnseen: true, changes: false, load: load.id, truncates: [] });
  } else if (stage.target.write === 'merge') {
    const key = stage.target.key.map((column) => dialect.quote(column)).join(', ');
    const latest = `(select distinct on (${key}) * from ${qualified(dialect, stage.name)} order by ${key}, ${dialect.rowId} desc)`;
    await upsertAll({ dialect, connection: control, into: name }, { source: latest, columns: columns.filter((column) => column !== DELETED), key: stage.target.key });
  } else {
    const list = await commonColumns(control, context, stage, name);
    await insertAll({ dialect, connection: control, into: name }, { columns: list, values: list, source: qualified(dialect, stage.name), order: dialect.rowId });
  }
  await control.query(`drop table ${qualified(dialect, stage.name)}`);
  await forgetStage(control, context.token.pipe, stage.name);
}

async function commonColumns(control: SqlSession, context: RunContext, stage: Stage, name: TableName): Promise<string> {
  const { dialect } = context.database;
  const from = await dialect.readTable(control, stage.name);
  const into = await dialect.readTable(control, name);
  const names = (from?.columns ?? []).map((column) => column.name).filter((column) => into?.columns.some((other) => other.name === column));
  return names.map((column) => dialect.quote(column)).join(', ');
}

async function publishStage(context: RunContext, control: SqlSession, load: Load, stage: Stage): Promise<void> {
  const name = targetName(context.database.dialect, stage.target);
  const stored = await storedIncarnations(context, control, stage.stream);
  const known = stored[tableKey(name)] !== undefined;
  const replaces = load.rebuild || stage.target.write === 'replace';
  const exists = known || (await context.database.dialect.readTable(control, name)) !== undefined;
  if (replaces || (!exists && stage.target.write !== 'scd2')) return flip(context, control, load, stage);
  await checkIncarnations(context, control, [{ stream: stage.stream, name }]);
  return blend(context, control, load, stage);
}

/** A stream of a full load that sent no schema and no row still replaces its table by an empty one, if there is one. */
async function emptyTarget(context: RunContext, control: SqlSession, target: Target): Promise<void> {
  const { dialect } = context.database;
  const name = targetName(dialect, target);
  if (!(await dialect.readTable(control, name))) return;
  await own(context, control, target, name);
  await control.query(`delete from ${qualified(dialect, name)}`);
  await dialect.refuseLeftOut(control, name, [`select count(*) as missing from ${qualified(dialect, name)}`]);
}

function notComplete(held: HeldLoad, streams: readonly string[], splits: readonly SqlRow[]): string | undefined {
  if (held.load.kind === 'live') return undefined;
  const theirs = held.load.splits.filter((split) => split.streams.some((stream) => streams.includes(stream)));
  return theirs.find((split) => !splits.some((row) => row['split'] === split.id && row['complete'] === true))?.id;
}

/** Position of a stream when this load ends for it: the plan's, or where the live split stands by what is committed, never by memory. */
function positionOf(load: Load, stream: string, splits: readonly SqlRow[]): string | undefined {
  const committed = load.kind === 'live' ? text(splits[0]?.['position']) : undefined;
  return committed ?? (load.positions[stream] === undefined ? undefined : JSON.stringify(load.positions[stream]));
}

/** Rule 13, inside a transaction that holds the run. */
export async function publishLoad(context: RunContext, control: SqlSession, load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
  const { database, token } = context;
  const [found, rows, splits = []] = await control.queries([
    findLoad(database, token, load.id),
    { sql: `select stream, published_load from ${STATE_SCHEMA}.streams where pipe = $1`, params: [token.pipe] },
    { sql: `select split, complete, position from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2`, params: [token.pipe, load.id] },
  ]);
  const held = storedLoad(found?.[0]);
  const published = (stream: string) => rows?.some((row) => row['stream'] === stream && row['published_load'] === load.id);
  const open = streams.filter((stream) => held?.open.includes(stream));
  if (open.length === 0 && streams.every(published)) return 'already';
  if (!held || open.length + streams.filter(published).length < streams.length) {
    throw database.error({ what: 'fenced', scope: 'load', message: `Load ${load.id} of "${token.pipe}" has ended or was replaced; nothing was published.` });
  }
  const missing = notComplete(held, open, splits);
  if (missing !== undefined) throw database.error({ what: 'internal', message: `Load ${load.id} can't be published: split ${missing} is not complete.` });
  if (held.load.staged) await publishStages(context, control, held.load, open);
  else await checkIncarnations(context, control, held.load.targets.filter((target) => open.includes(target.stream)).map((target) => ({ stream: target.stream, name: targetName(database.dialect, target) })));
  await control.queries(open.map((stream) => ({
    sql: `update ${STATE_SCHEMA}.streams set position = coalesce($3::text, position), published_load = $4, rebuild = false, fingerprint = $5, published_at = ${database.dialect.nowText} where pipe = $1 and stream = $2`,
    params: [token.pipe, stream, positionOf(held.load, stream, splits) ?? null, load.id, held.load.fingerprint],
  })));
  const left = held.open.filter((stream) => !open.includes(stream));
  if (left.length === 0) await closeLoads(database, control, token.pipe, [load.id]);
  else await control.query(`update ${STATE_SCHEMA}.loads set open_streams = $3 where pipe = $1 and load = $2`, [token.pipe, load.id, JSON.stringify(left)]);
  return 'published';
}

async function publishStages(context: RunContext, control: SqlSession, load: Load, open: readonly string[]): Promise<void> {
  const stages = (await stagesOf(control, context.token.pipe)).filter((stage) => stage.load === load.id && open.includes(stage.stream));
  for (const stage of stages) await publishStage(context, control, load, stage);
  for (const target of load.targets.filter((each) => open.includes(each.stream))) {
    const staged = stages.some((stage) => stage.target.table === target.table && stage.target.schema === target.schema);
    if (!staged && (load.rebuild || target.write === 'replace')) await emptyTarget(context, control, target);
  }
}

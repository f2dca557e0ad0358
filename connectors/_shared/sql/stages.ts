import type { Schema } from '#batch';
import type { LoadId, PipeId, Target } from '#sdk';
import { qualified, type SqlConnection, type SqlDatabase, type SqlRow, type TableName } from './dialect.ts';
import { STATE_SCHEMA } from './names.ts';
import { text } from './state.ts';

/** A table that a load or a resync fills before it shows. Registered before it is made, so that none is orphaned. */
export interface Stage {
  readonly name: TableName;
  /** Of a `load`: the load; of a `shadow`: none, since a resync outlives its load. */
  readonly load: LoadId | undefined;
  readonly stream: string;
  readonly kind: 'load' | 'shadow';
  readonly generation: string | undefined;
  readonly target: Target;
  readonly schema: Schema;
}

function stageOf(row: SqlRow): Stage {
  return {
    name: { schema: String(row['schema_name']), table: String(row['table_name']) },
    load: text(row['load']), stream: String(row['stream']), kind: row['kind'] === 'shadow' ? 'shadow' : 'load',
    generation: text(row['generation']), target: JSON.parse(String(row['target'])) as Target, schema: JSON.parse(String(row['schema_json'])) as Schema,
  };
}

export async function stagesOf(connection: SqlConnection, pipe: PipeId): Promise<Stage[]> {
  return (await connection.query(`select * from ${STATE_SCHEMA}.stages where pipe = $1 order by schema_name, table_name`, [pipe])).map(stageOf);
}

export async function registerStage(database: SqlDatabase, connection: SqlConnection, pipe: PipeId, stage: Stage): Promise<void> {
  const row = {
    pipe, schema_name: stage.name.schema ?? '', table_name: stage.name.table, load: stage.load ?? null, stream: stage.stream, kind: stage.kind, generation: stage.generation ?? null,
    target: JSON.stringify(stage.target), schema_json: JSON.stringify(stage.schema),
  };
  await connection.queries(database.dialect.put({ table: 'stages', key: ['pipe', 'schema_name', 'table_name'], replaces: ['target', 'schema_json'], rows: [row] }));
}

export async function forgetStage(connection: SqlConnection, pipe: PipeId, name: TableName): Promise<void> {
  await connection.query(`delete from ${STATE_SCHEMA}.stages where pipe = $1 and schema_name = $2 and table_name = $3`, [pipe, name.schema ?? '', name.table]);
}

export async function dropStages(database: SqlDatabase, connection: SqlConnection, pipe: PipeId, stages: readonly Stage[]): Promise<void> {
  for (const stage of stages) {
    await connection.query(`drop table if exists ${qualified(database.dialect, stage.name)}`);
    await forgetStage(connection, pipe, stage.name);
  }
}

/** Ends loads that are replaced or reset: their writers, rows, splits and stages go; what a session still does meets no load (rule 7). */
export async function endLoads(database: SqlDatabase, connection: SqlConnection, pipe: PipeId, loads: readonly LoadId[]): Promise<void> {
  for (const load of loads) {
    const splits = await connection.query(`select backend from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2 and backend is not null`, [pipe, load]);
    // a dead writer may hold locks on the load's tables (rule 10)
    for (const split of splits) await database.terminate(connection, String(split['backend']));
  }
  await closeLoads(database, connection, pipe, loads);
}

/** Ends loads whose work is done: nobody writes them any more. */
export async function closeLoads(database: SqlDatabase, connection: SqlConnection, pipe: PipeId, loads: readonly LoadId[]): Promise<void> {
  if (loads.length === 0) return;
  await connection.queries(loads.flatMap((load) => [
    { sql: `delete from ${STATE_SCHEMA}.splits where pipe = $1 and load = $2`, params: [pipe, load] },
    { sql: `delete from ${STATE_SCHEMA}.loads where pipe = $1 and load = $2`, params: [pipe, load] },
  ]));
  const theirs = (await stagesOf(connection, pipe)).filter((stage) => stage.load !== undefined && loads.includes(stage.load));
  await dropStages(database, connection, pipe, theirs);
}

import type { Schema } from '#batch';
import type { Load, Target } from '#sdk';
import { tableKey, targetName, shortName } from './names.ts';
import type { SqlConnection, TableInfo, TableName } from './dialect.ts';
import { createTable, keyIsNullable, mapColumns, ownColumns, planTable, uniqueKey, type PlannedColumn, type TablePlan } from './evolve.ts';
import { loadFence, runFence } from './fence.ts';
import { markTable, own, refuseOther, storeIncarnation, takeTable } from './incarnation.ts';
import type { RunContext } from './run.ts';
import { nothingPending, sinkKey, stageColumns, type Sink } from './sink.ts';
import { dropStages, forgetStage, registerStage, stagesOf } from './stages.ts';

interface Wanted {
  readonly generation: string | undefined;
  readonly changes: boolean;
}
interface Prepared {
  readonly sink: Sink;
  readonly changes: readonly string[];
}

/** Makes and widens the tables that a session writes, outside its commits (rule 30), on the run's control connection. */
export class Tables {
  private readonly context: RunContext;
  private readonly load: Load;

  constructor(context: RunContext, load: Load) {
    this.context = context;
    this.load = load;
  }

  async prepare(target: Target, schema: Schema, wanted: Wanted): Promise<Prepared> {
    const { control, database, token } = this.context;
    return control.transact([runFence(database, token, 'share'), loadFence(database, token, this.load)], async (session) => {
      await database.dialect.prepareTypes(session, schema.fields);
      await database.dialect.lockName(session, tableKey(targetName(database.dialect, target)));
      if (this.load.staged) return this.prepareStage(session, target, schema, { kind: 'load', generation: undefined, changes: wanted.changes });
      if (wanted.generation !== undefined) return this.prepareStage(session, target, schema, { kind: 'shadow', generation: wanted.generation, changes: wanted.changes });
      return this.prepareTarget(session, target, schema, wanted.changes);
    });
  }

  private async prepareTarget(control: SqlConnection, target: Target, schema: Schema, changes: boolean): Promise<Prepared> {
    const { dialect } = this.context.database;
    const name = targetName(dialect, target);
    const info = await dialect.readTable(control, name);
    const logged = changes || (info?.columns.some((column) => column.name === '_etl_op') ?? false);
    const plan = planTable(dialect, { info, target, schema, changes: logged });
    this.refuseConflicts(plan);
    if (!info) await own(this.context, control, target, name);
    for (const statement of plan.ddl) await control.query(statement);
    await takeTable(this.context, control, { target, name, info });
    const sink = this.sink(target, schema, { into: name, isTarget: true, limits: info, plan, hasKeyIndex: uniqueKey(target).length > 0, logsChanges: logged && target.write === 'append' });
    return { sink, changes: plan.ddl };
  }

  /** A table that is emptied before its schema is said; undefined: there is none. */
  async emptySink(target: Target): Promise<Sink | undefined> {
    const { control, database } = this.context;
    const name = targetName(database.dialect, target);
    const info = await control.run((session) => database.dialect.readTable(session, name));
    if (!info || this.load.staged) return undefined;
    const plan: TablePlan = { ddl: [], columns: [], conflicts: [], planned: [] };
    return this.sink(target, { fields: [], key: [] }, { into: name, isTarget: true, limits: undefined, plan, hasKeyIndex: true, logsChanges: false });
  }

  /** A load's own table has no key until publish, so that it fills fast; a shadow takes changes, so it has. */
  private async prepareStage(control: SqlConnection, target: Target, schema: Schema, of: Wanted & { readonly kind: 'load' | 'shadow' }): Promise<Prepared> {
    const { database, token } = this.context;
    const { dialect } = database;
    const goal = targetName(dialect, target);
    const table = of.kind === 'load' ? shortName('l', token.pipe, this.load.id, tableKey(goal)) : shortName('s', token.pipe, of.generation ?? '', tableKey(goal));
    const name: TableName = { schema: goal.schema, table };
    if (of.kind === 'shadow') {
      const older = (await stagesOf(control, token.pipe)).filter((stage) => stage.kind === 'shadow' && tableKey(targetName(dialect, stage.target)) === tableKey(goal) && stage.generation !== of.generation);
      await dropStages(database, control, token.pipe, older);
    }
    await refuseOther(this.context, control, target); // before a row is read: publish would refuse them all
    const { joined, changes } = await this.prepareGoal(control, target, schema, of);
    const info = await dialect.readTable(control, name);
    await registerStage(database, control, token.pipe, { name, load: of.kind === 'load' ? this.load.id : undefined, stream: target.stream, kind: of.kind, generation: of.generation, target, schema });
    const planned = joined?.plan.planned ?? mapColumns(dialect, schema);
    const keyed = of.kind === 'shadow' && uniqueKey(target).length > 0;
    if (!info) await this.create(control, { name, goal, planned, target, schema, keyed, changes: of.changes });
    else for (const statement of planTable(dialect, { info, target: { ...target, write: 'append', evolve: { tables: true, columns: true, types: true } }, schema, changes: of.changes }).ddl) await control.query(statement);
    const plan: TablePlan = { ddl: [], columns: [], conflicts: [], planned };
    return { sink: this.sink(target, schema, { into: name, isTarget: false, limits: joined?.info, plan, hasKeyIndex: keyed, logsChanges: of.changes && target.write === 'append' }), changes: info ? [] : changes }; // said once, by the session that makes the stage
  }

  /**
   * What the publish will change at the table, as `plan` says it. One that stays must fit before the first row is written;
   * `joined`: the rows will join it, so they must be of its types and keep its constraints.
   */
  private async prepareGoal(control: SqlConnection, target: Target, schema: Schema, of: Wanted & { readonly kind: 'load' | 'shadow' }): Promise<{ joined?: { readonly info: TableInfo | undefined; readonly plan: TablePlan }; changes: readonly string[] }> {
    const { database } = this.context;
    const name = targetName(database.dialect, target);
    const info = await database.dialect.readTable(control, name);
    const replaces = of.kind === 'shadow' || this.load.rebuild || target.write === 'replace';
    const plan = planTable(database.dialect, { info, target, schema, changes: of.changes, replaces });
    this.refuseConflicts(plan);
    if (replaces || (!info && target.write !== 'scd2')) return { changes: plan.ddl };
    for (const statement of plan.ddl) await control.query(statement);
    await takeTable(this.context, control, { target, name, info });
    return { joined: { info, plan }, changes: plan.ddl };
  }

  private refuseConflicts(plan: TablePlan): void {
    if (plan.conflicts.length === 0) return;
    throw this.context.database.error({ what: 'schema', message: plan.conflicts.join(' '), hint: 'Change the contract of the stream, cast the column, or run with `--full-refresh`.' });
  }

  private async create(connection: SqlConnection, of: { name: TableName; goal: TableName; planned: readonly PlannedColumn[]; target: Target; schema: Schema; keyed: boolean; changes: boolean }): Promise<void> {
    const { dialect } = this.context.database;
    if (of.goal.schema !== dialect.defaultSchema) await connection.query(`create schema if not exists ${dialect.quote(of.goal.schema ?? '')}`);
    await connection.query(createTable(dialect, of.name, of.planned, ownColumns(dialect, of.target, of.changes)));
    const key = uniqueKey(of.target);
    if (of.keyed) for (const statement of dialect.addKey(of.name, key, keyIsNullable(of.schema, key))) await connection.query(statement);
  }

  private sink(target: Target, schema: Schema, of: { into: TableName; isTarget: boolean; limits: TableInfo | undefined; plan: TablePlan; hasKeyIndex: boolean; logsChanges: boolean }): Sink {
    const { dialect } = this.context.database;
    const key = sinkKey(target);
    return {
      target, schema, into: of.into, isTarget: of.isTarget, limits: of.limits, key, nullableKey: keyIsNullable(schema, key), hasKeyIndex: of.hasKeyIndex, logsChanges: of.logsChanges,
      columns: stageColumns(dialect, of.plan), stage: undefined, stageTarget: undefined, direct: undefined, pending: nothingPending(),
    };
  }
}

/** The shadows of a stream become its tables, in the running commit (rule 16). */
export async function swapShadow(context: RunContext, connection: SqlConnection, stream: string): Promise<void> {
  const { dialect } = context.database;
  for (const stage of await stagesOf(connection, context.token.pipe)) {
    if (stage.kind !== 'shadow' || stage.stream !== stream) continue;
    const name = targetName(dialect, stage.target);
    const old = await dialect.readTable(connection, name);
    const incarnation = context.uuid();
    await own(context, connection, stage.target, name);
    await markTable(context, connection, { name: stage.name, comment: old?.comment, incarnation });
    await dialect.swap(connection, { old: old && name, fresh: stage.name, name, rewritten: true });
    await forgetStage(connection, context.token.pipe, stage.name);
    await storeIncarnation(context, connection, { stream, name, incarnation });
  }
}


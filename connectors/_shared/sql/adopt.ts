import type { Target } from '#sdk';
import type { SqlConnection } from './dialect.ts';
import { markTable, otherOwners, putOwner, type Reader } from './incarnation.ts';
import { STATE_SCHEMA, tableKey, targetName } from './names.ts';
import type { RunContext } from './run.ts';
import { STREAMS } from './state.ts';

/**
 * The tables as they stand are this pipe's from now on (rule 22), in the running transaction, which holds the pipe's row. Whoever wrote them
 * before is fenced first: a run of theirs holds its own row while it waits for a name (rule 10).
 */
export async function adoptTables(context: Reader & Pick<RunContext, 'uuid'>, connection: SqlConnection, targets: readonly Target[]): Promise<void> {
  const former = new Set<string>();
  for (const target of targets) for (const pipe of await otherOwners(context, connection, target)) former.add(pipe);
  for (const pipe of [...former].sort()) await connection.query(`update ${STATE_SCHEMA}.pipes set run_epoch = run_epoch + 1 where pipe = $1`, [pipe]);
  const keyOf = (target: Target) => tableKey(targetName(context.database.dialect, target));
  for (const target of targets.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))) await adoptTable(context, connection, target);
}

/** A table that another pipe wrote gets a new mark, so that the state of that one does not know it any more. */
async function adoptTable(context: Reader & Pick<RunContext, 'uuid'>, connection: SqlConnection, target: Target): Promise<void> {
  const { database: { dialect }, token: { pipe } } = context;
  const name = targetName(dialect, target);
  await dialect.lockName(connection, tableKey(name));
  const former = await otherOwners(context, connection, target);
  for (const other of former) await connection.query(`delete from ${STATE_SCHEMA}.owners where table_key = $1 and pipe = $2`, [tableKey(name), other]);
  const info = await dialect.readTable(connection, name);
  if (!info) { // the next load makes it
    await connection.query(`update ${STATE_SCHEMA}.streams set incarnations = '{}' where pipe = $1 and stream = $2`, [pipe, target.stream]);
    return;
  }
  const known = former.length === 0 ? info.incarnation : undefined;
  const incarnation = known ?? context.uuid();
  if (known === undefined || !info.isMarked) await markTable(context, connection, { name, comment: info.comment, incarnation });
  await putOwner(context, connection, target, name);
  const row = { pipe, stream: target.stream, rebuild: false, incarnations: JSON.stringify({ [tableKey(name)]: incarnation }) };
  await connection.queries(dialect.put({ ...STREAMS, replaces: ['incarnations'], rows: [row] }));
}

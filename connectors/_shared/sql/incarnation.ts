import type { EtlError, RunToken, Target } from '#sdk';
import type { SqlConnection, SqlDatabase, TableInfo, TableName } from './dialect.ts';
import { markIn, STATE_SCHEMA, tableKey, targetName } from './names.ts';
import type { RunContext } from './run.ts';

/** Of a run, what it takes to read. */
export type Reader = { readonly database: SqlDatabase; readonly token: Pick<RunToken, 'pipe'> };

/** What state says of a stream's tables, by `schema.table` (rule 22). */
export type Incarnations = Readonly<Record<string, string>>;

export async function storedIncarnations(context: Reader, connection: SqlConnection, stream: string): Promise<Incarnations> {
  const [row] = await connection.query(`select incarnations from ${STATE_SCHEMA}.streams where pipe = $1 and stream = $2`, [context.token.pipe, stream]);
  return row ? (JSON.parse(String(row['incarnations'])) as Record<string, string>) : {};
}

/** State names this incarnation of the table from now on. */
export async function storeIncarnation(context: RunContext, connection: SqlConnection, at: { stream: string; name: TableName; incarnation: string }): Promise<void> {
  const before = await storedIncarnations(context, connection, at.stream);
  await connection.query(`update ${STATE_SCHEMA}.streams set incarnations = $3 where pipe = $1 and stream = $2`,
    [context.token.pipe, at.stream, JSON.stringify({ ...before, [tableKey(at.name)]: at.incarnation })]);
}

function lost({ database }: Reader, name: TableName, of: { readonly found: string | undefined; readonly info: TableInfo | undefined; readonly known: string | undefined }): EtlError {
  const { reason, hint } = whyLost(database, name, of);
  return database.error({
    what: 'state_lost', message: `Table ${tableKey(name)} is not the one that state knows: ${reason}.`,
    hint: hint ?? 'Run with `--full-refresh` to build it again, or `etl state adopt JOB --yes` to go on with the table as it is.',
  });
}

function whyLost({ dialect }: SqlDatabase, name: TableName, { found, info, known }: { readonly found: string | undefined; readonly info: TableInfo | undefined; readonly known: string | undefined }): { readonly reason: string; readonly hint?: string } {
  if (!info) return { reason: 'it was dropped' };
  if (found === undefined && markIn(info.comment) !== undefined) {
    return {
      reason: 'it was restored from a dump, or is a copy', // such as pg_dump makes: it has the comment's mark alone
      hint: 'The state may be newer than its rows: run with `--full-refresh` to build it again. If the whole database was restored or moved, its state with it: `etl state adopt JOB --yes` goes on with the table as it is.',
    };
  }
  if (found !== undefined) return { reason: 'another job or an older state made it' };
  const [remark, ...beside] = known === undefined ? [] : dialect.mark(name, info.comment, known);
  if (remark === undefined || beside.length > 0) return { reason: 'it was made anew' };
  return {
    reason: 'it was made anew, or a comment on it has taken the place of its mark',
    hint: `Run with \`--full-refresh\` to build it again, or \`etl state adopt JOB --yes\` to go on with the table as it is. If only its comment was changed, put the mark back: ${remark}`,
  };
}

/** The tables of the targets still bear what state names. Called at open, in commit and in publish (rule 22). */
export async function checkIncarnations(context: RunContext, connection: SqlConnection, tables: readonly { readonly stream: string; readonly name: TableName }[]): Promise<void> {
  if (tables.length === 0) return;
  const found = await context.database.dialect.incarnations(connection, tables.map((table) => table.name));
  const states = new Map<string, Incarnations>();
  for (const [index, { stream, name }] of tables.entries()) {
    const stored = states.get(stream) ?? (await storedIncarnations(context, connection, stream));
    states.set(stream, stored);
    const known = stored[tableKey(name)];
    if (known !== undefined && found[index] !== known) throw lost(context, name, { found: found[index], known, info: await context.database.dialect.readTable(connection, name) });
  }
}

/**
 * Gives a table its mark, if it has none, and lets state name it. A mark that state does not know is another's. `info`: the table before
 * this run; undefined: this run made it.
 */
export async function takeTable(context: RunContext, connection: SqlConnection, at: { readonly target: Target; readonly name: TableName; readonly info: TableInfo | undefined }): Promise<void> {
  const { name, target, info } = at;
  const stored = await storedIncarnations(context, connection, target.stream);
  const known = stored[tableKey(name)];
  const mark = info?.incarnation;
  if (known !== undefined) {
    // a user's comment took the place of one mark; without the right to comment, the other one has to do
    const marked = known !== mark || info?.isMarked === true;
    if (!marked) await context.database.dialect.savepoint(connection, () => markTable(context, connection, { name, comment: info?.comment, incarnation: known })).catch(() => undefined);
    return;
  }
  await own(context, connection, target, name);
  if (isStrange(info, target)) throw lost(context, name, { found: mark, known, info });
  const incarnation = mark ?? context.uuid();
  if (!info?.isMarked) await markTable(context, connection, { name, comment: info?.comment, incarnation });
  await storeIncarnation(context, connection, { stream: target.stream, name, incarnation });
}

export async function markTable({ database }: Pick<RunContext, 'database'>, connection: SqlConnection, at: { readonly name: TableName; readonly comment: string | undefined; readonly incarnation: string }): Promise<void> {
  for (const statement of database.dialect.mark(at.name, at.comment ?? '', at.incarnation)) await connection.query(statement);
}

/** It bears a mark that state does not know: its own, or the comment's, as a dump or a copy has it. */
function isStrange(info: TableInfo | undefined, target: Target): boolean {
  return !target.shared && info !== undefined && (info.incarnation ?? markIn(info.comment)) !== undefined;
}

/** One pipe writes a table, unless all that write there say `shared`. */
export async function own(context: RunContext, connection: SqlConnection, target: Target, name: TableName): Promise<void> {
  await refuseOther(context, connection, target);
  await putOwner(context, connection, target, name);
}

export async function putOwner({ database, token }: Reader, connection: SqlConnection, target: Target, name: TableName): Promise<void> {
  await connection.queries(database.dialect.put({ table: 'owners', key: ['table_key', 'pipe'], replaces: ['shared'], rows: [{ table_key: tableKey(name), pipe: token.pipe, shared: target.shared }] }));
}

/** Throws where another pipe writes the table. */
export async function refuseOther(reader: Reader, connection: SqlConnection, target: Target): Promise<void> {
  const taken = await otherOwner(reader, connection, target);
  if (taken) throw taken;
}

/** The pipes that write the table and do not share it with this one. */
export async function otherOwners({ database, token }: Reader, connection: SqlConnection, target: Target): Promise<string[]> {
  const rows = await connection.query(`select pipe, shared from ${STATE_SCHEMA}.owners where table_key = $1 and pipe <> $2 order by pipe`, [tableKey(targetName(database.dialect, target)), token.pipe]);
  return rows.filter((row) => row['shared'] !== true || !target.shared).map((row) => String(row['pipe']));
}

async function otherOwner(reader: Reader, connection: SqlConnection, target: Target): Promise<EtlError | undefined> {
  const [other] = await otherOwners(reader, connection, target);
  return other === undefined ? undefined : reader.database.error({
    what: 'state_lost', message: `Table ${tableKey(targetName(reader.database.dialect, target))} is written by "${other}" already.`,
    hint: 'Give this job a table of its own, or set `shared: append` in both jobs. If that job is gone, or was renamed to this one, `etl state adopt JOB --yes` takes the table over.',
  });
}

/** Why a run would refuse the table as it stands. Reads only. */
export async function refusal(reader: Reader, connection: SqlConnection, of: { target: Target; info: TableInfo | undefined; rebuild: boolean; hasState: boolean }): Promise<EtlError | undefined> {
  const { target, info, rebuild, hasState } = of;
  const found = info?.incarnation;
  const name = targetName(reader.database.dialect, target);
  const stored = hasState ? await storedIncarnations(reader, connection, target.stream) : {};
  const known = stored[tableKey(name)];
  const taken = hasState ? await otherOwner(reader, connection, target) : undefined;
  if (taken) return taken;
  if (known !== undefined) return known === found || rebuild ? undefined : lost(reader, name, { found, known, info });
  return isStrange(info, target) && !rebuild && target.write !== 'replace' ? lost(reader, name, { found, known, info }) : undefined;
}

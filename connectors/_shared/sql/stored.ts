import { keysEqual, qualified, type SqlConnection, type SqlDialect, type TableName } from './dialect.ts';

interface Writing {
  readonly dialect: SqlDialect;
  readonly connection: SqlConnection;
  readonly into: TableName;
}

/** Rows join a table of the user's, each as one of its own: all of them, or it throws. `source` is what follows FROM, but for the order. */
export async function insertAll({ dialect, connection, into }: Writing, of: { readonly columns: string; readonly values: string; readonly source: string; readonly order: string }): Promise<void> {
  const stored = await connection.change(`insert into ${qualified(dialect, into)} (${of.columns}) select ${of.values} from ${of.source} order by ${of.order}`);
  await dialect.refuseLeftOut(connection, into, [`select count(*) - ${stored} as missing from ${of.source}`]);
}

/**
 * Rows come into a table of the user's, or go over the row of their key: all of them, or it throws. A row that lies there as it came is not
 * missing, whether it was written or not: a trigger may spare the server what changes nothing.
 */
export async function upsertAll({ dialect, connection, into }: Writing, of: { readonly source: string; readonly columns: readonly string[]; readonly key: readonly string[] }): Promise<void> {
  const stored = await connection.change(dialect.upsert(into, of.source, of.columns, of.key));
  const came = `select count(*) from ${of.source} n`;
  const same = of.columns.map((column) => `cast(t.${dialect.quote(column)} as ${dialect.textType}) is not distinct from cast(n.${dialect.quote(column)} as ${dialect.textType})`);
  const there = `select 1 from ${qualified(dialect, into)} t where ${[keysEqual(dialect, of.key, ['t', 'n'], true), ...same].join(' and ')}`;
  await dialect.refuseLeftOut(connection, into, [`select case when (${came}) = ${stored} then 0 else (${came} where not exists (${there})) end as missing`]);
}

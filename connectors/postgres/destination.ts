import * as z from 'zod';
import type { Capabilities, CheckItem, CheckReport, ConnectorContext, DestinationRole } from '#sdk';
import { SqlDestination } from '../_shared/sql/destination.ts';
import { connectionSecrets, connectionShape } from './config.ts';
import { PostgresDatabase } from './database.ts';

export const destinationConfig = z.strictObject({
  ...connectionShape,
  write_timeout_ms: z.number().int().min(0).default(0).describe('Longest statement of a commit; 0: no limit'),
  idle_in_transaction_timeout_ms: z.number().int().min(1000).default(600_000).describe('After this time of silence the server ends a writer that holds a transaction'),
  lock_timeout_ms: z.number().int().min(0).default(30_000).describe('Longest wait for a lock'),
});
export type DestinationConfig = z.infer<typeof destinationConfig>;

const capabilities: Capabilities = {
  writeModes: ['append', 'merge', 'replace', 'scd2'], deletes: ['hard', 'soft'], processes: 'many', maxSessions: 16, origins: ['pg'], keepsState: true,
  promise: { append: 'exactly-once', merge: 'exactly-once', replace: 'exactly-once', scd2: 'exactly-once' },
  names: { maxBytes: 63, caseSensitive: true }, takesChanges: true,
};

async function check(database: PostgresDatabase, probe: boolean): Promise<CheckReport> {
  const session = await database.connect();
  try {
    const items: CheckItem[] = [];
    const [server] = await session.query("select current_setting('server_version_num')::int as version, current_setting('server_version') as name, pg_is_in_recovery() as replica, has_database_privilege(current_database(), 'create') as creates, to_regnamespace('_etl') is not null as state");
    items.push({ what: 'connection', level: 'ok', detail: `Postgres ${String(server?.['name'])}` });
    if (Number(server?.['version']) < 150_000) items.push({ what: 'version', level: 'warning', detail: 'Before version 15 a key with NULLs can not be kept unique.' });
    if (server?.['replica'] === true) items.push({ what: 'writes', level: 'error', detail: 'The server is a read-only replica.', hint: 'Connect to the primary.' });
    if (server?.['creates'] !== true && server?.['state'] !== true) items.push({ what: 'state', level: 'error', detail: 'The role may not create the schema _etl, in which state lies.', hint: 'grant create on database … to the role, or let an administrator create schema _etl and grant all on it' });
    if (probe) {
      await session.query('begin');
      await session.query('create table _etl_probe (probe int)').catch(() => undefined);
      await session.query('rollback');
      items.push({ what: 'probe', level: 'ok', detail: 'A table could be made, and was taken back.' });
    }
    return items;
  } finally {
    await session.close();
  }
}

export const destination: DestinationRole<DestinationConfig> = {
  config: destinationConfig,
  secrets: connectionSecrets,
  capabilities: () => capabilities,
  targetOptions: z.strictObject({}),
  create: (config: DestinationConfig, context: ConnectorContext) => {
    const database = new PostgresDatabase(config, context.directory, {
      statementMs: config.write_timeout_ms, idleInTransactionMs: config.idle_in_transaction_timeout_ms, lockMs: config.lock_timeout_ms,
    });
    return Promise.resolve(new SqlDestination({
      database, capabilities, ports: context.ports, note: (level, message) => context.note(level, message), check: (probe) => check(database, probe),
    }));
  },
};

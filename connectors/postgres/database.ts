import { EtlError, failpoint } from '#sdk';
import type { Fault, SqlConnection, SqlDatabase, SqlDialect, SqlRow, SqlSession, SqlValue, Statement } from '../_shared/sql/dialect.ts';
import type { ConnectionConfig } from './config.ts';
import { connect, type Connection } from './connection.ts';
import { CopyWriter } from './copy-writer.ts';
import { postgresDialect } from './dialect.ts';

/** Times after which the server itself ends what a paused writer holds: the wall behind `terminate` (rule 10). */
export interface WriterTimeouts {
  readonly statementMs: number;
  readonly idleInTransactionMs: number;
  readonly lockMs: number;
}

class PostgresSession implements SqlSession {
  readonly backend: string;
  readonly writer: CopyWriter;
  private readonly connection: Connection;
  private readonly config: { readonly connection: ConnectionConfig; readonly directory: string };
  private dead = false;

  constructor(connection: Connection, backend: string, config: { readonly connection: ConnectionConfig; readonly directory: string }) {
    this.connection = connection;
    this.backend = backend;
    this.config = config;
    this.writer = new CopyWriter(connection.client);
  }

  async query(sql: string, params: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    this.mustLive();
    return this.connection.query(sql, params);
  }

  async queries(statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]> {
    this.mustLive();
    return this.connection.queries(statements);
  }

  async change(sql: string): Promise<number> {
    this.mustLive();
    return this.connection.change(sql);
  }

  async begin(first: readonly Statement[] = []): Promise<readonly (readonly SqlRow[])[]> {
    return (await this.queries([{ sql: 'begin' }, ...first])).slice(1);
  }

  async rollback(): Promise<void> {
    if (this.broken) return;
    await this.writer.finish().catch(() => undefined);
    await this.connection.query('rollback').catch(() => undefined);
  }

  /** Sent once. The server's own refusal is an answer; silence, a broken connection or a warning is not (rule 9). */
  async commit(): Promise<void> {
    this.mustLive();
    let warning: string | undefined;
    const listen = (notice: { readonly severity?: string | undefined; readonly message?: string | undefined }) => { if (notice.severity === 'WARNING') warning = notice.message; };
    this.connection.client.on('notice', listen);
    try {
      await failpoint('postgres.commit.send');
      const result = await this.connection.client.query('commit');
      await failpoint('postgres.commit.sent');
      // COMMIT of a failed transaction answers ROLLBACK, which is certain
      if (result.command !== 'COMMIT') throw new EtlError({ kind: 'transient', code: 'ETL-PG-101', message: 'The server rolled the transaction back at COMMIT.' });
    } catch (error) {
      if (error instanceof EtlError || isRefusal(error)) throw error;
      this.dead = true;
      throw unknown(error instanceof Error ? error.message : String(error), error);
    } finally {
      this.connection.client.off('notice', listen);
    }
    if (warning !== undefined) {
      this.dead = true;
      throw unknown(warning, undefined);
    }
  }

  get broken(): boolean {
    return this.dead || this.connection.broken;
  }

  private mustLive(): void {
    if (this.dead) throw new EtlError({ kind: 'transient', code: 'ETL-PG-001', message: 'The connection ended with a commit that had no clear answer.' });
  }

  async cancel(): Promise<void> {
    const other = await connect(this.config.connection, this.config.directory);
    try {
      await other.query('select pg_cancel_backend($1)', [this.connection.processId]);
    } finally {
      await other[Symbol.asyncDispose]();
    }
  }

  async close(): Promise<void> {
    this.dead = true;
    this.connection.destroy();
    return Promise.resolve();
  }
}

/** The server said no, and lives: a deferred constraint, a serialisation failure. */
function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && error.severity === 'ERROR';
}

function unknown(reason: string, cause: unknown): EtlError {
  return new EtlError({ kind: 'transient', code: 'ETL-PG-102-UNKNOWN', message: `A commit was sent and not clearly answered: ${reason}. What it did is looked up before anything else is written.`, cause });
}

export class PostgresDatabase implements SqlDatabase {
  readonly dialect: SqlDialect;
  private readonly server = { major: 0 };
  private readonly config: ConnectionConfig;
  private readonly directory: string;
  private readonly timeouts: WriterTimeouts;
  private next: Promise<SqlSession> | undefined;

  constructor(config: ConnectionConfig, directory: string, timeouts: WriterTimeouts) {
    this.dialect = postgresDialect(this.server);
    this.config = config;
    this.directory = directory;
    this.timeouts = timeouts;
  }

  prepare(): void {
    this.next ??= this.open();
    this.next.catch(() => undefined);
  }

  async connect(): Promise<SqlSession> {
    const { next } = this;
    this.next = undefined;
    return (await next?.catch(() => undefined)) ?? this.open();
  }

  private async open(): Promise<SqlSession> {
    const connection = await connect(this.config, this.directory, {
      statement_timeout: String(this.timeouts.statementMs), idle_in_transaction_session_timeout: String(this.timeouts.idleInTransactionMs), lock_timeout: String(this.timeouts.lockMs),
      synchronous_commit: 'on', client_min_messages: 'warning',
      row_security: 'off', // rows that a policy hides would be merged or deleted past; refused instead
    });
    this.server.major = connection.major;
    // a process id alone may be another's by now: with the start of its backend it is one for ever
    const [row] = await connection.query<{ started: string }>('select extract(epoch from backend_start)::text as started from pg_stat_activity where pid = pg_backend_pid()');
    return new PostgresSession(connection, `${connection.processId}@${row?.started ?? ''}`, { connection: this.config, directory: this.directory });
  }

  async terminate(control: SqlConnection, backend: string): Promise<void> {
    const [pid, started] = backend.split('@');
    const own = 'backend' in control && control.backend === backend;
    if (own || !pid || !started) return;
    const itself = 'pid = $1::int and extract(epoch from backend_start)::text = $2';
    const [ended] = await control.query(`select pg_terminate_backend(pid) from pg_stat_activity where ${itself}
      and (pg_has_role(current_user, usesysid, 'member') or pg_has_role(current_user, 'pg_signal_backend', 'member'))`, [Number(pid), started]);
    // Its locks go with it; what is stuck is left to the lock's own time limit. Within a transaction the server shows the same activity
    // again and again, unless it is told to look anew.
    for (let look = 0; ended && look < 250; look++) {
      const [still] = await control.query(`select pg_sleep(0.02), pg_stat_clear_snapshot() from pg_stat_activity where ${itself}`, [Number(pid), started]);
      if (!still) return;
    }
  }

  error(fault: Fault): EtlError {
    switch (fault.what) {
      case 'fenced': return new EtlError({ kind: 'fenced', code: 'ETL-PG-110', message: fault.message, scope: fault.scope });
      case 'state_lost': return new EtlError({ kind: 'state_lost', code: 'ETL-PG-111', message: fault.message, hint: fault.hint });
      case 'schema': return new EtlError({ kind: 'schema', code: 'ETL-PG-112', ...text(fault) });
      case 'config_changed': return new EtlError({ kind: 'config_changed', code: 'ETL-PG-113', ...text(fault) });
      case 'unavailable': return new EtlError({ kind: 'data', code: 'ETL-PG-114', ...text(fault) });
      case 'duplicate_key': return new EtlError({ kind: 'data', code: 'ETL-PG-115', ...text(fault) });
      case 'internal': return new EtlError({ kind: 'internal', code: 'ETL-PG-116', message: fault.message });
    }
  }

  /** Every other connection is closed by who asked for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    const unused = await this.next?.catch(() => undefined);
    await unused?.close();
  }
}

function text(fault: { readonly message: string; readonly hint?: string }): { message: string; hint?: string } {
  return { message: fault.message, ...(fault.hint !== undefined && { hint: fault.hint }) };
}

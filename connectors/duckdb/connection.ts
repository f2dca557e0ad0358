import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import api, { type DuckDBConnection, type DuckDBInstance, type DuckDBMaterializedResult, type DuckDBType } from '@duckdb/node-api';
import { EtlError, failpoint } from '#sdk';
import type { RowWriter, SqlDatabase, SqlRow, SqlSession, SqlValue, Statement } from '../_shared/sql/dialect.ts';
import { duckdbDialect } from './dialect.ts';
import { commitError, duckdbError, faultError } from './errors.ts';
import { DuckdbWriter } from './load.ts';
import { RELAY, type RelayParts } from './relay.ts';
import { RowFunctions } from './rows.ts';
import { quoteName } from './types.ts';

/** Who may change the file now: one at a time, in order of asking. */
class Turn {
  private last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn, with what ends it. */
  async take(): Promise<() => void> {
    let release: () => void = () => undefined;
    const mine = new Promise<void>((done) => { release = done; });
    const before = this.last;
    this.last = before.then(() => mine);
    await before;
    return release;
  }
}

interface OpenFile {
  readonly instance: DuckDBInstance;
  readonly turn: Turn;
  readonly rows: RowFunctions;
  readonly threads: Threads;
  users: number;
}

/**
 * A load's statement runs on the thread that sent it. DuckDB's other threads find nothing to do and wake each other for it, at a third
 * more CPU for the load, so there are none while rows are written; what works on whole tables has them all.
 */
class Threads {
  private readonly connection: DuckDBConnection;
  /** undefined: as many as DuckDB finds right. */
  private readonly configured: string | undefined;
  private loads = 0;
  private last: Promise<unknown> = Promise.resolve();

  constructor(connection: DuckDBConnection, configured: string | undefined) {
    this.connection = connection;
    this.configured = configured;
  }

  async begin(): Promise<void> {
    if (++this.loads === 1) await this.next('set threads = 1');
  }

  async end(): Promise<void> {
    if (--this.loads === 0) await this.next(this.configured === undefined ? 'reset threads' : `set threads = ${this.configured}`);
  }

  /** One after the other: who ends a load may not have waited for its beginning. */
  private async next(sql: string): Promise<void> {
    const before = this.last;
    const mine = before.then(() => this.connection.run(sql));
    this.last = mine.catch(() => undefined);
    await mine;
  }
}

/**
 * One instance a file and process. POSIX locks don't hold between instances of one process, so a second one would write the same file
 * unseen, and its close would give the first one's lock away.
 */
const openFiles = new Map<string, Promise<OpenFile>>();

function fileKey(path: string): string {
  const full = resolve(path);
  try {
    return realpathSync(full);
  } catch {
    try {
      return join(realpathSync(dirname(full)), basename(full));
    } catch {
      return full;
    }
  }
}

export interface FileOptions {
  readonly path: string;
  /** DuckDB's own settings. */
  readonly settings: Readonly<Record<string, string>>;
}

async function openFile(key: string, options: FileOptions): Promise<OpenFile> {
  try {
    // Nothing is fetched from anywhere: json, icu and parquet are built in.
    const instance = await api.DuckDBInstance.create(key, { autoinstall_known_extensions: 'false', autoload_known_extensions: 'false', ...options.settings });
    const connection = await instance.connect();
    await sweepRelays(connection);
    return { instance, turn: new Turn(), rows: new RowFunctions(connection), threads: new Threads(connection, options.settings['threads']), users: 0 };
  } catch (error) {
    throw duckdbError(error);
  }
}

/** The lock says that no other process lives that has the file: tables of a relay are of one that died between its two transactions. */
async function sweepRelays(connection: DuckDBConnection): Promise<void> {
  const left = await connection.runAndReadAll(`select schema_name, table_name from duckdb_tables() where database_name = current_database() and starts_with(table_name, '${RELAY}')`);
  for (const [schema, table] of left.getRows()) await connection.run(`drop table ${quoteName(String(schema))}.${quoteName(String(table))}`);
}

/** The file, opened at the first use and closed by `letGo` and dispose, so that the job's `after` command can open it (rule 28). */
export class DuckdbFile implements SqlDatabase {
  readonly dialect = duckdbDialect;
  readonly error = faultError;
  private readonly options: FileOptions;
  private readonly key: string;
  private opened: Promise<OpenFile> | undefined;
  private readonly sessions = new Set<DuckdbSession>();

  constructor(options: FileOptions) {
    this.options = options;
    this.key = fileKey(options.path);
  }

  private open(): Promise<OpenFile> {
    this.opened ??= this.share().catch((error: unknown) => {
      this.opened = undefined;
      throw error;
    });
    return this.opened;
  }

  private async share(): Promise<OpenFile> {
    const known = openFiles.get(this.key) ?? openFile(this.key, this.options);
    openFiles.set(this.key, known);
    try {
      const file = await known;
      file.users++;
      return file;
    } catch (error) {
      openFiles.delete(this.key);
      throw error;
    }
  }

  isMissing(): boolean {
    return !existsSync(this.key) && existsSync(dirname(this.key)); // without a folder DuckDB itself says so
  }

  async connect(): Promise<DuckdbSession> {
    const { instance, turn, rows, threads } = await this.open();
    const connect = async () => {
      const connection = await instance.connect();
      await connection.run("set TimeZone = 'UTC'");
      return connection;
    };
    const session = new DuckdbSession({ connection: await connect(), connect, turn, rows, threads, closed: (it) => this.sessions.delete(it) });
    this.sessions.add(session);
    return session;
  }

  /** A session that died died with this process, and its transaction with it. */
  terminate(): Promise<void> {
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.sessions) await session.close();
    await this.letGo();
  }

  async letGo(): Promise<void> {
    if (this.sessions.size > 0) return;
    const file = await this.opened?.catch(() => undefined);
    this.opened = undefined;
    if (!file || --file.users > 0) return;
    openFiles.delete(this.key);
    await failpoint('duckdb.close');
    file.rows.dispose();
    file.instance.closeSync(); // writes the log into the file and gives the lock back
  }
}

interface SessionParts extends RelayParts {
  readonly connection: DuckDBConnection;
  readonly turn: Turn;
  closed(session: DuckdbSession): void;
}

const READS = /^\s*(select|with|from|explain)\b/i;
/** Stages are this connection's own: they need nobody's turn, and must not take it while rows are still read. */
const OWN_STAGE = /^\s*(create temporary table|(insert into|drop table|drop table if exists) "_etl_c_)/i;

/**
 * One connection. Transactions that change the file run one after the other: this process is the only one that has it, so each sees all
 * that was committed before it and no check of a fence can be stale (rule 7). A transaction begins with its first statement, not with
 * `begin`: rows that are written before wait in temporary tables, so nobody's turn is held while a source is read (rule 10).
 */
export class DuckdbSession implements SqlSession {
  readonly backend = undefined;
  /** A connection of this very process breaks with the process only. */
  readonly broken = false;
  readonly writer: RowWriter;
  private readonly parts: SessionParts;
  private readonly rows: DuckdbWriter;
  private inTransaction = false;
  private begun = false;
  private release: (() => void) | undefined;
  private isClosed = false;
  /** The statement that runs, so that `close` never takes the connection away under it. */
  private running: Promise<unknown> = Promise.resolve();

  constructor(parts: SessionParts) {
    this.parts = parts;
    this.rows = new DuckdbWriter({ ...parts, session: this });
    this.writer = this.rows;
  }

  async query(sql: string, params: readonly SqlValue[] = []): Promise<readonly SqlRow[]> {
    if (this.isClosed) throw new EtlError({ kind: 'transient', code: 'ETL-DUCK-009', message: 'The connection to the database is closed.' });
    await this.rows.settle();
    const mine = !this.begun && OWN_STAGE.test(sql);
    if (this.inTransaction && !mine) await this.reallyBegin();
    const alone = !this.inTransaction && !mine && !READS.test(sql) ? await this.parts.turn.take() : undefined;
    try {
      return await this.execute(sql, params);
    } finally {
      alone?.();
    }
  }

  private async execute(sql: string, params: readonly SqlValue[]): Promise<readonly SqlRow[]> {
    try {
      const running = params.length === 0 ? this.parts.connection.run(sql) : this.executePrepared(sql, params);
      this.running = running.catch(() => undefined);
      return rowsOf(await running);
    } catch (error) {
      throw duckdbError(error);
    }
  }

  private async executePrepared(sql: string, params: readonly SqlValue[]): Promise<DuckDBMaterializedResult> {
    const statement = await this.parts.connection.prepare(sql);
    try {
      statement.bind(params.map(bound), params.map((value) => this.typeOf(value)));
      return await statement.run();
    } finally {
      statement.destroySync();
    }
  }

  async change(sql: string): Promise<number> {
    const [row] = await this.query(sql);
    return Number(row?.['Count']);
  }

  private typeOf(value: SqlValue): DuckDBType {
    const { BIGINT, BOOLEAN, DOUBLE, VARCHAR } = api;
    if (typeof value === 'bigint' || Number.isSafeInteger(value)) return BIGINT;
    if (typeof value === 'number') return DOUBLE;
    return typeof value === 'boolean' ? BOOLEAN : VARCHAR;
  }

  /** In this process nothing is gained by sending them together. */
  async queries(statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]> {
    const answers: (readonly SqlRow[])[] = [];
    for (const { sql, params } of statements) answers.push(await this.query(sql, params));
    return answers;
  }

  begin(first: readonly Statement[] = []): Promise<readonly (readonly SqlRow[])[]> {
    this.inTransaction = true;
    return this.queries(first);
  }

  private async reallyBegin(): Promise<void> {
    if (this.begun) return;
    this.release = await this.parts.turn.take();
    this.begun = true;
    await this.execute('begin transaction', []);
  }

  async rollback(): Promise<void> {
    try {
      if (this.begun && !this.isClosed) await this.execute('rollback', []);
      if (!this.isClosed) await this.rows.drop();
    } catch {
      // A statement that failed hard has rolled back already.
    } finally {
      this.ended();
    }
  }

  async commit(): Promise<void> {
    try {
      if (!this.begun) return;
      await failpoint('duckdb.commit');
      const running = this.parts.connection.run('commit');
      this.running = running.catch(() => undefined);
      await running;
      await failpoint('duckdb.committed');
    } catch (error) {
      throw commitError(error);
    } finally {
      this.ended();
    }
    if (!this.isClosed) await this.rows.sweep();
  }

  private ended(): void {
    this.inTransaction = false;
    this.begun = false;
    this.release?.();
    this.release = undefined;
  }

  cancel(): Promise<void> {
    if (!this.isClosed) {
      this.parts.connection.interrupt();
      this.rows.interrupt();
    }
    return Promise.resolve();
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    this.parts.connection.interrupt();
    await this.running;
    await this.rows.dispose();
    this.parts.connection.closeSync(); // rolls back what is open
    this.ended();
    this.parts.closed(this);
  }
}

/** Whole numbers go as 64 bits: never by way of a double. */
function bound(value: SqlValue): string | number | bigint | boolean | null {
  return Number.isSafeInteger(value) ? BigInt(Number(value)) : value;
}

/** All rows lie in memory: no trip to another thread for each chunk of them. */
function rowsOf(result: DuckDBMaterializedResult): SqlRow[] {
  const names = result.columnNames();
  return Array.from({ length: result.chunkCount }, (_, index) => result.getChunk(index).getRowObjects(names)).flat().map(plainRow);
}

function plainRow(row: Record<string, unknown>): SqlRow {
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, isWrapped(value) ? value.toString() : value]));
}

/** The driver's own classes for dates, decimals and lists print themselves. */
function isWrapped(value: unknown): value is { toString(): string } {
  return typeof value === 'object' && value !== null;
}

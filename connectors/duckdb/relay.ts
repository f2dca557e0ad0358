import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import type { Batch } from '#batch';
import { EtlError, failpoint } from '#sdk';
import { qualified, type RowTarget, type SqlConnection } from '../_shared/sql/dialect.ts';
import { duckdbDialect } from './dialect.ts';
import { mayFollow } from './encode.ts';
import { duckdbError } from './errors.ts';
import type { RowFunctions } from './rows.ts';
import { hardlyRepeats } from './sample.ts';
import { quoteName } from './types.ts';

/** What may wait for DuckDB's threads before the reader waits too. */
const MOST_BYTES_AHEAD = 8 << 20;
/** A batch that is smaller may be a load's only one, which spares the detour. */
const ALONE_BYTES = 1 << 20;
/** What one statement takes at most, but for a batch that alone is larger. */
const MOST_BYTES_TOGETHER = 4 << 20;
/** How the tables begin that a relay makes. Only this process makes them: what lies there when the file is opened is of a dead one. */
export const RELAY = '_etl_relay_';

export interface RelayParts {
  readonly rows: RowFunctions;
  connect(): Promise<DuckDBConnection>;
  /** Told when rows begin to be written beside the reading, and when that is over. */
  readonly threads: { begin(): Promise<void>; end(): Promise<void> };
}

let relays = 0;

/**
 * Rows for a load's own table, written while the source is read. They go to a table of the relay's, in one transaction on a connection of
 * its own. Nobody sees it and it touches nothing of anybody's: it holds up no one (rule 10), no fence rests on what it saw (rule 7), and a
 * process that dies leaves nothing of it. The commit then gives that table the name of the load's. A single small batch spares the detour.
 */
export class Relay {
  readonly into: RowTarget;
  private readonly parts: RelayParts;
  private readonly names: string;
  private readonly rows: string;
  private readonly table: string;
  /** Batches that no statement has taken yet, in order; without a connection it is one. */
  private readonly waiting: Batch[] = [];
  /** Of those that wait, and of those that a statement reads. */
  private bytesAhead = 0;
  private connection: DuckDBConnection | undefined;
  private hasOneThread = false;
  private insert: DuckDBPreparedStatement | undefined;
  /** Sends statements while batches wait. */
  private writing: Promise<void> | undefined;
  /** A statement is about to ask JavaScript's thread for rows: a reader that went on now would keep it waiting. */
  private asks = false;
  /** Lets the reader go on. */
  private wake = (): void => undefined;
  private failure: unknown;

  constructor(into: RowTarget, parts: RelayParts) {
    this.into = into;
    this.parts = parts;
    this.names = into.columns.map((column) => quoteName(column.name)).join(', ');
    this.rows = parts.rows.query(into.columns);
    this.table = qualified(duckdbDialect, { schema: into.table.schema, table: `${RELAY}${++relays}` }); // rule 23: never two of one name
  }

  /** Takes a share of the batch, which DuckDB's threads may still read when this returns. Waits when they are too far behind. */
  async add(batch: Batch): Promise<void> {
    this.complain();
    this.waiting.push(batch.derive(batch));
    this.bytesAhead += batch.byteSize;
    if (!this.connection && this.waiting.length === 1 && batch.byteSize < ALONE_BYTES) return;
    this.writing ??= this.write();
    while (this.failure === undefined && (this.asks || this.bytesAhead > MOST_BYTES_AHEAD)) await new Promise<void>((done) => { this.wake = done; });
    this.complain();
  }

  private async write(): Promise<void> {
    this.asks = true;
    const [sample] = this.waiting;
    if (!this.connection && sample) await this.attempt(this.begin(sample));
    for (let batches = this.next(); batches.length > 0; batches = this.next()) await this.attempt(this.take(batches));
    this.writing = undefined;
  }

  private async attempt(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.failure ??= error;
      this.wake();
    }
  }

  /** What one statement takes: each costs a plan, and waits for JavaScript's thread. */
  private next(): readonly Batch[] {
    let [count, rows, bytes] = [0, 0, 0];
    for (const batch of this.waiting) {
      if (count > 0 && (bytes + batch.byteSize > MOST_BYTES_TOGETHER || !mayFollow(rows, this.into.columns))) break;
      count++;
      rows += batch.length;
      bytes += batch.byteSize;
    }
    return this.waiting.splice(0, count);
  }

  private async begin(sample: Batch): Promise<void> {
    const { into, parts, table, rows } = this;
    const connection = await parts.connect();
    this.connection = connection;
    this.hasOneThread = true;
    const alone = parts.threads.begin();
    alone.catch(() => undefined); // awaited below
    await connection.run('begin transaction');
    const found = await connection.runAndReadAll('select name, type from pragma_table_info($1)', [qualified(duckdbDialect, into.table)]);
    const types = new Map(found.getRows().map(([name, type]) => [String(name), String(type)]));
    const columns = into.columns.map((column) => `${quoteName(column.name)} ${types.get(column.name) ?? column.type}${hardlyRepeats(column, sample) ? ' using compression fsst' : ''}`);
    await connection.run(`create table ${table} (${columns.join(', ')})`);
    this.insert = await connection.prepare(`insert into ${table} ${rows}`);
    await alone;
  }

  private async take(batches: readonly Batch[]): Promise<void> {
    const { insert } = this;
    const held = new Set(batches);
    this.asks = true;
    const release = () => {
      this.asks = false;
      for (const batch of held) {
        this.bytesAhead -= batch.byteSize;
        batch.release();
      }
      held.clear();
      this.wake();
    };
    try {
      if (this.failure !== undefined || !insert) return;
      await this.parts.rows.lend({ batches, columns: this.into.columns, taken: release }, async (loan) => {
        insert.bind([...loan]);
        await insert.run();
      });
    } finally {
      release();
    }
  }

  private complain(): void {
    if (this.failure !== undefined) throw duckdbError(this.failure);
  }

  /** All rows are in the relay's table, for good; of a single batch they are still here. */
  async finish(): Promise<void> {
    await this.writing;
    this.complain();
    if (!this.connection) return;
    const threads = this.manyThreads();
    try {
      await this.connection.run('commit');
    } finally {
      await threads; // the file may be closed when this returns: nothing may still run on it
    }
    await failpoint('duckdb.relayed');
  }

  /** All rows are in the load's table, in the transaction of the commit. */
  async handOver(commit: SqlConnection): Promise<void> {
    if (this.connection) return this.moveTable(commit);
    const goal = qualified(duckdbDialect, this.into.table);
    await this.parts.rows.lend({ batches: this.waiting, columns: this.into.columns, taken: () => undefined }, (loan) => commit.query(`insert into ${goal} (${this.names}) ${this.rows}`, loan));
  }

  /** A load's table that is still empty goes, and this one takes its name: nothing is written twice. Otherwise the rows are copied. */
  private async moveTable(commit: SqlConnection): Promise<void> {
    const { table, columns } = this.into;
    const goal = qualified(duckdbDialect, table);
    const there = await commit.query('select name from pragma_table_info($1) order by cid', [goal]);
    const [row] = await commit.query(`select 1 as one from ${goal} limit 1`);
    const same = there.length === columns.length && columns.every((column, index) => there[index]?.['name'] === column.name);
    if (same && !row) {
      await commit.query(`drop table ${goal}`);
      await commit.query(`alter table ${this.table} rename to ${quoteName(table.table)}`);
    } else {
      await commit.query(`insert into ${goal} (${this.names}) select ${this.names} from ${this.table}`);
      await commit.query(`drop table ${this.table}`);
    }
  }

  interrupt(): void {
    this.connection?.interrupt();
  }

  /** Ends what runs and lets the batches go; what was not committed is rolled back. */
  async close(): Promise<void> {
    await this.halt();
    if (!this.connection) return;
    this.insert?.destroySync();
    this.insert = undefined;
    this.connection.closeSync();
    this.connection = undefined;
    await this.manyThreads();
  }

  private async manyThreads(): Promise<void> {
    if (!this.hasOneThread) return;
    this.hasOneThread = false;
    await this.parts.threads.end();
  }

  /** After a commit that was rolled back: nobody asks for these rows again. */
  async drop(): Promise<void> {
    await this.halt();
    await this.connection?.run('rollback').catch(() => undefined); // it may be over already
    await this.connection?.run(`drop table if exists ${this.table}`);
    await this.close();
  }

  private async halt(): Promise<void> {
    this.failure ??= new EtlError({ kind: 'transient', code: 'ETL-DUCK-009', message: 'The connection to the database is closed.' });
    this.interrupt();
    await this.writing;
    for (const batch of this.waiting.splice(0)) batch.release();
  }
}

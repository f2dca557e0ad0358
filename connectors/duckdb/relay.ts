import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api';
import type { Batch } from '#batch';
import { EtlError, failpoint } from '#sdk';
import { qualified, type RowTarget, type SqlConnection } from '../_shared/sql/dialect.ts';
import { duckdbDialect } from './dialect.ts';
import { duckdbError } from './errors.ts';
import type { RowFunctions } from './rows.ts';
import { hardlyRepeats } from './sample.ts';
import { quoteName } from './types.ts';

/** What may wait for DuckDB's threads before the reader waits too. */
const MOST_BYTES_AHEAD = 16 << 20;
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
 * process that dies leaves nothing of it. The commit then gives that table the name of the load's. A single batch spares the detour.
 */
export class Relay {
  readonly into: RowTarget;
  private readonly parts: RelayParts;
  private readonly names: string;
  private readonly rows: string;
  private readonly table: string;
  private first: Batch | undefined;
  private connection: DuckDBConnection | undefined;
  private insert: DuckDBPreparedStatement | undefined;
  /** Batches that DuckDB has not yet taken, in order. */
  private readonly ahead: { readonly bytes: number; readonly taken: Promise<void> }[] = [];
  private last: Promise<void> | undefined;
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
    const share = batch.derive(batch);
    if (!this.last && !this.first) {
      this.first = share;
      return;
    }
    this.last ??= this.begin(this.first ?? share);
    if (this.first) this.send(this.first);
    this.first = undefined;
    this.send(share);
    while (this.ahead.reduce((sum, each) => sum + each.bytes, 0) > MOST_BYTES_AHEAD) await this.ahead[0]?.taken;
    this.complain();
  }

  private async begin(sample: Batch): Promise<void> {
    const { into, parts, table, rows } = this;
    const connection = await parts.connect();
    this.connection = connection;
    await parts.threads.begin();
    await connection.run('begin transaction');
    const found = await connection.runAndReadAll('select column_name, data_type from duckdb_columns() where database_name = current_database() and schema_name = $1 and table_name = $2', [into.table.schema ?? '', into.table.table]);
    const types = new Map(found.getRows().map(([name, type]) => [String(name), String(type)]));
    const columns = into.columns.map((column) => `${quoteName(column.name)} ${types.get(column.name) ?? column.type}${hardlyRepeats(column, sample) ? ' using compression fsst' : ''}`);
    await connection.run(`create table ${table} (${columns.join(', ')})`);
    this.insert = await connection.prepare(`insert into ${table} ${rows}`);
  }

  private send(batch: Batch): void {
    const taken = (this.last ?? Promise.resolve()).then(() => this.take(batch)).catch((error: unknown) => { this.failure ??= error; }).then(() => {
      batch.release();
      this.ahead.shift();
    });
    this.ahead.push({ bytes: batch.byteSize, taken });
    this.last = taken;
  }

  private async take(batch: Batch): Promise<void> {
    if (this.failure !== undefined || !this.insert) return;
    const { insert } = this;
    await this.parts.rows.lend(batch, this.into.columns, async (loan) => {
      insert.bind([...loan]);
      await insert.run();
    });
  }

  private complain(): void {
    if (this.failure !== undefined) throw duckdbError(this.failure);
  }

  /** All rows are in the relay's table, for good; of a single batch they are still here. */
  async finish(): Promise<void> {
    if (this.first) return;
    await this.last;
    this.complain();
    await this.connection?.run('commit');
    await failpoint('duckdb.relayed');
  }

  /** All rows are in the load's table, in the transaction of the commit. */
  async handOver(commit: SqlConnection): Promise<void> {
    const { first } = this;
    if (!first) return this.moveTable(commit);
    const goal = qualified(duckdbDialect, this.into.table);
    await this.parts.rows.lend(first, this.into.columns, (loan) => commit.query(`insert into ${goal} (${this.names}) ${this.rows}`, loan));
  }

  /** A load's table that is still empty goes, and this one takes its name: nothing is written twice. Otherwise the rows are copied. */
  private async moveTable(commit: SqlConnection): Promise<void> {
    const { table, columns } = this.into;
    const goal = qualified(duckdbDialect, table);
    const there = await commit.query('select column_name from duckdb_columns() where database_name = current_database() and schema_name = $1 and table_name = $2 order by column_index', [table.schema ?? '', table.table]);
    const [row] = await commit.query(`select 1 as one from ${goal} limit 1`);
    const same = there.length === columns.length && columns.every((column, index) => there[index]?.['column_name'] === column.name);
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
    this.failure ??= new EtlError({ kind: 'transient', code: 'ETL-DUCK-009', message: 'The connection to the database is closed.' });
    this.interrupt();
    await this.last;
    this.first?.release();
    this.first = undefined;
    if (!this.connection) return;
    this.connection.closeSync();
    this.connection = undefined;
    await this.parts.threads.end();
  }

  /** After a commit that was rolled back: nobody asks for these rows again. */
  async drop(): Promise<void> {
    await this.connection?.run('rollback').catch(() => undefined); // it may be over already
    await this.connection?.run(`drop table if exists ${this.table}`);
    await this.close();
  }
}

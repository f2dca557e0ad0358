import api, { type DuckDBConnection, type DuckDBType } from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import { Arena, type Batch } from '#batch';
import type { RowColumn, RowTarget, RowWriter, SqlConnection } from '../_shared/sql/dialect.ts';
import { ChunkEncoder, unavailableMask } from './encode.ts';
import { duckdbError } from './errors.ts';
import { Relay, type RelayParts } from './relay.ts';
import { driverTypeOf } from './rows.ts';
import { stageTypeOf } from './types.ts';

/** Rows of one of DuckDB's vectors. */
const CHUNK = 2048;

export interface WriterParts extends RelayParts {
  readonly connection: DuckDBConnection;
  /** The session that commits. */
  readonly session: SqlConnection;
}

/** A temporary table that takes rows. */
interface Sink {
  readonly table: string;
  appender: Awaited<ReturnType<DuckDBConnection['createAppender']>> | undefined;
  /** In the order of the temporary table; what the rows do not have is NULL. */
  readonly columns: readonly (RowColumn | undefined)[];
}

/**
 * Writes whole columns. Rows for temporary tables are appended to them: these lie in memory and in no log. Rows for a load's own table go
 * through a relay. docs/decisions/duckdb-load.md has the measurements.
 */
export class DuckdbWriter implements RowWriter {
  private readonly parts: WriterParts;
  private readonly encoder = new ChunkEncoder(bindings);
  private readonly sinks = new Map<string, Sink>();
  private readonly relays = new Map<string, Relay>();
  /** Relays whose rows are in the transaction of the running commit. */
  private readonly finished: Relay[] = [];
  private bytes = 0;

  constructor(parts: WriterParts) {
    this.parts = parts;
  }

  async write(into: RowTarget, batch: Batch): Promise<void> {
    if (batch.length === 0) return;
    // columns may change from batch to batch; each set of them has its own way
    const key = JSON.stringify([into.table.schema ?? null, into.table.table, into.columns.map((column) => [column.name, typeOf(column)])]);
    try {
      if (into.table.schema === undefined) await this.append(key, into, batch);
      else await this.relay(key, into).add(batch);
      this.bytes += batch.byteSize;
    } catch (error) {
      throw duckdbError(error);
    }
  }

  private relay(key: string, into: RowTarget): Relay {
    const relay = this.relays.get(key) ?? new Relay(into, this.parts);
    this.relays.set(key, relay);
    return relay;
  }

  private async append(key: string, into: RowTarget, batch: Batch): Promise<void> {
    const arena = new Arena();
    try {
      const sink = this.sinks.get(key) ?? { table: into.table.table, appender: undefined, columns: await this.columnsOf(into) };
      this.sinks.set(key, sink);
      const mask = into.columns.some((column) => column.from.kind === 'unavailable') ? unavailableMask(batch, arena) : undefined;
      const appender = sink.appender ??= await this.parts.connection.createAppender(sink.table, 'main', 'temp');
      const types = sink.columns.map((column, index) => (column ? this.driverType(column) : appender.columnType(index)));
      const chunk = api.DuckDBDataChunk.create(types, 0);
      for (let from = 0; from < batch.length; from += CHUNK) {
        const count = Math.min(CHUNK, batch.length - from);
        chunk.reset();
        for (const [index, column] of sink.columns.entries()) {
          // ordinals move on with every write, so the column is the caller's of now
          const current = column && into.columns.find((each) => each.name === column.name);
          this.encoder.column(bindings.data_chunk_get_vector(chunk.chunk, index), current, { batch, mask, from, count, to: 0 });
        }
        chunk.rowCount = count;
        appender.appendDataChunk(chunk);
      }
    } finally {
      arena.release();
    }
  }

  /** A stage may have columns that these rows do not. */
  private async columnsOf(into: RowTarget): Promise<readonly (RowColumn | undefined)[]> {
    const result = await this.parts.connection.runAndReadAll("select column_name from duckdb_columns() where database_name = 'temp' and table_name = $1 order by column_index", [into.table.table]);
    return result.getRows().map(([name]) => into.columns.find((column) => column.name === name));
  }

  private driverType(column: RowColumn): DuckDBType {
    switch (column.from.kind) {
      case 'field': case 'oldKey': return driverTypeOf(column.from.type);
      case 'ordinal': return api.BIGINT;
      case 'op': return api.SMALLINT;
      case 'unavailable': return api.VARCHAR;
    }
  }

  settle(): Promise<void> {
    for (const sink of this.sinks.values()) {
      const { appender } = sink;
      if (!appender) continue;
      sink.appender = undefined;
      try {
        appender.flushSync();
        appender.closeSync();
      } catch (error) {
        return Promise.reject(duckdbError(error));
      }
    }
    return Promise.resolve();
  }

  async finish(): Promise<number> {
    await this.settle();
    this.sinks.clear();
    const relays = [...this.relays.values()];
    this.relays.clear();
    this.finished.push(...relays);
    for (const relay of relays) await relay.finish();
    // the transaction of the commit begins here, and sees what the relays have written
    for (const relay of relays) await relay.handOver(this.parts.session);
    const { bytes } = this;
    this.bytes = 0;
    return bytes;
  }

  /** After COMMIT. */
  async sweep(): Promise<void> {
    for (const relay of this.finished.splice(0)) await relay.close();
  }

  /** After ROLLBACK: rows that wait for a load's table are gone; those of temporary tables are their owner's. */
  async drop(): Promise<void> {
    const relays = [...this.finished.splice(0), ...this.relays.values()];
    this.relays.clear();
    for (const relay of relays) await relay.drop();
  }

  interrupt(): void {
    for (const relay of [...this.finished, ...this.relays.values()]) relay.interrupt();
  }

  async dispose(): Promise<void> {
    for (const sink of this.sinks.values()) close(sink);
    this.sinks.clear();
    for (const relay of [...this.finished, ...this.relays.values()]) await relay.close();
    this.relays.clear();
    this.encoder.dispose();
  }
}

function close(sink: Sink): void {
  try {
    sink.appender?.closeSync();
  } catch {
    // its rows are not wanted any more
  }
  sink.appender = undefined;
}

function typeOf(column: RowColumn): string {
  switch (column.from.kind) {
    case 'field': case 'oldKey': return stageTypeOf(column.from.type);
    case 'ordinal': return 'BIGINT';
    case 'op': return 'SMALLINT';
    case 'unavailable': return 'VARCHAR';
  }
}

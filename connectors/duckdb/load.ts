import type { DuckDBConnection, DuckDBType } from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import { Arena, type Batch, type LogicalType } from '#batch';
import { duckdbError } from './errors.ts';
import { qualified, type RowColumn, type RowTarget, type RowWriter } from '../_shared/sql/dialect.ts';
import { duckdbDialect } from './dialect.ts';
import { ChunkEncoder, unavailableMask } from './encode.ts';
import { quoteName, stageTypeOf } from './types.ts';

type Api = typeof import('@duckdb/node-api');

/** Rows of one of DuckDB's vectors. */
const CHUNK = 2048;

export interface WriterParts {
  readonly connection: DuckDBConnection;
  readonly api: Api;
  run(sql: string): Promise<unknown>;
}

interface Sink {
  /** The temporary table that takes the rows. */
  readonly table: string;
  /** The permanent table that `finish` moves them to. */
  readonly into: RowTarget | undefined;
  appender: Awaited<ReturnType<DuckDBConnection['createAppender']>> | undefined;
  /** In the order of the temporary table; what the rows do not have is NULL. */
  readonly columns: readonly (RowColumn | undefined)[];
}

/**
 * Appends whole columns to temporary tables, which lie in memory and in no log; rows for a permanent table wait in one of their own until
 * `finish` moves them in the transaction of the commit, so that no transaction is open while a source is read (rule 10).
 * docs/decisions/duckdb-load.md has the measurements.
 */
export class DuckdbWriter implements RowWriter {
  private readonly parts: WriterParts;
  private readonly encoder = new ChunkEncoder(bindings);
  private readonly sinks = new Map<string, Sink>();
  private readonly emptied: string[] = [];
  private relays = 0;
  private bytes = 0;

  constructor(parts: WriterParts) {
    this.parts = parts;
  }

  async write(into: RowTarget, batch: Batch): Promise<void> {
    if (batch.length === 0) return;
    const arena = new Arena();
    try {
      const sink = await this.sink(into);
      const mask = into.columns.some((column) => column.from.kind === 'unavailable') ? unavailableMask(batch, arena) : undefined;
      const appender = sink.appender ??= await this.parts.connection.createAppender(sink.table, 'main', 'temp');
      const types = sink.columns.map((column, index) => (column ? this.driverType(column) : appender.columnType(index)));
      const chunk = this.parts.api.DuckDBDataChunk.create(types, 0);
      for (let from = 0; from < batch.length; from += CHUNK) {
        const count = Math.min(CHUNK, batch.length - from);
        chunk.reset();
        for (const [index, column] of sink.columns.entries()) {
          // ordinals move on with every write, so the column is the caller's of now
          const current = column && into.columns.find((each) => each.name === column.name);
          this.encoder.column(bindings.data_chunk_get_vector(chunk.chunk, index), current, { batch, mask, from, count });
        }
        chunk.rowCount = count;
        appender.appendDataChunk(chunk);
      }
      this.bytes += batch.byteSize;
    } catch (error) {
      throw duckdbError(error);
    } finally {
      arena.release();
    }
  }

  /** Columns may change from batch to batch; each set of them has its own sink. */
  private async sink(into: RowTarget): Promise<Sink> {
    const key = JSON.stringify([into.table.schema ?? null, into.table.table, into.columns.map((column) => [column.name, typeOf(column)])]);
    const known = this.sinks.get(key);
    if (known) return known;
    const permanent = into.table.schema !== undefined;
    const table = permanent ? `_etl_relay_${++this.relays}` : into.table.table;
    if (permanent) {
      this.settle();
      await this.parts.connection.run(`create temporary table ${quoteName(table)} (${into.columns.map((column) => `${quoteName(column.name)} ${typeOf(column)}`).join(', ')})`);
    }
    const columns = permanent ? into.columns : await this.columnsOf(table, into);
    const sink: Sink = { table, into: permanent ? into : undefined, appender: undefined, columns };
    this.sinks.set(key, sink);
    return sink;
  }

  /** A stage may have columns that these rows do not. */
  private async columnsOf(table: string, into: RowTarget): Promise<readonly (RowColumn | undefined)[]> {
    const result = await this.parts.connection.runAndReadAll("select column_name from duckdb_columns() where database_name = 'temp' and table_name = $1 order by column_index", [table]);
    return result.getRows().map(([name]) => into.columns.find((column) => column.name === name));
  }

  private driverType(column: RowColumn): DuckDBType {
    switch (column.from.kind) {
      case 'field': case 'oldKey': return driverTypeOf(this.parts.api, column.from.type);
      case 'ordinal': return this.parts.api.BIGINT;
      case 'op': return this.parts.api.SMALLINT;
      case 'unavailable': return this.parts.api.VARCHAR;
    }
  }

  /** Before any statement: it has to see the rows. */
  settle(): void {
    for (const sink of this.sinks.values()) {
      const { appender } = sink;
      if (!appender) continue;
      sink.appender = undefined;
      try {
        appender.flushSync();
        appender.closeSync();
      } catch (error) {
        throw duckdbError(error);
      }
    }
  }

  async finish(): Promise<number> {
    this.settle();
    const sinks = [...this.sinks.values()];
    this.sinks.clear();
    for (const { table, into } of sinks) {
      if (!into) continue;
      const names = into.columns.map((column) => quoteName(column.name)).join(', ');
      await this.parts.run(`insert into ${qualified(duckdbDialect, into.table)} (${names}) select ${names} from temp.main.${quoteName(table)}`);
      this.emptied.push(table);
    }
    const { bytes } = this;
    this.bytes = 0;
    return bytes;
  }

  /** After COMMIT: the tables that the rows waited in. */
  async sweep(): Promise<void> {
    for (const table of this.emptied.splice(0)) await this.parts.connection.run(`drop table if exists temp.main.${quoteName(table)}`);
  }

  /** After ROLLBACK: rows that wait for a permanent table are gone; those of temporary tables are their owner's. */
  async drop(): Promise<void> {
    for (const [key, sink] of this.sinks) {
      if (!sink.into) continue;
      this.emptied.push(sink.table);
      this.sinks.delete(key);
      close(sink);
    }
    await this.sweep();
  }

  dispose(): void {
    for (const sink of this.sinks.values()) close(sink);
    this.sinks.clear();
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

function driverTypeOf(api: Api, type: LogicalType): DuckDBType {
  if (type.kind === 'decimal') return api.DECIMAL(type.precision, type.scale);
  if (type.kind === 'list') return api.LIST(driverTypeOf(api, type.element));
  if (type.kind === 'struct') return api.STRUCT(Object.fromEntries(type.fields.map((field) => [field.name, driverTypeOf(api, field.type)])));
  return simpleDriverTypes(api)[type.kind];
}

function simpleDriverTypes(api: Api) {
  return {
    bool: api.BOOLEAN, int8: api.TINYINT, int16: api.SMALLINT, int32: api.INTEGER, int64: api.BIGINT, uint8: api.UTINYINT, uint16: api.USMALLINT,
    uint32: api.UINTEGER, uint64: api.UBIGINT, float32: api.FLOAT, float64: api.DOUBLE, bytes: api.BLOB, uuid: api.UUID, date: api.DATE, time: api.TIME,
    timestamp: api.TIMESTAMP, timestamptz: api.TIMESTAMPTZ, interval: api.INTERVAL,
    text: api.VARCHAR, number: api.VARCHAR, json: api.VARCHAR,
  };
}

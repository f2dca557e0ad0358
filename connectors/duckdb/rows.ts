import bindings from '@duckdb/node-bindings';
import type { DataChunk, Vector as NativeVector } from '@duckdb/node-bindings';
import api, { type DuckDBConnection, type DuckDBType } from '@duckdb/node-api';
import { widthOf, type Batch, type LogicalType } from '#batch';
import type { RowColumn } from '../_shared/sql/dialect.ts';
import { ChunkEncoder } from './encode.ts';

export interface Lending {
  /** Each may follow those before it. */
  readonly batches: readonly Batch[];
  readonly columns: readonly RowColumn[];
  /** Called when the rows are DuckDB's. */
  taken(): void;
}

interface Loan extends Lending {
  failure: unknown;
}

/**
 * Rows of batches as what a function gives that a statement calls: DuckDB's own threads insert, compress and write them while JavaScript's
 * thread reads on. The function runs on JavaScript's thread, once a statement, and only copies columns into DuckDB's vectors, as one list of
 * rows; so the rows lie nowhere between.
 */
export class RowFunctions {
  /** Functions belong to the database; this connection only names them. */
  private readonly connection: DuckDBConnection;
  private readonly encoder = new ChunkEncoder(bindings);
  /** By the types of the columns. They can't be dropped, so tables of equal types share one. */
  private readonly names = new Map<string, string>();
  private readonly loans = new Map<bigint, Loan>();
  private lastLoan = 0n;

  constructor(connection: DuckDBConnection) {
    this.connection = connection;
  }

  /** A query that gives the rows of a loan, column by column as asked for. Its parameters are those of `lend`. */
  query(columns: readonly RowColumn[]): string {
    const type = api.LIST(api.STRUCT(Object.fromEntries(columns.map((column, index) => [`c${index}`, this.driverType(column)]))));
    const key = type.toString();
    const name = this.names.get(key) ?? this.register(`_etl_rows_${this.names.size + 1}`, type);
    this.names.set(key, name);
    return `select ${columns.map((column, index) => valueOf(column, `r.c${index}`)).join(', ')} from (select unnest(${name}($1::bigint)) as r)`;
  }

  /** The parameters of a query that reads these batches, for as long as the work runs. A row that can't be read throws its own error. */
  async lend(lending: Lending, work: (parameters: readonly [loan: bigint]) => Promise<unknown>): Promise<void> {
    const id = ++this.lastLoan;
    const loan: Loan = { ...lending, failure: undefined };
    this.loans.set(id, loan);
    try {
      await work([id]);
    } catch (error) {
      throw loan.failure ?? error;
    } finally {
      this.loans.delete(id);
      if (this.loans.size === 0) this.encoder.dispose();
    }
  }

  dispose(): void {
    this.connection.closeSync();
  }

  private register(name: string, type: DuckDBType): string {
    const made = new api.DuckDBScalarFunction();
    made.setName(name);
    made.addParameter(api.BIGINT);
    made.setReturnType(type);
    made.setVolatile(); // one call for all columns
    bindings.scalar_function_set_function(made.scalar_function, (_info, input, output) => this.fill(input, output));
    this.connection.registerScalarFunction(made);
    return name;
  }

  private fill(input: DataChunk, output: NativeVector): void {
    const loan = this.loans.get(loanOf(input));
    if (!loan) throw new RangeError('the rows of this statement are no longer there');
    const count = loan.batches.reduce((sum, batch) => sum + batch.length, 0);
    const entry = new BigUint64Array([0n, BigInt(count)]);
    bindings.copy_data_to_vector(output, 0, entry.buffer, 0, 16);
    bindings.list_vector_reserve(output, count);
    bindings.list_vector_set_size(output, count);
    const rows = bindings.list_vector_get_child(output);
    try {
      let to = 0;
      for (const batch of loan.batches) {
        for (const [index, column] of loan.columns.entries()) this.encoder.column(bindings.struct_vector_get_child(rows, index), column, { batch, mask: undefined, from: 0, count: batch.length, to });
        to += batch.length;
      }
      loan.taken();
    } catch (error) {
      loan.failure = error;
      throw error;
    }
  }

  private driverType(column: RowColumn): DuckDBType {
    return column.from.kind === 'field' ? driverTypeOf(column.from.type) : api.VARCHAR;
  }
}

/**
 * What unnest gives are places in the list, and the insert would copy each text from there before it writes it. A CASE gives it texts that
 * lie one after the other and are not copied.
 */
function valueOf(column: RowColumn, name: string): string {
  return 'type' in column.from && widthOf(column.from.type) === 0 && !['list', 'struct'].includes(column.from.type.kind) ? `case when ${name} is not null then ${name} end` : name;
}

function loanOf(chunk: DataChunk): bigint {
  const data = bindings.vector_get_data(bindings.data_chunk_get_vector(chunk, 0), 8);
  return new DataView(data.buffer, data.byteOffset, 8).getBigInt64(0, true);
}

export function driverTypeOf(type: LogicalType): DuckDBType {
  if (type.kind === 'decimal') return api.DECIMAL(type.precision, type.scale);
  if (type.kind === 'list') return api.LIST(driverTypeOf(type.element));
  if (type.kind === 'struct') return api.STRUCT(Object.fromEntries(type.fields.map((field) => [field.name, driverTypeOf(field.type)])));
  return simpleDriverTypes()[type.kind];
}

function simpleDriverTypes() {
  return {
    bool: api.BOOLEAN, int8: api.TINYINT, int16: api.SMALLINT, int32: api.INTEGER, int64: api.BIGINT, uint8: api.UTINYINT, uint16: api.USMALLINT,
    uint32: api.UINTEGER, uint64: api.UBIGINT, float32: api.FLOAT, float64: api.DOUBLE, bytes: api.BLOB, uuid: api.UUID, date: api.DATE, time: api.TIME,
    timestamp: api.TIMESTAMP, timestamptz: api.TIMESTAMPTZ, interval: api.INTERVAL,
    text: api.VARCHAR, number: api.VARCHAR, json: api.VARCHAR,
  };
}

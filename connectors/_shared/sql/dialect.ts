import type { Batch, Field, LogicalType } from '#batch';
import type { EtlError } from '#sdk';
import type { Calendar } from './calendar.ts';

/**
 * What the commit protocol needs of an SQL database. The protocol itself (destination.ts, session.ts) is written once against these
 * interfaces; Postgres and DuckDB implement them.
 */

export type SqlValue = string | number | bigint | boolean | null;
/** Column values by name. Counts may come as number, bigint or decimal text, so readers convert. */
export type SqlRow = Readonly<Record<string, unknown>>;

/** Parameters are `$1`, `$2` … and carry an explicit cast in the SQL where the type is not obvious. */
export interface Statement {
  readonly sql: string;
  readonly params?: readonly SqlValue[];
}

export interface SqlConnection {
  query(sql: string, params?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** Several in their order, in one round trip where the database can. All are answered before the first that failed is thrown. */
  queries(statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]>;
  /** How many rows the statement has inserted, updated or deleted, as the database says. */
  change(sql: string): Promise<number>;
}

/** One connection, used by one caller at a time. */
export interface SqlSession extends SqlConnection {
  /** What `terminate` of a later session takes: a backend's pid and start time; undefined where nothing can be held (one process). */
  readonly backend: string | undefined;
  /** Nothing that is sent on it will be answered any more. */
  readonly broken: boolean;
  /** BEGIN and the transaction's first statements, in one round trip where the database can. Never nested. */
  begin(first?: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]>;
  rollback(): Promise<void>;
  /** COMMIT. Without a clean answer (none, or with a warning) it throws transient with a code that ends in `-UNKNOWN` (rule 9). */
  commit(): Promise<void>;
  /** Writes into temporary and permanent tables, in the running transaction if there is one. */
  readonly writer: RowWriter;
  /** Ends the connection now, also in the middle of a statement. Never throws. */
  close(): Promise<void>;
  /** Ends the server's statement from outside (grace is over). */
  cancel(): Promise<void>;
}

export interface SqlDatabase extends AsyncDisposable {
  readonly dialect: SqlDialect;
  connect(): Promise<SqlSession>;
  /** Nothing is there yet, and `connect` would make it: who only reads does not. */
  isMissing?(): boolean;
  /** Begins the connection that the next `connect` gives, so that its round trips overlap with other work. */
  prepare?(): void;
  /** Ends the backend that a dead session recorded, when it is still that one (rule 10). Best effort: timeouts are the second wall. */
  terminate(control: SqlConnection, backend: string): Promise<void>;
  /** Where one process alone can hold the database: gives it back, unless a session is open. A later `connect` takes it again (rule 28). */
  letGo?(): Promise<void>;
  /** This connector's error for a thing that the protocol found; the codes are the connector's own. */
  error(fault: Fault): EtlError;
}

/** What the protocol may find wrong. The connector gives it its code and text. */
export type Fault =
  | { readonly what: 'fenced'; readonly scope: 'run' | 'load' | 'split'; readonly message: string }
  | { readonly what: 'state_lost'; readonly message: string; readonly hint: string }
  | { readonly what: 'schema'; readonly message: string; readonly hint?: string }
  | { readonly what: 'config_changed'; readonly message: string; readonly hint?: string }
  | { readonly what: 'unavailable'; readonly message: string; readonly hint?: string }
  | { readonly what: 'duplicate_key'; readonly message: string; readonly hint?: string }
  | { readonly what: 'internal'; readonly message: string };

/** Puts the rows of batches into tables, fast. Several batches may share one statement. */
export interface RowWriter {
  /** The caller may release the batch when this returns, although rows may still be on their way. */
  write(into: RowTarget, batch: Batch): Promise<void>;
  /** Statements on the session may follow, and see what was written to temporary tables. */
  settle(): Promise<void>;
  /** Before a commit: all rows of all writes are in their tables, as its transaction sees them. Bytes written since the last finish. */
  finish(): Promise<number>;
}

export interface RowTarget {
  readonly table: TableName;
  readonly columns: readonly RowColumn[];
}

/** Where a column of a stage gets its values. */
export interface RowColumn {
  readonly name: string;
  /** The column's type in that table. */
  readonly type: string;
  readonly from:
    | { readonly kind: 'field'; readonly index: number; readonly type: LogicalType }
    /** The key before the change, by key position. */
    | { readonly kind: 'oldKey'; readonly index: number; readonly type: LogicalType }
    /** int64: `base` + row number. Order within a commit; the batch's own `seq` grows the same way. */
    | { readonly kind: 'ordinal'; readonly base: bigint }
    /** int16: SNAPSHOT, INSERT, UPDATE, DELETE. */
    | { readonly kind: 'op' }
    /** text: one character a field, `1` where the value is unavailable; NULL when all are there. */
    | { readonly kind: 'unavailable' };
}

export interface TableName {
  /** undefined: a temporary table of the session. */
  readonly schema: string | undefined;
  readonly table: string;
}

/** A column as it lies in the database. */
export interface TableColumn {
  readonly name: string;
  /** As the database names it, with its modifiers: `numeric(18,2)`. */
  readonly type: string;
  readonly nullable: boolean;
}
export interface TableInfo {
  readonly name: TableName;
  readonly columns: readonly TableColumn[];
  /** The mark that lies on the table itself (rule 22), if it is ours. */
  readonly incarnation: string | undefined;
  /** The mark lies wherever `mark` puts it. */
  readonly isMarked: boolean;
  /** The table's comment, in which the mark stands beside the user's own words. */
  readonly comment: string;
  /** Columns of the primary key, or of a unique constraint over exactly these columns. */
  readonly uniqueKeys: readonly (readonly string[])[];
  /** CHECK constraints as expressions over the columns. */
  readonly checks: readonly { readonly name: string; readonly expression: string }[];
}

export interface Swap {
  readonly old: TableName | undefined;
  readonly fresh: TableName;
  readonly name: TableName;
  /** Rows of `fresh` may have been changed or removed in this transaction. */
  readonly rewritten: boolean;
}

/** Rows for a table of the state. */
export interface StateRows {
  readonly table: string;
  readonly key: readonly string[];
  /** What a row that is there takes from the one that has its key here. All else of it stays. */
  readonly replaces: readonly string[];
  /** Of the same columns, in the same order, and no key twice. */
  readonly rows: readonly Readonly<Record<string, SqlValue>>[];
}

export interface MappedType {
  readonly sql: string;
  readonly outcome: 'exact' | 'mapped' | 'checked';
  readonly note?: string;
}

export interface SqlDialect {
  readonly name: string;
  /** Longest identifier in bytes. */
  readonly maxNameBytes: number;
  readonly defaultSchema: string;
  readonly quote: (identifier: string) => string;
  readonly literal: (text: string) => string;
  /** Learns what `mapType` needs to know of the database: which of the sources' own types exist there. */
  prepareTypes(connection: SqlConnection, fields: readonly Field[]): Promise<void>;
  /** The column's type for this field. */
  mapType(field: Field): MappedType;
  /** Is every value of `from` one of `to`: `int4` → `int8`. Both as the database names them (rule 30). */
  widens(from: string, to: string): boolean;
  /** Are both names of one type: `int4` and `integer`. */
  sameType(left: string, right: string): boolean;
  /** An expression that can be compared by `IS DISTINCT FROM`, whatever the type (`json` has no equality). */
  comparable(expression: string, type: string): string;
  /** Appended to a SELECT to lock its rows; empty where the transaction itself is enough. */
  lock(strength: 'update' | 'share'): string;
  /** `table.column` of all tables of a schema, in one round trip or two. */
  columnNames(connection: SqlConnection, schema: string): Promise<readonly string[]>;
  /** Columns, key and incarnation of a table; undefined: there is none. */
  readTable(connection: SqlConnection, name: TableName): Promise<TableInfo | undefined>;
  /** The marks of some tables, in one round trip (rule 22): undefined where the table or its mark is missing. */
  incarnations(connection: SqlConnection, names: readonly TableName[]): Promise<readonly (string | undefined)[]>;
  /** Puts the mark on the table: into its comment, whose own words stay, and where the database has one, into a place that neither a comment of a user's nor a dump reaches. That one counts. */
  mark(name: TableName, comment: string, incarnation: string): readonly string[];
  /** Makes the key of a table: a primary key, or a unique index where a key column may be NULL. */
  addKey(name: TableName, key: readonly string[], nullable: boolean): readonly string[];
  alterType(name: TableName, column: string, type: string): string;
  /**
   * Rows of `source` (a table or a query in brackets, one row a key) into the target: inserted, or over the row of the same key.
   * `columns` includes the key.
   */
  upsert(target: TableName, source: string, columns: readonly string[], key: readonly string[]): string;
  /**
   * Called right after rows of a table of the user's were written: throws where its triggers or rules kept some as they were. `missing` are
   * queries of a number by that name. They run only where the table has what can do so, which nobody can change from the write on.
   */
  refuseLeftOut(connection: SqlConnection, name: TableName, missing: readonly string[]): Promise<void>;
  /** Rows whose values come as parameters: inserted, or over the row of the same key. Two at once may do it. */
  put(rows: StateRows): readonly Statement[];
  /** `fresh` takes the name, `old` (if there is one) goes, in the running transaction; grants of `old` are kept, and what rests on it goes on. */
  swap(connection: SqlConnection, tables: Swap): Promise<void>;
  /** Holds a name until the transaction ends, so that two writers do not make one table at once. */
  lockName(connection: SqlConnection, name: string): Promise<void>;
  /** Runs the work so that its failure leaves the transaction usable. */
  savepoint<T>(connection: SqlConnection, work: () => Promise<T>): Promise<T>;
  /** Is it the error of a unique key. */
  isDuplicate(error: unknown): boolean;
  /** Type of a stage's column for rows that `RowWriter` writes, and how its values become the target's type. */
  stageType(field: Field): { readonly type: string; cast(expression: string, to: string): string };
  /** CREATE TABLE of a stage: temporary, without constraints. */
  createTemporary(table: string, columns: readonly { readonly name: string; readonly type: string }[]): string;
  /** The physical order of rows, for duplicates in a load's own table: `ctid`, `rowid`. */
  readonly rowId: string;
  /** When a stage's value does not fit the target's narrower type; undefined: it always does. */
  overflows(expression: string, from: string, to: string): string | undefined;
  /** ISO 8601 text in UTC with microseconds, by the database's clock. */
  readonly nowText: string;
  /** The same as an instant. */
  readonly nowInstant: string;
  readonly textType: string;
  /** int64 and int16 of a stage's marks. */
  readonly ordinalType: string;
  readonly opType: string;
  /** Do `upsert` and `put` rest on a unique index of their table. */
  readonly needsUniqueKey: boolean;
  readonly calendar: Calendar;
  /** A type for `valid_from` and `_etl_loaded_at`. */
  readonly instantType: string;
}

export function qualified(dialect: SqlDialect, name: TableName): string {
  return name.schema === undefined ? dialect.quote(name.table) : `${dialect.quote(name.schema)}.${dialect.quote(name.table)}`;
}

/** A statement has at most 65,535 parameters. */
const ROWS_TOGETHER = 500;

/** The parts of a statement that puts some rows: `"a", "b"`, `($1, $2), ($3, $4)`, and what the parameters stand for. */
export interface ValuesOf {
  readonly columns: string;
  readonly values: string;
  readonly params: readonly SqlValue[];
}

/** These rows, so many at a time as one statement takes. */
export function valuesOf({ quote }: Pick<SqlDialect, 'quote'>, { rows }: StateRows): readonly ValuesOf[] {
  const columns = Object.keys(rows[0] ?? {});
  return Array.from({ length: Math.ceil(rows.length / ROWS_TOGETHER) }, (_, part) => {
    const these = rows.slice(part * ROWS_TOGETHER, (part + 1) * ROWS_TOGETHER);
    const values = these.map((_row, row) => `(${columns.map((_column, index) => `$${row * columns.length + index + 1}`).join(', ')})`);
    return { columns: columns.map(quote).join(', '), values: values.join(', '), params: these.flatMap((row) => columns.map((column) => row[column] ?? null)) };
  });
}

/** `a.k = b.k and …`, NULL equal to NULL where the key may be NULL. */
export function keysEqual(dialect: SqlDialect, key: readonly string[], sides: readonly [string, string], nullable: boolean): string {
  const operator = nullable ? 'is not distinct from' : '=';
  return key.map((name) => `${sides[0]}.${dialect.quote(name)} ${operator} ${sides[1]}.${dialect.quote(name)}`).join(' and ');
}

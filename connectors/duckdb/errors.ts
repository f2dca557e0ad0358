import { EtlError, type ErrorKind, type ErrorTexts } from '#sdk';
import type { Fault } from '../_shared/sql/dialect.ts';

export const duckdbErrors: ErrorTexts = {
  'ETL-DUCK-001': {
    title: 'Another process has the database file open',
    text: 'DuckDB lets one process at a time write a file, and the message names it. Close that program, or wait until its run has ended; nothing was read or written.',
  },
  'ETL-DUCK-002': {
    title: 'The database file can\'t be opened',
    text: 'The folder doesn\'t exist, or it may not be written by this user. The folder of a new database has to exist.',
  },
  'ETL-DUCK-003': {
    title: 'The file is not a DuckDB database that this version reads',
    text: 'The file holds something else, or a newer DuckDB wrote it. Choose another path, or write the database again with the version that etl carries.',
  },
  'ETL-DUCK-004': {
    title: 'The package @duckdb/node-api is missing',
    text: 'It is an optional dependency, and was left out when etl was installed, or there is none for this platform. Install it beside etl: npm install @duckdb/node-api.',
  },
  'ETL-DUCK-005': {
    title: 'Two transactions of this process changed the same rows',
    text: 'DuckDB refused the later one. Nothing of it was written; the split is opened again and goes on from its last commit.',
  },
  'ETL-DUCK-006': {
    title: 'DuckDB ran out of memory',
    text: 'A statement needs more than memory_limit. Raise it, lower commit.bytes, or give temp_directory a place with more room.',
  },
  'ETL-DUCK-007': {
    title: 'The database could not be written',
    text: 'The disk gave an error. What was committed stands; after the cause is removed the next run goes on from there.',
  },
  'ETL-DUCK-008': {
    title: 'The target refuses a row',
    text: 'A constraint of the target (a unique index, a foreign key, a CHECK) or a type that can\'t hold the value. The message names it. Correct the row at the source, or relax the constraint.',
  },
  'ETL-DUCK-009': { title: 'The statement was interrupted', text: 'The run was stopped, or its grace was over. What was not committed is read again.' },
  'ETL-DUCK-010': {
    title: 'A value has no form in DuckDB',
    text: 'A timestamp before the year 290309 BC, a date outside DuckDB\'s range, or text that isn\'t UTF-8. The message names stream and column. Cast the column to text, or correct the value.',
  },
  'ETL-DUCK-011-UNKNOWN': {
    title: 'A commit got no clean answer',
    text: 'DuckDB failed while it wrote the commit, so only the file itself can tell whether it stands. The split is opened again and reads what is committed; nothing is lost or doubled.',
  },
  'ETL-DUCK-012': { title: 'A newer run holds this pipe', text: 'Another claim was made in the meantime. This attempt ends and deletes nothing; the newer one goes on.' },
  'ETL-DUCK-013': {
    title: 'State and data no longer belong together',
    text: 'The table was dropped, replaced or restored without etl, another job writes it, or the source is another one. Compare both, then accept with `etl state adopt` (which takes over what another job wrote), or load again with --full-refresh.',
  },
  'ETL-DUCK-014': { title: 'The target\'s schema does not fit', text: 'A change that is not additive, or that the contract of the stream forbids. `etl plan` shows it. Change the target, the contract, or load again with --full-refresh.' },
  'ETL-DUCK-015': { title: 'The job changed in a way that one table can\'t hold', text: 'Key, write mode, hash key or a cast differ from those that the table was written with. Load it again with --full-refresh.' },
  'ETL-DUCK-016': {
    title: 'A value that the source did not send has no row to come from',
    text: 'The source leaves out unchanged large values, and the target has no row of that key to take it from. Load the stream again, or declare a placeholder.',
  },
  'ETL-DUCK-017': { title: 'Two rows have one key', text: 'The declared key is not unique in the source. Correct the key in the job.' },
  'ETL-DUCK-019': { title: 'The disk is full', text: 'No space is left where the database lies. Nothing of the running commit is in it; the tables are as they were. Free some space and run again: the run goes on from the last commit.' },
  'ETL-DUCK-020': { title: 'Schema and file have one name', text: 'DuckDB calls a database by the name of its file, and a schema of that name could be either. Name the file or the target\'s schema otherwise.' },
  'ETL-DUCK-018': { title: 'DuckDB gave an answer that was not expected', text: 'This is a bug: please report it with the message.' },
};

/** What DuckDB's messages begin with, and what that means. The first match decides. */
const KNOWN: readonly (readonly [pattern: RegExp, kind: ErrorKind, code: string, hint?: string])[] = [
  // a run may be skipped for another run (`overlap: skip`), never for a notebook that was left open
  [/Could not set lock on file.*held in (?!\S*\bnode\b)/i, 'transient', 'ETL-DUCK-001', 'Close the program that has the file open.'],
  [/Could not set lock on file/i, 'locked', 'ETL-DUCK-001', 'Close the program that has the file open, or wait for its run.'],
  [/not a valid DuckDB database|newer version of DuckDB|version number/i, 'unsupported', 'ETL-DUCK-003', 'Name another file, or move this one away.'],
  // nobody makes room between two tries
  [/No space left on device/i, 'not_found', 'ETL-DUCK-019', 'Free some space and run again: the run goes on from the last commit, the tables are as they were.'],
  [/Cannot open file|Cannot open database|Permission denied|Cannot create/i, 'not_found', 'ETL-DUCK-002', 'Create the folder and check its permissions.'],
  [/Conflict on|conflict|Cannot append to this table|has been altered/i, 'transient', 'ETL-DUCK-005'],
  [/^INTERRUPT/i, 'transient', 'ETL-DUCK-009'],
  [/^Out of Memory|failed to allocate|could not allocate|failed to pin/i, 'transient', 'ETL-DUCK-006', 'Raise memory_limit of this connection.'],
  [/^IO Error|^FATAL|database has been invalidated/i, 'transient', 'ETL-DUCK-007'],
  [/Ambiguous reference to catalog or schema/i, 'config', 'ETL-DUCK-020', 'Name the file otherwise, or set another `target.schema`.'],
  [/^Constraint Error|^Conversion Error|^Invalid Input Error|^Out of Range Error/i, 'data', 'ETL-DUCK-008'],
];

/** What loading the driver has thrown: it is not there, or not for this platform. */
export function driverMissing(cause: unknown): EtlError {
  return new EtlError({ kind: 'config', code: 'ETL-DUCK-004', message: 'The package @duckdb/node-api can\'t be loaded.', hint: 'npm install @duckdb/node-api', cause });
}

/** The error of a statement; an EtlError goes on as it is, what is unknown is internal. */
export function duckdbError(error: unknown): EtlError {
  if (error instanceof EtlError) return error;
  return classifyDuckdb(error) ?? new EtlError({ kind: 'internal', code: 'ETL-DUCK-018', message: `DuckDB: ${messageOf(error)}`, cause: error });
}

/** undefined: not an error of DuckDB's that we know. */
export function classifyDuckdb(error: unknown): EtlError | undefined {
  const message = messageOf(error);
  for (const [pattern, kind, code, hint] of KNOWN) {
    if (pattern.test(message)) return new EtlError({ kind, code, message: `DuckDB: ${message}`, ...(hint !== undefined && { hint }), cause: error });
  }
  return undefined;
}

/** A failed COMMIT: a conflict was refused as a whole; anything else may stand in the file or not (rule 9). */
export function commitError(error: unknown): EtlError {
  const message = messageOf(error);
  if (/^TransactionContext Error|^Constraint Error/i.test(message) && !/FATAL|invalidated/i.test(message)) return duckdbError(error);
  return new EtlError({ kind: 'transient', code: 'ETL-DUCK-011-UNKNOWN', message: `DuckDB: COMMIT failed: ${message}`, cause: error });
}

const FAULTS: Readonly<Record<Fault['what'], readonly [kind: ErrorKind, code: string]>> = {
  fenced: ['fenced', 'ETL-DUCK-012'],
  state_lost: ['state_lost', 'ETL-DUCK-013'],
  schema: ['schema', 'ETL-DUCK-014'],
  config_changed: ['config_changed', 'ETL-DUCK-015'],
  unavailable: ['data', 'ETL-DUCK-016'],
  duplicate_key: ['data', 'ETL-DUCK-017'],
  internal: ['internal', 'ETL-DUCK-018'],
};

export function faultError(fault: Fault): EtlError {
  const [kind, code] = FAULTS[fault.what];
  const hint = 'hint' in fault ? fault.hint : undefined;
  return new EtlError({ kind, code, message: fault.message, ...(hint !== undefined && { hint }), ...(fault.what === 'fenced' && { scope: fault.scope }) });
}

/** After an error that ends the database all that follows is told of that alone; what it was stands in the next line. */
function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const original = /invalidated because of a previous fatal error[^]*?\nOriginal error: "?([^\n]+?)"?(?:\n|$)/.exec(message)?.[1];
  return original === undefined ? message.split('\n')[0] ?? '' : `FATAL Error: the database was invalidated: ${original}`;
}

import { EtlError, type ErrorKind, type ErrorTexts } from '#sdk';
import { formatErrors } from '../_shared/formats/errors.ts';
import { logErrors } from '../_shared/commit-log/errors.ts';

export const errors: ErrorTexts = {
  ...logErrors,
  ...formatErrors,
  'ETL-FILE-001': { title: 'The disk is full', text: 'No space (or quota) is left under the folder. Nothing of the running commit is visible, the tables are as they were. Free some space and run again: the run goes on from the last commit.' },
  'ETL-FILE-002': { title: 'The folder can not be written', text: 'The process may not write there, or the file system is mounted read-only. Check the owner and the mode of the folder.' },
  'ETL-FILE-003': { title: 'Too many open files', text: 'The limit of open files of the process or the machine is reached. Raise it (`ulimit -n`) or lower limits.concurrency.' },
  'ETL-FILE-004': { title: 'The file system has no hard links', text: 'The commit log needs link(2), which some network and memory-card file systems lack. Use a folder on a local disk.' },
  'ETL-FILE-005': { title: 'The disk failed', text: 'Reading or writing failed for a reason given in the message. What was committed before stays. Run again once the cause is gone.' },
  'ETL-FILE-010': { title: 'The folder of a table is gone or was replaced', text: 'The state says what lies in the folder, and the folder does not bear the mark that the state names: it was deleted, moved or restored. Put it back; or accept what is there with `etl state adopt`; or load the table anew with --full-refresh. When it is the state (`_etl`) that was lost, adopt the folder first: its files are then this job\'s again, append writes beside them and --full-refresh replaces them.' },
  'ETL-FILE-011': { title: 'The folder belongs to another job', text: 'Another job writes this table. Choose another table; or, if both only append, set `shared: append` on the streams of both jobs. If that job is gone or was renamed, `etl state adopt` takes its folders over, with the rows that lie there.' },
  'ETL-FILE-012': { title: 'The folder holds files that this job did not write', text: 'The table would mix its rows with files of unknown origin. Choose another table or path, or move the files away.' },
  'ETL-FILE-013': { title: 'A committed file is gone', text: 'A record lists a file that is no longer in its folder: it was deleted by hand. Load the table anew with --full-refresh.' },
  'ETL-FILE-014': { title: 'A write mode that files can not do', text: 'Plain files take append and replace. For merge or scd2 use a database, such as duckdb or postgres.' },
  'ETL-FILE-015': { title: 'The name of a table is too long for the file system', text: 'A folder name may have 255 bytes after escaping. Give the table a shorter name.' },
  'ETL-FILE-017': { title: 'The schema contract lets no table be made', text: 'The stream has `schema: { tables: freeze }` or `schema: freeze`, and its folder is not there.' },
  'ETL-FILE-018': { title: 'The folder holds another format', text: 'Files of this table have another format than the job asks for now. Whoever reads the one would miss the rows of the other. Load the table anew with --full-refresh, or take the change back.' },
  'ETL-FILE-019': { title: 'The folder holds the rows of another stream', text: 'Another stream of this job was moved into the folder, and rows of two tables would be mixed. Choose another table. Where the stream was renamed at the source, `etl state adopt` gives the folder to its new name.' },
  'ETL-FILE-016': { title: 'The session is over', text: 'A commit of this session failed or was fenced; it takes nothing more. The split is opened again.' },
};

const ERRNO: Readonly<Record<string, readonly [code: string, kind: ErrorKind, what: string]>> = {
  // Nobody makes room between two tries, and each would read and write it all again.
  ENOSPC: ['ETL-FILE-001', 'not_found', 'No space is left'],
  EDQUOT: ['ETL-FILE-001', 'not_found', 'The quota is used up'],
  EROFS: ['ETL-FILE-002', 'auth', 'The file system is read-only'],
  EACCES: ['ETL-FILE-002', 'auth', 'No permission'],
  EPERM: ['ETL-FILE-002', 'auth', 'Not permitted'],
  ENOTDIR: ['ETL-FILE-002', 'config', 'Not a folder'],
  EMFILE: ['ETL-FILE-003', 'transient', 'Too many open files'],
  ENFILE: ['ETL-FILE-003', 'transient', 'Too many open files on the machine'],
  ENOTSUP: ['ETL-FILE-004', 'unsupported', 'The file system has no hard links'],
  ENOSYS: ['ETL-FILE-004', 'unsupported', 'The file system has no hard links'],
  ENAMETOOLONG: ['ETL-FILE-015', 'config', 'The name is too long'],
};

const HINTS: Readonly<Record<string, string>> = {
  'ETL-FILE-001': 'Free some space and run again: the run goes on from the last commit, the tables are as they were.',
  'ETL-FILE-002': 'Check the owner and the mode of the folder.',
  'ETL-FILE-003': 'Raise `ulimit -n`, or lower limits.concurrency.',
  'ETL-FILE-004': 'Use a folder on a local disk.',
  'ETL-FILE-015': 'Give the table a shorter name.',
};

/** An errno as one of ours. */
export function diskError(error: unknown, path: string): EtlError {
  if (error instanceof EtlError) return error;
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const [code, kind, what] = ERRNO[errno] ?? ['ETL-FILE-005', 'transient', `The disk answered ${errno || String(error)}`];
  const hint = HINTS[code];
  return new EtlError({ kind, code, message: `${what}: ${path}`, ...(hint === undefined ? {} : { hint }), cause: error });
}

/** Node's file errors that no call of ours has mapped. */
export function classify(error: unknown): EtlError | undefined {
  return error instanceof Error && 'errno' in error && 'path' in error ? diskError(error, String(error.path)) : undefined;
}

export function targetLost(table: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-FILE-010', message: `The folder ${table} is not the one that the state names: it was deleted, moved or restored.`,
    hint: 'Put it back, accept it with `etl state adopt JOB --yes`, or load it anew with --full-refresh.',
  });
}

/** Marked by a log that is not there any more. */
export function stateGone(table: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-FILE-010', message: `The folder ${table} bears this job's mark, but the state (_etl) that knew its files is gone.`,
    hint: 'Put `_etl` back. Or `etl state adopt JOB --yes` makes the folder this job\'s again: append goes on beside the rows that lie there, from the beginning or where `etl state import` puts it; a replace or --full-refresh takes their place.',
  });
}

export function foreignTarget(table: string, pipe: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-FILE-011', message: `The folder ${table} belongs to the job ${pipe}.`,
    hint: 'Choose another table; or, if both jobs only append, set `shared: append` on the streams of both. If that job is gone, or was renamed to this one, `etl state adopt JOB --yes` takes the folder over.',
  });
}

export function unknownFiles(table: string, example: string): EtlError {
  return new EtlError({
    kind: 'config', code: 'ETL-FILE-012', message: `The folder ${table} holds files that this job did not write, such as ${example}.`,
    hint: 'Choose another table or path, or move the files away.',
  });
}

export function fileGone(table: string, name: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-FILE-013', message: `The committed file ${table}/${name} is gone.`, hint: 'Load the table anew with --full-refresh.',
  });
}

export function rowsOfAnother(table: string, stream: string): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-FILE-019', message: `The folder ${table} holds the rows of the stream ${stream}.`,
    hint: 'Choose another table, or load it anew with --full-refresh; if the stream was renamed, `etl state adopt JOB --yes` goes on with the folder.',
  });
}

export function otherFormat(table: string, example: string, format: string): EtlError {
  return new EtlError({
    kind: 'config_changed', code: 'ETL-FILE-018', message: `The folder ${table} holds files of another format than ${format}, such as ${example}.`,
    hint: 'Load the table anew with --full-refresh, or take the change of the format back.',
  });
}

export function noNewTable(table: string): EtlError {
  return new EtlError({ kind: 'schema', code: 'ETL-FILE-017', message: `The folder ${table} does not exist, and the contract does not let it be made.`, hint: 'Set schema: evolve for the stream, or make the folder by a first run without the contract.' });
}

export function sessionOver(): EtlError {
  return new EtlError({ kind: 'internal', code: 'ETL-FILE-016', message: 'The session is used after its commit failed.' });
}

import { EtlError, type ErrorTexts } from '#sdk';

export const errors: ErrorTexts = {
  'ETL-PG-001': { title: 'The server can not be reached', text: 'No connection to the Postgres server came about, or it broke. The run stops resumable; check host, port and network.' },
  'ETL-PG-002': { title: 'The server refused the login', text: 'User, password, database or pg_hba.conf do not fit. Check the connection\'s user and password.' },
  'ETL-PG-003': { title: 'TLS is required', text: 'The server is not on this machine and the connection says neither how to verify it nor `sslmode: disable`. Give `ca`, or write `sslmode: disable` if the network is trusted.' },
  'ETL-PG-004': { title: 'A right is missing', text: 'The role may not read what the job names. Grant it: the hint holds the statement.' },
  'ETL-PG-005': { title: 'A table or column does not exist', text: 'The stream\'s table, one of its columns, or something that its query names is not there (any more).' },
  'ETL-PG-006': { title: 'The server sent what it can not have sent', text: 'A COPY stream was cut, damaged or of another shape than planned. Nothing of the damaged row was used. Try again; if it stays, report it.' },
  'ETL-PG-007': { title: 'A row is too large', text: 'One row is larger than `max_row_bytes` of the connection (64 MiB, if not set). Raise it, to 268435456 at most, drop the large column, or leave the row out with a `query`.' },
  'ETL-PG-008': { title: 'A query failed', text: 'The server answered a statement with an error, which the message repeats.' },
  'ETL-PG-009': { title: 'The connection\'s settings do not fit together', text: 'Give either `url`, or host, port, user, password and database; `cert` and `key` together; files that can be read. A parameter of the url that is not known here is refused, since it may be what protects the connection.' },
  'ETL-PG-010': { title: 'A connection pooler stands between', text: 'PgBouncer and its like do not pass the settings of a session on, and in transaction mode keep none at all. Without them values could come in another form, unseen. Connect to the server itself: its own host and port, at hosted services the "direct" connection.' },
  'ETL-PG-020': { title: 'A value does not fit its column\'s type', text: 'NaN or an infinity in a numeric(p, s), an instant past the year 294246. Read the column as text, or as number, to move it as it is.' },
  'ETL-PG-021': { title: 'An array is not a list', text: 'The array has several dimensions, or its first index is not 1. Read the column as text to move it as it is.' },
  'ETL-PG-030': { title: 'The column can not be a cursor', text: 'A cursor needs a type with one order that only grows: integers, numeric, date, timestamp, timestamptz, text, uuid.' },
  'ETL-PG-031': { title: 'Rows have no cursor', text: 'The cursor column is NULL in some rows, which an incremental pass would never read. Set `cursor.nulls` to `reload` or `skip_reported`, or mend the rows.' },
  'ETL-PG-032': { title: 'The cursor went backwards', text: 'The server\'s clock or largest cursor lies below the stored position: a restored database, or a clock that was set back. Nothing was read. Compare both values; a full refresh begins anew.' },
  'ETL-PG-033': { title: 'The cursor is another column or type than before', text: 'The stored position was made with another cursor. A full refresh begins anew.' },
  'ETL-PG-034': { title: 'Lookback with append', text: 'A lookback reads rows again; append would write them twice. Use merge, or no lookback.' },
  'ETL-PG-035': { title: 'Transactions stayed open', text: 'A cursor of integers, or of a time without a zone, is complete only when the transactions that were open at its greatest value have ended, and any cursor only when the prepared ones have; one did not within `cursor.max_wait`.' },
  'ETL-PG-036': { title: 'The server does not do this', text: 'The Postgres source offers the sync modes full and incremental.' },
  'ETL-PG-037': { title: 'The stored position can not be read', text: 'A newer version of this program wrote the position, or a hand. Use that version, put an export back with `etl state import`, or begin anew with a full refresh.' },
  'ETL-PG-038': { title: 'A value of the cursor is none of its type', text: '`cursor.start` or an end of `--range` can not be read as the cursor\'s type, or the range is empty. Nothing was read.' },
  'ETL-PG-039': { title: 'A cursor without an end', text: 'Some rows have NaN or infinity as their cursor. As a position it would keep every later row from being read, so no pass reaches it. Correct the rows, or leave them out by a query; of a `timestamptz` or a `date` at infinity, `cursor.nulls` may also be `reload`, which reads them in every pass, or `skip_reported`. Nothing was read.' },
};

interface ServerError { readonly code: string; readonly message: string; readonly detail?: string; readonly hint?: string }

function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && 'severity' in error && 'code' in error && typeof error.code === 'string';
}

const NETWORK = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT']);

/** An error of `pg`, of the socket or of the server; undefined: not one of these. */
export function classify(error: unknown): EtlError | undefined {
  if (error instanceof EtlError) return error;
  if (!(error instanceof Error)) return undefined;
  if (isServerError(error)) return classifyServer(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code.startsWith('ERR_TLS') || code.includes('CERT') || code.includes('ISSUER')) {
    return new EtlError({ kind: 'auth', code: 'ETL-PG-003', message: `The server's certificate was not accepted: ${error.message}`, hint: 'Give the authority\'s certificate as `ca`.', cause: error });
  }
  if (code === 'EMFILE' || code === 'ENFILE') {
    return new EtlError({ kind: 'not_found', code: 'ETL-PG-001', message: `No connection to Postgres could be opened: ${error.message}`, hint: 'Too many files are open: raise `ulimit -n` to 256 or more.', cause: error });
  }
  if (NETWORK.has(code) || /terminated|timeout expired|not queryable|closed/i.test(error.message)) {
    return new EtlError({ kind: 'transient', code: 'ETL-PG-001', message: `The connection to Postgres failed: ${error.message || code}`, hint: 'Check host and port of the connection, that the server runs, and that the network lets this machine through.', cause: error });
  }
  if (/SASL|password|SSL connections/i.test(error.message)) {
    return new EtlError({ kind: 'auth', code: 'ETL-PG-002', message: error.message, hint: LOGIN_HINT, cause: error });
  }
  return undefined;
}

const TRANSIENT_CLASSES = new Set(['08', '40', '53', '55', '57', '58']);

const LOGIN_HINT = 'Correct user, password or database of the connection, or let the login in by pg_hba.conf.';

/** The next step, where the server does not name one. */
function hintOf(error: ServerError): string | undefined {
  if (/row-level security policy/.test(error.message)) return 'Rows would be left out unseen. Grant the role BYPASSRLS, or set `row_security: apply` for the connection to read what its policies show.';
  if (/valid client certificate/.test(error.message)) return 'Name the files of this client\'s certificate and of its private key as `cert` and `key`.';
  if (error.code.startsWith('28') || error.code === '3D000') return LOGIN_HINT;
  const table = /permission denied for (?:table|view|materialized view) (\S+)/.exec(error.message)?.[1];
  if (table !== undefined) return `As the owner: grant select on ${table} to the role of this connection (a destination also needs insert, update and delete).`;
  if (error.code === '42501') return 'Grant the role of this connection what the message names.';
  if (error.code === '42P01' || error.code === '42703' || error.code === '3F000') return 'Correct the name in the job; `etl discover` lists streams and columns.';
  if (error.code.startsWith('22') || error.code.startsWith('23')) return 'Cast or truncate the column under `columns:`, correct the value at the source, or widen the column of the target.';
  return undefined;
}

/** Its settings, or the login's, were not taken over. */
export function behindPooler(reason: string, cause?: unknown): EtlError {
  return new EtlError({
    kind: 'config', code: 'ETL-PG-010', message: `The session's settings did not reach the server: ${reason}.`, cause,
    hint: 'A connection pooler such as PgBouncer stands between. Name the server\'s own host and port (at hosted services: the direct connection).',
  });
}

/** not_null_violation, check_violation: their detail is a whole row in clear. */
const SHOWS_A_ROW = new Set(['23502', '23514']);

function classifyServer(error: ServerError): EtlError {
  if (error.code === '08P01' && error.message.includes('startup parameter')) return behindPooler(error.message, error);
  const text = [error.message, SHOWS_A_ROW.has(error.code) ? undefined : error.detail].filter(Boolean).join(' ');
  const hint = error.hint ?? hintOf(error);
  const init = { message: `Postgres: ${text} (${error.code})`, cause: error, ...(hint ? { hint } : {}) };
  if (error.code.startsWith('28') || error.code === '3D000') return new EtlError({ ...init, kind: 'auth', code: 'ETL-PG-002' });
  if (error.code === '42501') return new EtlError({ ...init, kind: 'auth', code: 'ETL-PG-004' });
  if (error.code === '42P01' || error.code === '42703' || error.code === '3F000') return new EtlError({ ...init, kind: 'not_found', code: 'ETL-PG-005' });
  if (TRANSIENT_CLASSES.has(error.code.slice(0, 2))) return new EtlError({ ...init, kind: 'transient', code: 'ETL-PG-001' });
  return new EtlError({ ...init, kind: 'data', code: 'ETL-PG-008' });
}

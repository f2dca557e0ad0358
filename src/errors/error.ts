/** What went wrong decides what the engine does, and nothing else does. */
export type ErrorKind =
  | 'config' | 'unsupported' // stop before reading: exit 2
  | 'auth' | 'not_found' // stop, no retry: exit 3
  | 'transient' | 'rate_limit' // retry; exhausted, stop resumable: exit 3
  | 'data' // a row goes to quarantine; past the threshold, or without a row, stop: exit 1
  | 'schema' // the schema contract decides: exit 1
  | 'config_changed' | 'state_lost' // stop; the hint names the command that helps: exit 3
  | 'locked' // another run holds the lease: exit 5
  | 'fenced' // a newer claim holds; this attempt ends and deletes nothing: exit 5
  | 'internal'; // a bug: exit 1

/** Where in a file the cause stands; line and column count from 1. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface EtlErrorInit {
  readonly kind: ErrorKind;
  /** Stable, registered in an `errors.ts`: `ETL-PG-012`. */
  readonly code: string;
  /** The cause in one line, with what it is about (stream, column, key), never with a secret or a masked value. */
  readonly message: string;
  /** What to do next, concretely. */
  readonly hint?: string;
  readonly location?: SourceLocation;
  /** Path in the job file, such as `streams.public.orders.key`. */
  readonly configPath?: string;
  readonly retryAfterMs?: number;
  /** Fenced only: what was fenced. A run or load ends the process, a split only this attempt. */
  readonly scope?: 'run' | 'load' | 'split';
  readonly cause?: unknown;
}

const KINDS: Readonly<Record<ErrorKind, true>> = {
  config: true, unsupported: true, auth: true, not_found: true, transient: true, rate_limit: true, data: true, schema: true, config_changed: true, state_lost: true, locked: true, fenced: true, internal: true,
};

/** The one error class of the product. */
export class EtlError extends Error {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly hint: string | undefined;
  readonly location: SourceLocation | undefined;
  readonly configPath: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly scope: 'run' | 'load' | 'split' | undefined;

  /** Throws a TypeError where a connector in plain JavaScript gives another kind: without one nothing says how a run ends. */
  constructor(init: EtlErrorInit) {
    if (!Object.hasOwn(KINDS, init.kind) || typeof init.code !== 'string') throw new TypeError(`new EtlError({ kind, code, message }): its kind is one of ${Object.keys(KINDS).join(', ')}, not ${String(init.kind)}`);
    super(init.message, init.cause === undefined ? undefined : { cause: init.cause });
    this.name = 'EtlError';
    this.kind = init.kind;
    this.code = init.code;
    this.hint = init.hint;
    this.location = init.location;
    this.configPath = init.configPath;
    this.retryAfterMs = init.retryAfterMs;
    this.scope = init.scope;
  }
}

/** The text of a code, for `etl explain` and the docs. Each folder registers its own. */
export interface ErrorText {
  readonly title: string;
  /** What it means, why it happens, what to do: a short paragraph each. */
  readonly text: string;
}
export type ErrorTexts = Readonly<Record<string, ErrorText>>;

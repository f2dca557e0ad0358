import * as z from 'zod';

/** Before the first schema: zod decides as it makes one. Its compiled parsers pay off after hundreds of calls; a job is checked once. */
z.config({ jitless: true });

/**
 * The shape of a job file: the one truth behind validation, `etl schema`, the editor's help and docs/job.md.
 * It says what may stand where; what the texts in it mean (durations, checks, casts) is read in resolve.ts, which knows their places.
 */

const text = z.string().min(1);
/** A number, or its digits as text: what came from `${VAR}` is always text. */
const whole = z.union([z.int().min(0), z.string().regex(/^\d+$/, 'must be a whole number')]);
const atLeastOne = z.union([z.int().min(1), z.string().regex(/^0*[1-9]\d*$/, 'must be a whole number from 1 on')]);
const duration = z.union([z.number(), text]).describe('a duration: 500ms, 30s, 10m, 2h, 7d');
const size = z.union([z.number(), text]).describe('a size: 64MiB, 1GB');
const scalar = z.union([z.string(), z.number(), z.bigint(), z.boolean()]);
const later = z.unknown().describe('not available in this version');

export const syncModes = ['full', 'incremental', 'cdc', 'outbox'] as const;
export const writeModes = ['append', 'merge', 'replace', 'scd2'] as const;

const key = z.union([text, z.array(text).min(1), z.strictObject({ columns: z.union([text, z.array(text).min(1)]), immutable: z.boolean().optional() })]).describe('columns that name a row; immutable: true when they never change');

const cursor = z.union([
  text,
  z.strictObject({
    column: text,
    lookback: duration.optional().describe('read again this far below the last bound'),
    start: scalar.optional().describe('nothing below this value is ever read'),
    nulls: z.enum(['fail', 'reload', 'skip_reported']).optional().describe('rows whose cursor is NULL'),
    max_wait: duration.optional().describe('how long to wait for transactions that were open when the bound was taken'),
  }),
]).describe('the column that grows with each change');

const contract = z.union([
  z.enum(['evolve', 'freeze']),
  z.strictObject({
    tables: z.enum(['evolve', 'freeze']).optional(),
    columns: z.enum(['evolve', 'freeze', 'discard_row', 'discard_value']).optional(),
    types: z.enum(['widen', 'freeze', 'discard_row']).optional(),
  }),
]).describe('what happens when the source changes its shape');

const normalize = z.strictObject({
  names: z.enum(['as_is', 'snake', 'lower', 'camel']).optional().describe('how columns and tables are named at the target'),
  nested: z.enum(['json', 'flatten', 'child_tables']).optional().describe('how nested values are held'),
});

const errors = z.strictObject({
  bad_rows: z.enum(['quarantine', 'fail']).optional().describe('where a row goes that can not be delivered'),
  max_bad: z.union([z.number(), text]).optional().describe('the run fails above this many: 0.1% or a number of rows'),
  bad_text: z.enum(['strip', 'replace', 'fail', 'quarantine', 'keep']).optional().describe('NUL, invalid UTF-8 and lone surrogates in text'),
});

const mask = z.union([
  z.literal(true),
  z.strictObject({ keep_first: whole.optional(), keep_last: whole.optional(), with: text.optional() }),
]).describe('hides the middle of a text');

const columnObject = z.strictObject({
  drop: z.literal(true).optional(),
  rename: text.optional(),
  type: text.optional().describe('casts the column: decimal(18,2), text, timestamptz'),
  cast: text.optional().describe('the same as `type`'),
  hash: z.union([z.literal('hmac-sha256'), z.literal(true)]).optional(),
  key: text.optional().describe('the key of the hash: ${file:keys/pii}'),
  key_id: text.optional().describe('public name of the key; default: a fingerprint of it'),
  domain: text.optional().describe('columns that share a domain and a key stay joinable; default: stream and column'),
  normalizer: z.enum(['email', 'phone']).optional(),
  mask: mask.optional(),
  redact: z.string().optional().describe('replaces every value by this text'),
  truncate: atLeastOne.optional().describe('keeps this many characters'),
  expr: later.optional(),
});
const column = z.union([z.enum(['keep', 'drop']), columnObject]);
const columns = z.record(z.string(), column).describe('what happens to each column; "*": drop keeps only those that are named');

const unavailable = z.union([z.literal('error'), z.strictObject({ placeholder: z.string() })]);

/** `use`, `schema`, `table`; all other keys are the destination's own and are checked by it. */
const target = z.looseObject({
  use: text.optional().describe('name of a connection'),
  schema: text.optional(),
  table: text.optional().describe('{stream} and {schema} stand for parts of the stream’s name'),
});

const shared = {
  sync: z.enum(syncModes).optional(),
  write: z.enum(writeModes).optional(),
  schema: contract.optional(),
  normalize: normalize.optional(),
  errors: errors.optional(),
  deletes: z.enum(['hard', 'soft']).optional(),
  unavailable: unavailable.optional(),
  add_columns: z.array(z.enum(['_etl_loaded_at', '_etl_run_id', '_etl_position'])).optional(),
  shared: z.union([z.literal('append'), z.literal(false)]).optional().describe('append: other jobs write to the same table'),
  key: key.optional(),
  cursor: cursor.optional(),
  columns: columns.optional(),
  checks: z.array(text).optional().describe('not_null(id), in(country, DE, FR), matches(col, "re"), range(col, 0, 9), row_count > 0'),
};

const stream = z.union([
  z.literal('skip'),
  z.null(),
  z.strictObject({
    ...shared,
    query: text.optional().describe('SQL in place of a table'),
    target: z.union([text, target]).optional(),
    where: later.optional(),
    transform: later.optional(),
    sandbox: later.optional(),
    child_tables: later.optional(),
  }),
]);

const connection = z.looseObject({ type: text.describe('name of a connector, or the path of a file that exports one') });
const connections = z.record(z.string(), connection);
const limits = z.strictObject({
  concurrency: atLeastOne.optional().describe('splits read at once'),
  rate: z.union([z.number(), text]).optional().describe('200 rows/s'),
  memory: size.optional(),
});
const retry = z.strictObject({ attempts: atLeastOne.optional(), backoff: z.enum(['exponential', 'fixed']).optional(), initial_delay: duration.optional(), max_delay: duration.optional() })
  .describe('after what may pass: a server that is still coming up, a connection that broke, a rate limit; each commit starts the count anew');
const commit = z.strictObject({ interval: duration.optional(), bytes: size.optional() }).describe('commits when this much time has passed or this much is written');

export const jobSchema = z.strictObject({
  version: z.literal(1),
  name: text.regex(/^[\w][\w.-]*$/, 'letters, digits, . _ and - only: it names state and files'),
  was: later.optional(),
  mode: z.enum(['batch', 'stream']).optional(),
  schedule: z.strictObject({ cron: text, timezone: text.optional(), overlap: z.enum(['skip', 'fail']).optional() }).optional(),
  connections: connections.optional(),
  source: z.union([text, z.strictObject({ use: text })]),
  target: z.union([text, target]).optional(),
  limits: limits.optional(),
  retry: retry.optional(),
  commit: commit.optional(),
  defaults: z.strictObject(shared).optional(),
  streams: z.record(z.string(), stream),
  after: z.strictObject({ run: text, when: z.enum(['success', 'always', 'failure']).optional() }).optional(),
  tests: z.array(z.looseObject({ name: text.optional(), stream: text.optional() })).optional(),
});

/** etl.yaml beside the jobs: what they share. */
export const projectSchema = z.strictObject({
  version: z.literal(1),
  connections: connections.optional(),
  defaults: z.strictObject(shared).optional(),
  limits: limits.optional(),
  retry: retry.optional(),
  commit: commit.optional(),
  allow: z.strictObject({ exec: z.boolean().optional() }).optional().describe('exec: job files may run commands with ${exec:…}'),
});

export type RawJob = z.infer<typeof jobSchema>;
export type RawProject = z.infer<typeof projectSchema>;
export type RawShared = NonNullable<RawJob['defaults']>;
export type RawStream = Exclude<RawJob['streams'][string], 'skip' | null>;
export type RawColumn = z.infer<typeof column>;
export type RawColumnObject = z.infer<typeof columnObject>;
export type RawTarget = z.infer<typeof target>;

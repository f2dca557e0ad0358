import { mkdirSync } from 'node:fs';
import { job, type BrokenCase } from './cases.ts';

const bomb = `a: &a [1,1]\n${[...'bcdefgh'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${[...'abcdefg'][index] ?? ''}`).join(',')}]`).join('\n')}\n`;

/** Wrong before anything was read: nothing was touched. */
export const brokenJobs: readonly BrokenCase[] = [
  { name: 'unknown key', job: job('out', '{ snyc: full }'), exit: 2, code: 'ETL-JOB-002', at: 'snyc', says: 'unknown key `snyc`', next: 'did you mean `sync`?' },
  { name: 'wrong type', job: job('out', '{}', 'limits: { concurrency: many }'), exit: 2, code: 'ETL-JOB-003', at: 'many', says: 'must be a whole number, found the text "many"', next: 'docs/job.md' },
  { name: 'missing key', job: job('out').replace('source: shop\n', ''), exit: 2, code: 'ETL-JOB-004', at: 'version', says: '`source` is missing', next: 'docs/job.md' },
  { name: 'bad YAML', job: job('out').replace('  public', '\tpublic'), exit: 2, code: 'ETL-JOB-001', at: '\tpublic', says: 'Tabs are not allowed as indentation', next: 'indent with blanks, not with tabs' },
  { name: 'two documents', job: `${job('out')}---\nname: other\n`, exit: 2, code: 'ETL-JOB-014', at: '---', says: 'a job file holds one YAML document', next: 'into a file of its own' },
  { name: 'duplicate key', job: job('out', '{}', 'name: again'), exit: 2, code: 'ETL-JOB-007', at: 'name: again', says: 'stands twice in the same mapping', next: 'keep one of them' },
  { name: 'alias bomb', job: bomb, exit: 2, code: 'ETL-JOB-006', at: '*b,*b', says: 'more than 100 aliases', next: 'use `defaults:`' },
  { name: '__proto__', job: job('out', '{}', '__proto__: { a: 1 }'), exit: 2, code: 'ETL-JOB-005', at: '__proto__', says: 'the key `__proto__` is refused', next: 'can have this name in a job' },
  { name: 'missing variable', job: job('out').replace('${SRC}', '${SRCC}'), exit: 2, code: 'ETL-JOB-008', at: '"${SRCC}', says: 'SRCC is not set', next: 'did you mean SRC?' },
  { name: '.env that can not be read', job: job('out'), before: (world) => { mkdirSync(world.path('.env')); }, exit: 2, code: 'ETL-JOB-010', says: '.env can\'t be read: EISDIR', next: 'check its rights, or remove it' },
  { name: 'missing file for ${file:}', job: job('out').replace('path: out', 'path: "${file:keys/none}"'), exit: 2, code: 'ETL-JOB-010', at: '"${file', says: '${file:keys/none} can\'t be read: no such file', next: 'check it and its rights' },
  { name: 'exec not allowed', job: job('out').replace('path: out', 'path: "${exec:id}"'), exit: 2, code: 'ETL-JOB-012', at: '"${exec', says: 'is not allowed in this project', next: 'write `allow: { exec: true }` in etl.yaml' },
  { name: 'unknown connection', job: job('out').replace('source: shop', 'source: shopp'), exit: 2, code: 'ETL-JOB-021', at: 'shopp', says: 'there is no connection `shopp`', next: 'did you mean `shop`?' },
  { name: 'unknown connector', job: job('lake').replace('type: duckdb', 'type: dukdb'), exit: 2, code: 'ETL-JOB-022', at: 'dukdb', says: 'there is no connector `dukdb`', next: 'did you mean `duckdb`?' },
  { name: 'merge into Parquet', job: job('out', '{ write: merge }'), exit: 2, code: 'ETL-JOB-025', at: 'merge', says: '`out` can\'t do `write: merge` for `public.orders`', next: 'it can do: append, replace' },
  { name: 'change capture', job: job('out', '{ sync: cdc }'), exit: 2, code: 'ETL-JOB-020', at: 'cdc', says: '`sync: cdc` is not available in this version', next: 'use `sync: incremental`' },
  { name: 'bad cast', job: job('out', '{ columns: { name: { type: "decimal(40,2)" } } }'), exit: 2, code: 'ETL-JOB-030', at: '"decimal(40', says: '`decimal(40,2)` is not a type', next: 'did you mean `decimal(p,s)`?' },
  { name: 'dropped key column', job: job('lake', '{ write: merge, key: [id], columns: { id: drop } }'), exit: 2, code: 'ETL-JOB-047', at: 'drop', says: 'the key column `id` is dropped', next: 'hash it instead' },
  { name: 'no hash key', job: job('lake', '{ columns: { name: { hash: hmac-sha256 } } }'), exit: 2, code: 'ETL-JOB-041', at: '{ hash', says: '`hash` needs a `key`', next: 'openssl rand -hex 32 > keys/pii' },
  { name: 'truncated hash key file', job: job('lake', '{ columns: { name: { hash: hmac-sha256, key: "${file:pii}" } } }'), before: (world) => { world.write('pii', 'abc'); }, exit: 2, code: 'ETL-JOB-041', at: '"${file:pii', says: 'at least 16 bytes, this one has 3', next: 'openssl rand -hex 32' },
  { name: 'future version of the job format', job: job('out').replace('version: 1', 'version: 9'), exit: 2, code: 'ETL-JOB-015', at: '9', says: 'version 9 of the job format is not known', next: 'reads `version: 1`' },
  { name: 'stream that does not exist', job: job('lake').replace('orders', 'ordres'), exit: 3, code: 'ETL-PLAN-001', at: 'public.ordres', says: 'The source has no stream public.ordres', next: 'Did you mean public.orders?' },
  { name: 'merge without a key', job: job('lake', '{ write: merge }'), before: (world) => world.sql('alter table orders drop constraint orders_pkey'), exit: 2, code: 'ETL-PLAN-004', at: 'public.orders', says: 'public.orders has no key, which write: merge needs', next: 'Set key: [column] for this stream; its columns: id, name, at.' },
  { name: 'unknown key column', job: job('lake', '{ write: merge, key: [idd] }'), exit: 2, code: 'ETL-PLAN-004', at: 'public.orders', says: 'public.orders has no column idd, which its key names', next: 'its columns: id, name, at.' },
  { name: 'masked cursor', job: job('lake', '{ cursor: at, columns: { at: { redact: gone } } }'), exit: 2, code: 'ETL-NRM-020', at: 'public.orders', says: 'the cursor at is masked, but its values lie in the state', next: 'Take another cursor' },
  { name: 'two columns of one name', job: job('lake', '{ columns: { name: { rename: one }, at: { rename: one } } }'), exit: 2, code: 'ETL-NRM-003', at: 'public.orders', says: 'the columns name, at are renamed to one name', next: 'Give each a name of its own.' },
  { name: 'a column renamed to another', job: job('lake', '{ columns: { at: { rename: name } } }'), exit: 2, code: 'ETL-NRM-003', at: 'public.orders', says: 'renamed to name, which is the name of the column name', next: 'Choose another name, or drop or rename name too.' },
  { name: 'two streams, one table', job: `${job('lake')}  public.copy: { target: { use: lake, table: orders } }\n`, before: (world) => world.sql('create table copy (id int primary key)'), exit: 2, code: 'ETL-PLAN-005', at: 'public.orders', says: 'public.copy and public.orders both go to the table orders', next: 'Set target.schema: "{schema}" or a target.table of its own.' },
  { name: 'password in an argument', job: job('out'), run: (world) => world.etl('run', 'postgres://u:s3cr3t-arg@127.0.0.1/shop', 'file:out', '--stream', 'public.orders'), exit: 2, code: 'ETL-JOB-035', says: 'the source URL holds a password', next: 'write \'${SHOP_PG_URL}\' in single quotes' },
  { name: 'plan that has drifted', job: job('out'), args: ['--plan', 'deadbeef0000'], exit: 2, code: 'ETL-RUN-032', says: 'not deadbeef0000', next: 'look at `etl plan` again' },
  { name: 'a range with a full refresh', job: job('lake', '{ sync: incremental, cursor: id }'), args: ['--range', '1..3', '--full-refresh'], exit: 2, code: 'ETL-CLI-002', says: 'would leave only the range in the tables', next: 'leave one of them out' },
  { name: 'a flag of the form with two URLs', job: job('lake'), args: ['--stream', 'public.orders'], exit: 2, code: 'ETL-CLI-002', says: '--stream is for two URLs', next: '--select picks streams of a job' },
  { name: 'a range of a stream that is read in full', job: job('lake'), args: ['--range', '1..3'], exit: 2, code: 'ETL-PLAN-003', at: 'public.orders', says: 'is read in full, and --range is about a cursor', next: 'with --select' },
  { name: 'soft deletes that nobody would see', job: job('lake', '{ sync: full, write: merge, deletes: soft }'), exit: 2, code: 'ETL-PLAN-003', at: 'public.orders', says: 'sees no deletes', next: 'Use write: replace' },
  { name: 'two names that are one to DuckDB', job: job('lake', '{}', '  public.Orders: { target: { table: ORDERS } }'), before: (world) => world.sql('create table "Orders" (id int primary key)'), exit: 2, code: 'ETL-PLAN-005', at: 'public.orders', says: 'both go to the table', next: 'Set target.schema' },
  { name: 'unknown flag', job: job('out'), args: ['--fulll-refresh'], exit: 2, code: 'ETL-CLI-001', says: 'Nonexistent flag: --fulll-refresh', next: 'etl run --help lists its flags' },
];

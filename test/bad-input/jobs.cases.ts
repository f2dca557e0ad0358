import { job, type BrokenCase } from './cases.ts';

const bomb = `a: &a [1,1]\n${[...'bcdefgh'].map((name, index) => `${name}: &${name} [${Array(9).fill(`*${[...'abcdefg'][index] ?? ''}`).join(',')}]`).join('\n')}\n`;

/** Wrong before anything was read: exit 2, nothing was touched. */
export const brokenJobs: readonly BrokenCase[] = [
  { name: 'unknown key', job: job('out', '{ snyc: full }'), exit: 2, code: 'ETL-JOB-002', at: 'snyc', says: /did you mean `sync`/ },
  { name: 'wrong type', job: job('out', '{}', 'limits: { concurrency: many }'), exit: 2, code: 'ETL-JOB-003', at: 'many', says: /whole number/ },
  { name: 'bad YAML', job: job('out').replace('  public', '\tpublic'), exit: 2, code: 'ETL-JOB-001', at: '\tpublic', says: /blanks, not with tabs/ },
  { name: 'duplicate key', job: job('out', '{}', 'name: again'), exit: 2, code: 'ETL-JOB-007', at: 'name: again', says: /keep one/ },
  { name: 'alias bomb', job: bomb, exit: 2, code: 'ETL-JOB-006', says: /alias/ },
  { name: '__proto__', job: job('out', '{}', '__proto__: { a: 1 }'), exit: 2, code: 'ETL-JOB-005', at: '__proto__', says: /refused/ },
  { name: 'missing variable', job: job('out').replace('${SRC}', '${SRCC}'), exit: 2, code: 'ETL-JOB-008', at: '"${SRCC}', says: /did you mean SRC/ },
  { name: 'missing file for ${file:}', job: job('out').replace('path: out', 'path: "${file:keys/none}"'), exit: 2, code: 'ETL-JOB-010', at: '"${file', says: /no such file/ },
  { name: 'exec not allowed', job: job('out').replace('path: out', 'path: "${exec:id}"'), exit: 2, code: 'ETL-JOB-012', at: '"${exec', says: /allow: \{ exec: true \}/ },
  { name: 'unknown connection', job: job('out').replace('source: shop', 'source: shopp'), exit: 2, code: 'ETL-JOB-021', at: 'shopp', says: /did you mean `shop`/ },
  { name: 'unknown connector', job: job('lake').replace('type: duckdb', 'type: dukdb'), exit: 2, code: 'ETL-JOB-022', at: 'dukdb', says: /did you mean `duckdb`/ },
  { name: 'merge into Parquet', job: job('out', '{ write: merge }'), exit: 2, code: 'ETL-JOB-025', at: 'merge', says: /append, replace/ },
  { name: 'change capture', job: job('out', '{ sync: cdc }'), exit: 2, code: 'ETL-JOB-020', at: 'cdc', says: /sync: incremental/ },
  { name: 'bad cast', job: job('out', '{ columns: { name: { type: "decimal(40,2)" } } }'), exit: 2, code: 'ETL-JOB-030', at: '"decimal(40', says: /did you mean/ },
  { name: 'dropped key column', job: job('lake', '{ write: merge, key: [id], columns: { id: drop } }'), exit: 2, code: 'ETL-JOB-047', at: 'drop', says: /hash it instead/ },
  { name: 'no hash key', job: job('lake', '{ columns: { name: { hash: hmac-sha256 } } }'), exit: 2, code: 'ETL-JOB-041', at: '{ hash', says: /openssl rand/ },
  { name: 'truncated hash key file', job: job('lake', '{ columns: { name: { hash: hmac-sha256, key: "${file:pii}" } } }'), before: (world) => { world.write('pii', 'abc'); }, exit: 2, code: 'ETL-JOB-041', at: '"${file:pii', says: /at least 16 bytes/ },
  { name: 'future version of the job format', job: job('out').replace('version: 1', 'version: 9'), exit: 2, code: 'ETL-JOB-015', at: '9', says: /version: 1/ },
  { name: 'stream that does not exist', job: job('lake').replace('orders', 'ordres'), exit: 3, code: 'ETL-PLAN-001', at: 'public.ordres', says: /Did you mean public\.orders/ },
  { name: 'merge without a key', job: job('lake', '{ write: merge }'), before: (world) => world.sql('alter table orders drop constraint orders_pkey'), exit: 2, code: 'ETL-PLAN-004', at: 'public.orders', says: /key/ },
  { name: 'unknown key column', job: job('lake', '{ write: merge, key: [idd] }'), exit: 2, code: 'ETL-PLAN-004', at: 'public.orders', says: /idd/ },
  { name: 'masked cursor', job: job('lake', '{ cursor: at, columns: { at: { redact: gone } } }'), exit: 2, code: 'ETL-NRM-020', at: 'public.orders', says: /at/ },
  { name: 'two columns of one name', job: job('lake', '{ columns: { name: { rename: one }, at: { rename: one } } }'), exit: 2, code: 'ETL-NRM-003', at: 'public.orders', says: /one name/ },
  { name: 'a column renamed to another', job: job('lake', '{ columns: { at: { rename: name } } }'), exit: 2, code: 'ETL-NRM-003', at: 'public.orders', says: /renamed to name, which is the name of the column name/ },
  { name: 'password in an argument', job: job('out'), run: (world) => world.etl('run', 'postgres://u:s3cr3t-arg@127.0.0.1/shop', 'file:out', '--stream', 'public.orders'), exit: 2, code: 'ETL-JOB-035', says: /environment/ },
  { name: 'plan that has drifted', job: job('out'), args: ['--plan', 'deadbeef0000'], exit: 2, code: 'ETL-RUN-032', says: /plan/ },
];

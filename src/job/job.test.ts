import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { afterAll, describe, expect, test } from 'vitest';
import { defineConnector, type Capabilities, type Connector } from '#sdk';
import { editDistance } from './diagnostics.ts';
import { parseDotenv } from './environment.ts';
import { loadJobText, type Loaded, type LoadOptions } from './load.ts';
import { parseDuration, parseRate, parseSize, parseTolerance } from './units.ts';

const folder = mkdtempSync(join(tmpdir(), 'etl-job-'));
afterAll(() => rmSync(folder, { recursive: true }));

const never = (): Promise<never> => Promise.reject(new Error('not in this test'));
const files: Capabilities = {
  writeModes: ['append', 'replace'], deletes: ['hard', 'soft'], processes: 'many', maxSessions: 4, origins: [], keepsState: true, promise: { append: 'exactly-once' }, names: { maxBytes: 80, caseSensitive: true }, takesChanges: true,
};
const database = defineConnector({
  name: 'postgres', title: 'Postgres', errors: {},
  source: { config: z.strictObject({ url: z.string().regex(/^postgres:/, 'must begin with postgres:'), port: z.int().optional() }), secrets: ['url'], syncModes: ['full', 'incremental'], create: never },
  destination: { config: z.strictObject({ url: z.string(), port: z.int().optional() }), secrets: ['url'], targetOptions: z.strictObject({}), capabilities: () => ({ ...files, writeModes: ['append', 'merge', 'replace', 'scd2'] }), create: never },
});
const lake = defineConnector({
  name: 'file', title: 'A folder', errors: {},
  destination: { config: z.strictObject({ path: z.string() }), secrets: [], targetOptions: z.strictObject({ format: z.enum(['parquet', 'jsonl']).optional(), compression: z.enum(['snappy', 'zstd']).optional() }), capabilities: () => files, create: never },
});
const known: Record<string, Connector> = { postgres: database, file: lake };
const secrets: string[] = [];
const options = (env: Record<string, string> = {}, missing: 'error' | 'warning' = 'error'): LoadOptions => ({
  env: { SHOP: 'postgres://u:hidden1@db/shop', ...env }, missing, onSecret: (value) => secrets.push(value), connectors: { names: Object.keys(known), find: (type) => Promise.resolve(known[type]) },
});
const load = (text: string, env?: Record<string, string>, missing?: 'error' | 'warning', directory = folder): Promise<Loaded> => loadJobText(join(directory, 'job.yaml'), text, options(env, missing));

const GOOD = `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SHOP}" }
  lake: { type: file, path: out }
  wh: { type: postgres, url: "\${SHOP}" }
source: shop
target: lake
streams:
  public.orders: {}
`;
const orders = (rest: string): string => GOOD.replace('public.orders: {}', `public.orders:\n${rest}`);
const without = (line: string): string => GOOD.split('\n').filter((text) => !text.startsWith(line)).join('\n');

/** [what, text, the exact error] */
const broken: readonly (readonly [string, string, string])[] = [
  ['unknown key', GOOD.replace('streams:', 'streems:'), '9:1 ETL-JOB-002 unknown key `streems` | did you mean `streams`?'],
  ['unknown key of a stream', orders('    snyc: full'), '11:5 ETL-JOB-002 unknown key `snyc` | did you mean `sync`?'],
  ['wrong sync', orders('    sync: fulll'), '11:11 ETL-JOB-003 expected one of `full`, `incremental`, `cdc`, `outbox`, found the text "fulll" | did you mean `full`?'],
  ['wrong type', GOOD + 'limits: { concurrency: many }\n', '11:24 ETL-JOB-003 must be a whole number from 1 on, found the text "many" | docs/job.md lists what can stand here'],
  ['missing name', without('name'), '1:1 ETL-JOB-004 `name` is missing | docs/job.md lists what can stand here'],
  ['missing source', without('source'), '1:1 ETL-JOB-004 `source` is missing | docs/job.md lists what can stand here'],
  ['missing target', without('target'), '9:3 ETL-JOB-004 `target` is missing: nothing says where the rows go | write `target: name-of-a-connection`'],
  ['prototype', GOOD + '__proto__: { a: 1 }\n', '11:1 ETL-JOB-005 the key `__proto__` is refused | no stream, column or option can have this name in a job'],
  ['twice', GOOD + 'name: two\n', '11:1 ETL-JOB-007 this key stands twice in the same mapping | keep one of them'],
  ['tab', GOOD.replace('  public', '\tpublic'), '10:1 ETL-JOB-001 not YAML: Tabs are not allowed as indentation | indent with blanks, not with tabs'],
  ['missing variable', GOOD.replace('${SHOP}', '${SHOPP}'), '4:32 ETL-JOB-008 SHOPP is not set | did you mean SHOP? Otherwise set SHOPP in the environment or in .env beside the job'],
  ['message of a variable', GOOD.replace('path: out', 'path: "${OUT_DIR:?where to}"'), '5:29 ETL-JOB-008 OUT_DIR is not set: where to | set it in the environment or in .env beside the job: OUT_DIR=…, or name a file: OUT_DIR_FILE=…'],
  ['reference', GOOD.replace('path: out', 'path: "${a b}"'), '5:29 ETL-JOB-009 `${a b}` is not a reference | write ${NAME}, ${NAME:-default}, ${NAME:?message}, ${file:path}, ${secret:provider/path#key}, or $${ for a literal ${'],
  ['open brace', GOOD.replace('path: out', 'path: "${OUT"'), '5:29 ETL-JOB-009 `${` without its `}` | close it, or write `$${` for a literal `${`'],
  ['file reference', GOOD.replace('path: out', 'path: "${file:none}"'), '5:29 ETL-JOB-010 ${file:none} can\'t be read: no such file | the path begins at the folder of the job file; check it and its rights'],
  ['vault', GOOD.replace('path: out', 'path: "${secret:vault/a#b}"'), '5:29 ETL-JOB-011 the secret provider `vault` is not available in this version | use ${secret:file/path#key}, ${secret:env/NAME}, ${file:path} or a variable'],
  ['exec', GOOD.replace('path: out', 'path: "${exec:id}"'), '5:29 ETL-JOB-012 ${exec:…} is not allowed in this project | a job file that runs commands must be trusted: write `allow: { exec: true }` in etl.yaml beside the job'],
  ['a list', '- 1\n', '1:1 ETL-JOB-014 a job is a mapping, this file holds something else | begin with `version: 1`'],
  ['version', GOOD.replace('version: 1', 'version: 2'), '1:10 ETL-JOB-015 version 2 of the job format is not known | this version of etl reads `version: 1`'],
  ['cdc', orders('    sync: cdc'), '11:11 ETL-JOB-020 `sync: cdc` is not available in this version | use `sync: incremental` with a cursor column, or `sync: full`'],
  ['was', GOOD + 'was: old\n', '11:1 ETL-JOB-020 `was` is not available in this version | keep the name of the job: its state, its leases and its tables are known by it'],
  ['where', orders('    where: "a > 1"'), '11:5 ETL-JOB-020 `where` is not available in this version | write a `query:` with its WHERE'],
  ['expr', orders('    columns: { total: { expr: "a * b" } }'), '11:25 ETL-JOB-020 `expr` is not available in this version | compute the column in a `query:` of the stream'],
  ['transform', orders('    transform: ./clean.ts'), '11:5 ETL-JOB-020 `transform` is not available in this version | use `columns:` rules, or a `query:`'],
  ['stream mode', GOOD + 'mode: stream\n', '11:7 ETL-JOB-020 `mode: stream` is not available in this version | leave `mode` out and run the job again and again: an incremental run continues where the last one ended'],
  ['unknown source', GOOD.replace('source: shop', 'source: shopp'), '7:9 ETL-JOB-021 there is no connection `shopp` | did you mean `shop`?'],
  ['unknown connector', GOOD.replace('type: file', 'type: fil'), '5:17 ETL-JOB-022 there is no connector `fil` | did you mean `file`?'],
  ['unknown setting', GOOD.replace('path: out', 'path: out, paht: 1'), '5:34 ETL-JOB-002 unknown key `paht` | did you mean `path`?'],
  ['missing setting', GOOD.replace(', path: out', ''), '5:3 ETL-JOB-004 connection `lake`: `path` is missing | docs/job.md lists what can stand here'],
  ['not a source', GOOD.replace('source: shop', 'source: lake'), '7:9 ETL-JOB-024 A folder can\'t be a source | it is a destination only'],
  ['merge into files', orders('    write: merge'), '11:12 ETL-JOB-025 `lake` can\'t do `write: merge` for `public.orders` | it can do: append, replace; write `write: replace`, or send it to a duckdb or postgres connection, which can'],
  ['check', orders('    checks: [not_nul(id)]'), '11:14 ETL-JOB-028 there is no check `not_nul` | checks: not_null(id), in(country, DE, FR), matches(email, "^.+@.+$"), range(amount, 0, 100), row_count > 0'],
  ['pattern', orders('    checks: [\'matches(a, "(")\']'), '11:14 ETL-JOB-028 not a pattern: Invalid regular expression: /(/u: Unterminated group | checks: not_null(id), in(country, DE, FR), matches(email, "^.+@.+$"), range(amount, 0, 100), row_count > 0'],
  ['duration', orders('    cursor: { column: at, lookback: soon }'), '11:37 ETL-JOB-029 `soon` is not a duration | write 30s, 10m, 2h'],
  ['size', GOOD + 'limits: { memory: much }\n', '11:19 ETL-JOB-029 `much` is not a size | write 512MiB, 64MB'],
  ['tolerance', orders('    errors: { max_bad: some }'), '11:24 ETL-JOB-029 `some` is not a tolerance | write a share of the rows, 0.1%, or a number of them, 100'],
  ['cast', orders('    columns: { a: { type: "decimal(40,2)" } }'), '11:27 ETL-JOB-030 `decimal(40,2)` is not a type | did you mean `decimal(p,s)`?'],
  ['option', orders('    target: { format: parquett }'), '11:23 ETL-JOB-031 expected one of `parquet`, `jsonl`, found the text "parquett" | did you mean `parquet`?'],
  ['unknown option', orders('    target: { formatt: parquet }'), '11:15 ETL-JOB-002 unknown key `formatt` | did you mean `format`?'],
  ['table', orders('    target: { table: "{day}" }'), '11:22 ETL-JOB-039 `{day}` is not known in a target\'s name | use {stream} and {schema}'],
  ['hash without key', orders('    columns: { email: { hash: hmac-sha256 } }'), '11:23 ETL-JOB-041 `hash` needs a `key`: a digest without one can be turned back with a dictionary | make one: openssl rand -hex 32 > keys/pii, then key: "${file:keys/pii}"'],
  ['short key', orders('    columns: { email: { hash: hmac-sha256, key: abc } }'), '11:49 ETL-JOB-041 the key of a hash has at least 16 bytes, this one has 3 | make one: openssl rand -hex 32 > keys/pii'],
  ['no stream', GOOD.replace('  public.orders: {}', '  {}'), '9:1 ETL-JOB-042 `streams` names no stream | write at least one, such as `public.orders:` or `"public.*":`'],
  ['dropped key', orders('    key: [id]\n    columns: { id: drop }'), '12:20 ETL-JOB-047 the key column `id` is dropped: rows could not be told apart | hash it instead, or take it out of `key`'],
  ['no attempt', GOOD + 'retry: { attempts: 0 }\n', '11:20 ETL-JOB-003 must be at least 1, found `0` | docs/job.md lists what can stand here'],
  ['no slot', GOOD + 'limits: { concurrency: "0" }\n', '11:24 ETL-JOB-003 must be a whole number from 1 on, found the text "0" | docs/job.md lists what can stand here'],
  ['no character', orders('    columns: { a: { truncate: 0 } }'), '11:31 ETL-JOB-003 must be at least 1, found `0` | docs/job.md lists what can stand here'],
  ['cursor of a full load', orders('    sync: full\n    cursor: id'), '12:5 ETL-JOB-052 `sync: full` reads all rows, whatever the `cursor` | write sync: incremental, or take the cursor out'],
  ['tolerance of none', orders('    errors: { bad_rows: fail, max_bad: 5 }'), '11:31 ETL-JOB-052 `bad_rows: fail` stops at the first bad row, whatever `max_bad` | write bad_rows: quarantine, or take max_bad out'],
  ['shared replace', orders('    shared: append'), '11:13 ETL-JOB-052 `shared: append` and `write: replace` exclude each other for `public.orders` | write `write: append`, or `shared: false`'],
  ['soft deletes of none', orders('    target: wh\n    write: append\n    deletes: soft'), '13:14 ETL-JOB-052 `write: append` marks no row as deleted, so `deletes: soft` does nothing | write `write: merge`, or take it out'],
  ['rules that fight', orders('    columns: { a: { mask: true, truncate: 3 } }'), '11:19 ETL-JOB-050 `mask` and `truncate` exclude each other | keep one of them'],
];

describe('broken jobs', () => {
  test.each(broken)('%s', async (_, text, expected) => {
    const { diagnostics, job } = await load(text);
    expect(job).toBeUndefined();
    const said = diagnostics.filter((one) => one.severity === 'error').map((one) => `${one.location?.line}:${one.location?.column} ${one.code} ${one.message} | ${one.hint ?? '-'}`);
    expect(said.includes(expected), said.join('\n')).toBe(true);
    expect(diagnostics[0]?.location?.file).toBe(join(folder, 'job.yaml'));
  });
});

describe('a good job', () => {
  test('resolves with its defaults', async () => {
    const { job, diagnostics } = await load(GOOD.replace(/ {2}wh.*\n/, ''));
    expect(diagnostics).toEqual([]);
    expect(job).toMatchObject({ name: 'shop', mode: 'batch', source: 'shop', limits: { concurrency: 4 }, streams: [{ pattern: 'public.orders', sync: 'full', write: 'replace', others: 'keep', badText: 'quarantine', target: { use: 'lake' } }] });
  });

  test('a password that a variable brought is a secret, one in the file a warning', async () => {
    await load(GOOD);
    expect(secrets).toContain('hidden1');
    const { diagnostics } = await load(GOOD.replace('"${SHOP}"', 'postgres://u:literal@db/shop'));
    expect(diagnostics).toContainEqual(expect.objectContaining({ code: 'ETL-JOB-032', severity: 'warning' }));
    expect(JSON.stringify(diagnostics)).not.toContain('literal@');
  });

  test('reads every key of a stream', async () => {
    const text = orders(`    sync: incremental
    write: merge
    target: { use: wh, schema: raw }
    key: { columns: [id], immutable: true }
    cursor: { column: updated_at, lookback: 1h30m, start: 12345678901234567890 }
    columns: { id: keep, email: { hash: hmac-sha256, key: 0123456789abcdef, normalizer: email }, phone: { mask: { keep_last: 2 } }, note: { redact: gone, rename: remark }, total: { type: "decimal(18,2)" }, "*": drop }
    checks: [not_null(id), "in(country, DE, 'F,R')", 'matches(email, "a,b\\d")', 'range(total, , 9)', "row_count > 0"]
    errors: { max_bad: 0.1% }`);
    const { job, diagnostics } = await load(text);
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(job?.streams[0]).toMatchObject({
      write: 'merge', key: { columns: ['id'], immutable: true }, cursor: { column: 'updated_at', lookbackMs: 5_400_000, start: '12345678901234567890' }, others: 'drop', rowCount: { min: 1 }, errors: { maxBadRatio: 0.001 },
      columns: { id: {}, email: { hash: { method: 'hmac-sha256', normalizer: 'email' } }, phone: { mask: { keepFirst: 0, keepLast: 2, with: '*' } }, note: { redact: 'gone', rename: 'remark' }, total: { cast: { kind: 'decimal', precision: 18, scale: 2 } } },
      checks: [{ check: 'not_null', column: 'id' }, { check: 'in', column: 'country', values: ['DE', 'F,R'] }, { check: 'matches', column: 'email', pattern: 'a,b\\d' }, { check: 'range', column: 'total', max: '9' }],
      target: { use: 'wh', schema: 'raw', options: {} },
    });
  });

  test('a value never adds keys or references', async () => {
    const { job } = await load(GOOD.replace('path: out', 'path: "${V}"'), { V: 'a\nname: b ${SHOP}' });
    expect(job?.connections['lake']?.config).toEqual({ path: 'a\nname: b ${SHOP}' });
  });

  test('what is filled in is a number where the connector asks for one', async () => {
    const text = GOOD.replace('url: "${SHOP}"', 'url: "${SHOP}", port: "${PORT:-5433}"');
    expect(text).toContain('PORT');
    expect((await load(text)).job?.connections['shop']?.config).toEqual({ url: 'postgres://u:hidden1@db/shop', port: 5433 });
    expect((await load(text, { PORT: 'many' })).diagnostics.map(({ message }) => message)).toContain('expected a number, found the value filled in here');
  });

  test('escape, default, nested default, .env below the environment, _FILE', async () => {
    const directory = join(folder, 'env');
    mkdirSync(directory);
    writeFileSync(join(directory, '.env'), 'SHOP=postgres://dotenv\nONLY="from dotenv"\n');
    writeFileSync(join(directory, 'secret'), 'from-file\n');
    const text = GOOD.replace('path: out', () => 'path: "$${A}|${NO:-x${ONLY}}|${TOK}"');
    const { job } = await load(text, { TOK_FILE: join(directory, 'secret') }, 'error', directory);
    expect(job?.connections['lake']?.config).toEqual({ path: '${A}|xfrom dotenv|from-file' });
    expect(job?.connections['shop']?.config).toEqual({ url: 'postgres://u:hidden1@db/shop' });
    expect(secrets).toContain('from-file');
  });

  test('etl.yaml beside the job shares connections and defaults', async () => {
    const directory = join(folder, 'project');
    mkdirSync(directory);
    writeFileSync(join(directory, 'etl.yaml'), 'version: 1\nconnections: { lake: { type: file, path: "${exec:printf shared}" } }\ndefaults: { sync: incremental }\nallow: { exec: true }\n');
    const { job, diagnostics } = await load(GOOD.replace(/ {2}lake.*\n/, ''), {}, 'error', directory);
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(job?.connections['lake']?.config).toEqual({ path: 'shared' });
    expect(job?.streams[0]).toMatchObject({ sync: 'incremental', write: 'append' });
  });

  test('lint goes on without the secrets', async () => {
    const { diagnostics } = await load(GOOD.replaceAll('${SHOP}', '${NOT_HERE}'), {}, 'warning');
    expect(diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(diagnostics.map(({ code }) => code)).toContain('ETL-JOB-008');
  });

  test('schedule and tests are said aloud', async () => {
    const { job, diagnostics } = await load(`${GOOD}schedule: { cron: "*/15 * * * *", timezone: Europe/Berlin, overlap: skip }\ntests: [{ name: a, stream: public.orders, in: [], out: [] }]\n`);
    expect(diagnostics.map(({ code }) => code)).toEqual(expect.arrayContaining(['ETL-JOB-033', 'ETL-JOB-034']));
    expect(job?.overlap).toBe('skip');
  });

  test('an alias bomb is refused', async () => {
    const bomb = `a: &a [1,1]\n${'bcdefgh'.split('').map((name, index) => `${name}: &${name} [${Array(9).fill(`*${'abcdefg'[index]}`).join(',')}]`).join('\n')}\n`;
    expect((await load(bomb)).diagnostics.map(({ code }) => code)).toContain('ETL-JOB-006');
  });
});

test('units', () => {
  expect([parseDuration('500ms'), parseDuration('1h30m'), parseDuration(2), parseDuration('x')]).toEqual([500, 5_400_000, 2000, undefined]);
  expect([parseSize('512MiB'), parseSize('1GB'), parseSize('0'), parseSize('5 parsecs')]).toEqual([536_870_912, 1e9, undefined, undefined]);
  expect([parseRate('200 rows/s'), parseRate('60/m'), parseRate('-1')]).toEqual([200, 1, undefined]);
  expect([parseTolerance('0.1%'), parseTolerance('100'), parseTolerance('101%')]).toEqual([{ ratio: 0.001 }, { rows: 100 }, undefined]);
});

test('edit distance and .env', () => {
  expect([editDistance('abc', 'acb'), editDistance('', 'ab'), editDistance('kitten', 'sitting')]).toEqual([1, 2, 3]);
  expect({ ...parseDotenv('# c\n\nA=1 # x\nexport B="x\\ny"\nC=\'$x\'\n  # d\nD=', '.env') }).toEqual({ A: '1', B: 'x\ny', C: '$x', D: '' });
  expect(() => parseDotenv('A=1\nKEY="-----BEGIN\nsecret', '.env')).toThrow(expect.objectContaining({ code: 'ETL-JOB-051', location: { file: '.env', line: 2, column: 1 }, message: 'line 2 of .env is not NAME=value' }) as Error);
});

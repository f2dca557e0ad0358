/** What goes wrong in a connector of one's own is told as that connector's: which file, which method, what to write. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'etl-faults-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

/** A source whose `read` does `reading`, whose `identity` first does `asked`. */
const source = (reading: string, asked = ''): string => `import { defineConnector, simpleSource, z } from 'etl';
export default defineConnector({
  name: 'faulty', title: 'Faulty', errors: {},
  source: {
    config: z.strictObject({}), secrets: [], syncModes: ['full', 'incremental'],
    async create(_: object, context) {
      const made = simpleSource(context, { identity: 'x', streams: { things: { columns: { id: 'int64', note: 'json' }, key: ['id'], async *read(from, stop): AsyncGenerator<unknown> {
        yield { rows: [{ id: 1 }], position: 1 };
${reading}
      } } } });
      made.identity = async () => { ${asked}; return 'x'; };
      return made;
    },
  },
});
`;
const destination = "import { defineConnector, z } from 'etl';\nexport default defineConnector({ name: 'd', title: 'd', errors: {}, destination: { config: z.strictObject({}), secrets: [], capabilities: () => ({}), create: async () => ({}) } } as never);\n";

interface Ended {
  readonly code: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

let jobs = 0;

/** `etl run` of a job that reads from this connector. */
function run(connector: string, flags: readonly string[] = [], { ending = 'ts', target = 'file' } = {}): Promise<Ended> {
  const name = `j${++jobs}`;
  writeFileSync(join(folder, `${name}.${ending}`), connector);
  writeFileSync(join(folder, `${name}.yaml`), `{ version: 1, name: ${name}, connections: { s: { type: ./${name}.${ending} }, t: { type: ${target}${target === 'file' ? `, path: ${name}` : ''} } }, source: s, target: t, streams: { things: { sync: incremental, write: append } } }`);
  return new Promise((resolve) => {
    execFile(process.execPath, [join(root, 'bin/etl.js'), 'run', `${name}.yaml`, ...flags], { cwd: folder, timeout: 60_000 }, (error, stdout, stderr) => { resolve({ code: error ? error.code : 0, stdout, stderr }); });
  });
}

test.concurrent.each<[string, () => Promise<Ended>, string | RegExp]>([
  ['an error', () => run(source("throw new Error('boom');")), /ETL-SDK-004 \.\/j\d+\.ts: read threw Error: boom\n +where: .*j\d+\.ts:9:/],
  ['undefined', () => run(source('', 'throw undefined')), /ETL-SDK-004 \.\/j\d+\.ts: identity threw undefined\n/],
  ['the cause of a failed fetch', () => run(source("throw new TypeError('fetch failed', { cause: Object.assign(new AggregateError([new Error('connect ECONNREFUSED ::1:9')]), { code: 'ECONNREFUSED' }) });")), /read threw TypeError: fetch failed: connect ECONNREFUSED ::1:9\n/],
  ['no rows', () => run(source('yield { rows: null };')), 'ETL-SDK-005 things gave a page whose rows are null.'],
  ['no row', () => run(source('yield { rows: [{ id: 2 }, null] };')), 'ETL-SDK-005 things gave a page whose row 2 is no object.'],
  ['a type that there is not', () => run(source('').replace("'int64'", "'boolean'")), 'ETL-SDK-005 column id of things has the type boolean, which there is not.'],
  ['a decimal without scale', () => run(source('').replace("'int64'", "{ kind: 'decimal', precision: 5 } as never")), 'ETL-SDK-005 column id of things is a decimal without precision and scale.'],
  ['a key that is no column', () => run(source('').replace("key: ['id']", "key: ['ident']")), 'ETL-SDK-005 the key of things names ident, which is none of its columns.'],
  ['an object as json', () => run(source('yield { rows: [{ id: 2, note: {} }], position: 2 };')), 'A json column takes text: JSON.stringify(value).'],
  ['a date', () => run(source("yield { rows: [{ id: 2, at: new Date() }], position: 2 };").replace("note: 'json'", "at: 'timestamptz'")), 'value.toISOString()'],
  ['no source', () => run(source('').replace('return made;', 'return undefined as never;')), 'create threw TypeError: it gave undefined, which is no source'],
  ['an enum', () => run(`${source('')}\nenum Colour { red }\n`), /can't be loaded: .*j\d+\.ts:17: TypeScript enum is not supported/],
  ['a syntax error', () => run(source('const a = ;')), /can't be loaded: .*j\d+\.ts:9: Expression expected/],
  ['a syntax error of JavaScript', () => run('const a = ;\n', [], { ending: 'mjs' }), /can't be loaded: .*Unexpected token ';'\n(.*\n)*.*node --check \.\/j\d+\.mjs/],
  ['an error of the module', () => run(`${source('')}\nthrow new Error('too early');\n`), /can't be loaded: .*j\d+\.ts:17: Error: too early/],
  ['no targetOptions', () => run(destination), 'destination.targetOptions: a zod schema is needed, such as z.strictObject({})'],
])('told as the connector\'s: %s', async (_, ended, told) => {
  const { code, stderr } = await ended();
  if (typeof told === 'string') expect(stderr).toContain(told);
  else expect(stderr).toMatch(told);
  expect(stderr).not.toContain('bug in etl');
  expect(code).not.toBe(0);
});

test.concurrent('--debug prints the stack of what a stream failed with', async () => {
  const { stderr } = await run(source("throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });"), ['--debug']);
  expect(stderr).toMatch(/caused by TypeError: fetch failed\n +at .*j\d+\.ts:9:/);
  expect(stderr).toContain('caused by Error: connect ECONNREFUSED\n');
});

test.concurrent('what `classify` knows stays what it is', async () => {
  const classified = source("throw new Error('boom');").replace('errors: {},', "errors: {}, classify: (error) => (error instanceof Error ? new EtlError({ kind: 'auth', code: 'MY-001', message: `known: ${error.message}` }) : undefined),").replace('defineConnector,', 'defineConnector, EtlError,');
  expect(await run(classified)).toMatchObject({ code: 3, stderr: expect.stringContaining('MY-001 known: boom') as string });
});

test.concurrent('what a connector prints by `console` goes to stderr, redacted: stdout is for rows and JSON', async () => {
  const talking = source("console.log('said', from, { deep: [1] }); console.table([{ a: 1 }]); console.error('to postgres://me:hidden@db/x');");
  const { stdout, stderr } = await run(talking, [], { target: 'stdout' });
  expect(stdout.trim().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([expect.objectContaining({ id: 1 })]);
  expect(stderr).toContain('said undefined { deep: [ 1 ] }');
  expect(stderr).toContain('to postgres://me:***@db/x');
  const quiet = await run(talking, ['--json', '--quiet']);
  expect(JSON.parse(quiet.stdout)).toMatchObject({ ok: true });
  expect(quiet.stderr).toBe('to postgres://me:***@db/x\n');
});

test.concurrent.each([
  ['a timer', "setTimeout(() => { throw new TypeError('boom'); }, 1); await new Promise(() => undefined);"],
  ['a promise that nobody waits for', "void Promise.reject(new TypeError('boom')); await new Promise((done) => { setTimeout(done, 30_000); });"],
])('an error from %s ends the run as one of `read` would: envelope, record, no lease', async (_, reading) => {
  const { code, stdout, stderr } = await run(source(reading), ['--json', '--debug']);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'ETL-SDK-004' }, result: { outcome: 'failed', streams: [{ stream: 'things' }] } });
  expect(stderr).toMatch(/ETL-SDK-004 \.\/j\d+\.ts: code that no method waits for threw TypeError: boom\n +where: .*j\d+\.ts:9:/);
  expect(stderr).toMatch(/caused by TypeError: boom\n +at .*j\d+\.ts:9:/);
  const job = /(j\d+)\.ts/.exec(stderr)?.[1] ?? '';
  const lease = readdirSync(join(folder, job), { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('lease.json')) ?? '';
  expect(JSON.parse(readFileSync(join(folder, job, lease), 'utf8'))).toMatchObject({ released: true });
});

test.concurrent('an error that nothing waits for and nobody knows has its envelope, too', async () => {
  const { code, stdout } = await run(source("void Promise.reject('from nowhere'); await new Promise((done) => { setTimeout(done, 30_000); });"), ['--json']);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, error: { code: 'ETL-CLI-000', message: expect.stringContaining('from nowhere') as string } });
});

test.concurrent('a connector that never answers, with nothing left to wait for, is no success', async () => {
  const { code, stdout } = await run(source('', 'await new Promise(() => undefined)'), ['--json']);
  expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining({ ok: false, error: expect.objectContaining({ code: 'ETL-CLI-011' }) as unknown })]);
});

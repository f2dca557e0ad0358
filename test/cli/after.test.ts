/** The command after a run; and whatever ends a run, all that is known is told. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isAlive } from '../../src/cli/after.ts';
import { World, type Started } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

const POSTGRES = '{ type: postgres, url: "${SRC}" }';
const ARGUMENTS = ['run', 'job.yaml', '--json', '--report', 'run.html'];

function job(source: string, after = ''): string {
  return `version: 1
name: shop
connections: { shop: ${source}, to: { type: file, path: out } }
source: shop
target: to
streams:
  public.orders: { sync: incremental, cursor: id, write: append }
${after === '' ? '' : `after: ${after}`}`;
}

/** It gives two rows, and hangs. */
const CONNECTOR = `import { defineConnector, simpleSource, z } from 'etl';
export default defineConnector({
  name: 'never', title: 'Never', errors: {},
  source: {
    config: z.strictObject({}), secrets: [], syncModes: ['full', 'incremental'],
    async create(_, context) {
      return simpleSource(context, { identity: 'never', streams: { orders: { columns: { id: 'int64' }, key: ['id'], async *read() {
        yield { rows: [{ id: 1 }, { id: 2 }], position: 1 };
        await new Promise(() => undefined);
      } } } });
    },
  },
});
`;

async function inWorld(work: (world: World) => Promise<void>): Promise<void> {
  const world = await World.open(server, `after_${++count}`);
  try {
    await work(world);
  } finally {
    await world.close();
  }
}

interface Envelope {
  readonly summary: string;
  readonly result: { readonly streams: readonly object[] };
  readonly error: { readonly message: string } | null;
}

/** What any end of a run leaves for those who ask later. */
async function told(world: World, run: Started, exit: number): Promise<Envelope> {
  const said = await run.said;
  expect(said.exit, said.err).toBe(exit);
  const envelope = JSON.parse(said.out) as Envelope;
  expect(envelope).toMatchObject({ command: 'run', ok: false, summary: expect.stringMatching(/^stopped shop: /), result: { outcome: 'stopped' } });
  expect(said.err).toContain(envelope.summary);
  expect(record(world)).toMatchObject({ outcome: 'stopped', exitCode: exit, streams: envelope.result.streams });
  expect(world.read('run.html')).toContain('</html>');
  return envelope;
}

/** The only one. */
function record(world: World): unknown {
  return JSON.parse(world.read(join('.etl/runs', readdirSync(world.path('.etl/runs')).join())));
}

const OBEDIENT = 'sleep 50 & echo $! > pids; echo $$ >> pids; wait';
const DEAF = `trap '' TERM; ${OBEDIENT}`;

test.each([
  ['failure', 'unreachable', { SRC: 'postgres://postgres:secret@127.0.0.1:1/shop' }],
  ['always', 'login refused', { SRC: undefined }],
  ['failure', 'unknown stream', {}],
] as const)('it runs on %s when the run fails before it begins: %s', (when, what, env) => inWorld(async (world) => {
  if ('SRC' in env) world.env['SRC'] = env.SRC ?? world.source.replace('//postgres:', '//nobody:');
  const text = `${job(POSTGRES, `{ run: 'echo "outcome $ETL_OUTCOME of $ETL_JOB"; exit 3', when: ${when} }`)}\nretry: { attempts: 1 }\n`;
  world.write('job.yaml', what === 'unknown stream' ? text.replace('public.orders', 'public.nothing') : text);
  const said = await world.etl('run', 'job.yaml', '--json');
  expect(said.exit, said.err).toBe(3);
  expect(said.err).toContain('outcome failed of shop');
  expect(said.err).toMatch(/ETL-RUN-013 after: `.*` ended with 3/);
  expect((JSON.parse(said.out) as Envelope).error?.message).not.toContain('after');
  expect(record(world)).toMatchObject({ outcome: 'failed', after: { exitCode: 3 } });
}));

test('it does not run when another run has the job', () => inWorld(async (world) => {
  const { run } = await hanging(world, OBEDIENT);
  world.write('second.yaml', job(POSTGRES, '{ run: "echo second", when: always }'));
  const said = await world.etl('run', 'second.yaml');
  expect(said.exit, said.err).toBe(5);
  expect(said.err).not.toContain('after:');
  run.child.kill('SIGTERM');
  await run.said;
}));

test('what it prints passes the redactor', () => inWorld(async (world) => {
  const PRIVATE = '-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG\n-----END KEY-----';
  world.write('private.pem', PRIVATE);
  world.write('job.yaml', job(POSTGRES, `{ run: "echo url $SRC >&2; cat private.pem; printf 'no end'; sleep 30 &" }`).replace('streams:', 'defaults: { columns: { name: { hash: hmac-sha256, key: "${file:private.pem}" } } }\nstreams:'));
  const began = Date.now();
  const said = await world.etl('run', 'job.yaml', '--quiet');
  expect(said.exit, said.err).toBe(0);
  const password = new URL(world.source).password;
  expect(said.err).toContain(world.source.replace(password, '***'));
  expect(said.err).toContain('no end\n');
  for (const secret of [password, ...PRIVATE.split('\n')]) expect(said.err).not.toContain(secret);
  expect(Date.now() - began).toBeLessThan(25_000); // what stays in the background is not waited for
}));

test('--print-config hides secrets by their place, however short they are', () => inWorld(async (world) => {
  world.env['TOKEN'] = 't9';
  world.write('own.ts', CONNECTOR.replace('z.strictObject({})', 'z.strictObject({ url: z.string(), other: z.string(), pin: z.string(), apiKey: z.string(), monkey: z.string() })').replace('secrets: []', "secrets: ['pin']"));
  world.write('job.yaml', `${job('{ type: ./own.ts, url: "https://me:p9@there", other: "of ${TOKEN} there", pin: n9, apiKey: k9, monkey: seen }').replace('public.orders', 'orders')}`);
  for (const more of [[], ['--json']]) {
    const { exit, out, err } = await world.etl('run', 'job.yaml', '--print-config', ...more);
    expect(exit, err).toBe(0);
    for (const secret of ['t9', 'p9', 'n9', 'k9']) expect(out).not.toContain(secret);
    for (const shown of ['https://me:***@there', 'of *** there', 'seen', 'id']) expect(out).toContain(shown);
  }
}));

/** Starts a job whose command is at work; `gone` sees to it that it is no more, nor what it started. */
async function hanging(world: World, command: string, ...more: readonly string[]): Promise<{ run: Started; gone: () => Promise<void> }> {
  world.write('hang.sh', command);
  world.write('job.yaml', job(POSTGRES, '{ run: "exec sh hang.sh" }'));
  const run = world.start([...ARGUMENTS, ...more]);
  const pids = (): string[] => (existsSync(world.path('pids')) ? world.read('pids').split('\n').slice(0, -1) : []);
  while (pids().length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
  return { run, gone: () => vi.waitFor(() => { expect(pids().filter((pid) => isAlive(Number(pid)))).toEqual([]); }, 5000) };
}

test.each([['a signal', []], ['--timeout', ['--timeout', '5s']]] as const)('%s ends the command, and what it started', (_, more) => inWorld(async (world) => {
  const { run, gone } = await hanging(world, OBEDIENT, ...more);
  if (more.length === 0) run.child.kill('SIGTERM');
  const { result, error } = await told(world, run, 6);
  expect(result).toMatchObject({ streams: [{ outcome: 'done', written: 50 }], after: { exitCode: 143 } });
  expect(error?.message).toBe('after: `exec sh hang.sh` was ended by SIGTERM (143)');
  await gone();
  expect((await world.etl('run', 'job.yaml', '--timeout', '2s')).err).not.toContain('watching'); // the lease was let go
}));

test('the end of grace kills a command that does not listen', () => inWorld(async (world) => {
  const { run, gone } = await hanging(world, DEAF, '--grace', '1s');
  run.child.kill('SIGTERM');
  const { error } = await told(world, run, 6);
  expect(error?.message).toBe('after: `exec sh hang.sh` was ended by SIGKILL (137)');
  await gone();
}));

test.each([['SIGINT', 130], ['SIGTERM', 143]] as const)('the second %s kills it at once', (signal, exit) => inWorld(async (world) => {
  const { run, gone } = await hanging(world, DEAF);
  run.child.kill(signal);
  await run.until(/again to leave at once/);
  run.child.kill(signal);
  expect((await told(world, run, exit)).result.streams).toMatchObject([{ outcome: 'done', written: 50 }]);
  await gone();
}));

test('a source that does not answer is left when grace is over', () => inWorld(async (world) => {
  world.write('job.yaml', job(POSTGRES));
  const holder = new pg.Client({ connectionString: world.source });
  await holder.connect();
  try {
    await holder.query('begin; lock table pg_catalog.pg_class in access exclusive mode');
    const run = world.start([...ARGUMENTS, '--grace', '500ms', '--timeout', '1s']);
    expect((await told(world, run, 6)).result.streams).toEqual([]);
    expect((await run.said).err).toContain('the grace period is over: left what does not answer');
  } finally {
    await holder.end();
  }
}));

test('so is a connector that never settles', () => inWorld(async (world) => {
  world.write('never.ts', CONNECTOR);
  world.write('job.yaml', job('{ type: ./never.ts }').replace('public.orders', 'orders'));
  const run = world.start([...ARGUMENTS, '--grace', '500ms', '--timeout', '4s']);
  expect((await told(world, run, 6)).result.streams).toMatchObject([{ outcome: 'stopped', read: 2 }]);
}));

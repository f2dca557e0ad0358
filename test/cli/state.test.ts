import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { World } from '../helpers/world.ts';

let server: PostgresServer;
let world: World;
beforeAll(async () => {
  server = await startPostgres();
  world = await World.open(server, 'state');
  await world.sql('create table other (id int primary key); insert into other values (1)');
  world.write('job.yaml', `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SRC}" }
  out: { type: file, path: out }
  wh: { type: postgres, url: "\${DST}" }
source: shop
target: out
streams:
  public.orders: { sync: incremental, cursor: id, checks: ["range(id, 2, 100)"], errors: { max_bad: 5 } }
  public.other: { sync: incremental, cursor: id, target: wh }
`);
  expect((await world.etl('run', 'job.yaml')).exit).toBe(4);
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

async function error(...args: string[]): Promise<{ readonly exit: number | null; readonly code: string; readonly message: string; readonly hint: string }> {
  const { exit, out } = await world.etl(...args, '--json');
  return { exit, ...(JSON.parse(out) as { error: { code: string; message: string; hint: string } }).error };
}

test.each([
  ['quarantine list', ['--stream', 'public.ordres']], ['state reset', ['--yes', '--stream', 'public.ordres']], ['state adopt', ['--yes', '--stream', 'public.ordres']],
  ['state set', ['public.ordres', '{}', '--yes']],
])('%s of a stream that nobody knows is an error that names the one that was meant', async (command, args) => {
  expect(await error(...command.split(' '), 'job.yaml', ...args)).toMatchObject({ exit: 2, code: 'ETL-CLI-006', message: 'the state holds no stream public.ordres', hint: 'did you mean `public.orders`?' });
});

test('streams are picked by name or pattern, of the pipe that moves them', async () => {
  const listed = async (stream: string) => (JSON.parse((await world.etl('quarantine', 'list', 'job.yaml', '--json', '--stream', stream)).out) as { result: unknown[] }).result.length;
  expect([await listed('public.orders'), await listed('public.o*'), await listed('public.other')]).toEqual([1, 1, 0]);
  const reset = await world.etl('state', 'reset', 'job.yaml', '--yes', '--stream', 'public.other', '--json');
  expect(reset.exit, reset.err).toBe(0);
  expect((JSON.parse(reset.out) as { result: unknown }).result).toEqual({ streams: ['public.other'] });
});

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
  ['quarantine list', ['--stream', 'public.ordres']], ['state reset', ['--yes', '--stream', 'public.ordres']],
  ['state set', ['public.ordres', '{}', '--yes']],
])('%s of a stream that nobody knows is an error that names the one that was meant', async (command, args) => {
  expect(await error(...command.split(' '), 'job.yaml', ...args)).toMatchObject({ exit: 2, code: 'ETL-CLI-006', message: 'the state holds no stream public.ordres', hint: 'did you mean `public.orders`?' });
});

test('only streams of the job can be adopted', async () => {
  expect(await error('state', 'adopt', 'job.yaml', '--yes', '--stream', 'public.ordres')).toMatchObject({ exit: 2, code: 'ETL-CLI-006', message: 'the job moves no stream public.ordres', hint: 'did you mean `public.orders`?' });
});

test('streams are picked by name or pattern, of the pipe that moves them', async () => {
  const listed = async (stream: string) => (JSON.parse((await world.etl('quarantine', 'list', 'job.yaml', '--json', '--stream', stream)).out) as { result: unknown[] }).result.length;
  expect([await listed('public.orders'), await listed('public.o*'), await listed('public.other')]).toEqual([1, 1, 0]);
  const reset = await world.etl('state', 'reset', 'job.yaml', '--yes', '--stream', 'public.other', '--json');
  expect(reset.exit, reset.err).toBe(0);
  expect((JSON.parse(reset.out) as { result: unknown }).result).toEqual({ streams: ['public.other'] });
});

test('a position is stored only if the source can go on from it', async () => {
  const position = { v: 1, mode: 'incremental', column: 'id', type: 'int4', upTo: '7' };
  const set = (value: object) => error('state', 'set', 'job.yaml', 'public.orders', JSON.stringify(value), '--yes');
  expect(await set({ ...position, v: 9 })).toMatchObject({ exit: 3, code: 'ETL-PG-037' });
  expect(await set({ ...position, upTo: 7 })).toMatchObject({ exit: 3, code: 'ETL-PG-037' });
  expect(await set({ ...position, upTo: 'never' })).toMatchObject({ exit: 3, code: 'ETL-PG-037' });
  expect(await set({ ...position, column: 'name' })).toMatchObject({ exit: 3, code: 'ETL-PG-033' });
  const exported = JSON.parse((await world.etl('state', 'export', 'job.yaml')).out) as { pipes: Record<string, Record<string, unknown>> };
  const pipe = Object.keys(exported.pipes).find((name) => name.endsWith('->out')) ?? '';
  world.write('bad.json', JSON.stringify({ ...exported, pipes: { [pipe]: { 'public.orders': { position: { ...position, upTo: 'never' } } } } }));
  expect(await error('state', 'import', 'job.yaml', 'bad.json', '--yes')).toMatchObject({ exit: 3, code: 'ETL-PG-037' });
  expect(JSON.parse((await world.etl('state', 'export', 'job.yaml')).out), 'nothing of that was stored').toEqual(exported);
  world.write('good.json', JSON.stringify({ ...exported, pipes: { [pipe]: { 'public.orders': { position }, 'public.gone': { position } } } }));
  const said = await world.etl('state', 'import', 'job.yaml', 'good.json', '--yes');
  expect([said.exit, said.err]).toEqual([0, expect.stringContaining('public.gone was left out: the job does not move it')]);
  expect((await world.etl('state', 'show', 'job.yaml')).out).toMatch(/public\.orders +7 /);
});

test('a position does not end the rebuild that a reset asked for, and that is said', async () => {
  const said = await world.etl('state', 'set', 'job.yaml', 'public.other', '{"v":1,"mode":"incremental","column":"id","type":"int4","upTo":"1"}', '--yes');
  expect([said.exit, said.err]).toEqual([0, expect.stringContaining('public.other was reset: the next run reads it anew, replaces its table and does not look at this position')]);
});

test('what two URLs have moved is shown, listed and reset by the same two URLs', async () => {
  const urls = ['${SRC}', `file://${world.path('urls')}`];
  await world.sql("create table days (id int primary key, at date); insert into days select n, case n when 1 then 'infinity' else now() end from generate_series(1, 200) n");
  const ran = await world.etl('run', ...urls, '--stream', 'public.days', '--sync', 'incremental', '--cursor', 'id');
  expect([ran.exit, ran.err]).toEqual([4, expect.stringContaining(`etl quarantine list '\${SRC}' '${urls[1]}' shows which rows and why`)]);
  expect((await world.etl('quarantine', 'list', ...urls)).out).toMatch(/public\.days +at +\{"id":"1"\}/);
  expect((await world.etl('state', 'show', ...urls)).out).toMatch(/public\.days +200 /);
  expect((await world.etl('state', 'reset', ...urls, '--stream', 'public.days', '--yes')).exit).toBe(0);
  expect((await world.etl('state', 'show', ...urls)).out).toMatch(/public\.days +- .*rebuild/);
});

test('a position is stored for a target into which nothing was ever moved, with a warning that earlier rows stay unread', async () => {
  world.write('fresh.yaml', world.read('job.yaml').replace('name: shop', 'name: fresh'));
  world.write('moved.json', (await world.etl('state', 'export', 'job.yaml')).out);
  const warning = 'public.orders: this job has moved nothing to its target yet, and the next run reads only what lies behind this position';
  const imported = await world.etl('state', 'import', 'fresh.yaml', 'moved.json', '--from', 'shop/shop->out', '--yes');
  expect([imported.exit, imported.err]).toEqual([0, expect.stringContaining(warning)]);
  const position = '{"v":1,"mode":"incremental","column":"id","type":"int4","upTo":"1"}';
  const set = (job: string) => world.etl('state', 'set', job, 'public.orders', position, '--yes');
  expect([(await set('fresh.yaml')).err, (await set('job.yaml')).err]).toEqual([expect.stringContaining(warning), expect.not.stringContaining('warning')]);
  expect(await error('state', 'import', 'fresh.yaml', 'moved.json', '--from', 'shop/shop->gone', '--yes')).toMatchObject({ exit: 2, code: 'ETL-CLI-009', hint: expect.stringContaining('it holds shop/shop->out') as string });
});

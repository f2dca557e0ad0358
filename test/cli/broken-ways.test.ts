import { connect, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres(); });
afterAll(() => server.stop());

/** The way to a server, which breaks one of the connections that go over it. */
class Way {
  /** Broken when its client has sent so many pieces. */
  breaks: { readonly connection: number; readonly piece: number } | undefined;
  broken = false;
  private readonly listener: Server;
  private readonly sockets = new Set<Socket>();
  private connections = 0;

  constructor(target: number) {
    this.listener = createServer({ noDelay: true }, (client) => { this.join(client, connect(target, '127.0.0.1'), ++this.connections); });
  }

  async open(port = 0): Promise<number> {
    await new Promise<void>((done) => void this.listener.listen(port, '127.0.0.1', done));
    const address = this.listener.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((done) => { this.listener.close(() => { done(); }); });
  }

  private join(client: Socket, upstream: Socket, number: number): void {
    const end = (): void => { for (const socket of [client, upstream]) socket.destroy(); };
    let pieces = 0;
    for (const socket of [client, upstream]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', () => { this.sockets.delete(socket); end(); });
    }
    upstream.on('data', (data) => client.write(data));
    client.on('data', (data) => {
      if (number === this.breaks?.connection && ++pieces === this.breaks.piece) {
        this.broken = true;
        end();
      } else {
        upstream.write(data);
      }
    });
  }
}

const portOf = (url: string): number => Number(new URL(url).port);

function through(url: string, port: number): string {
  const to = new URL(url);
  to.port = String(port);
  return to.href;
}

const TARGETS = { duckdb: '{ type: duckdb, path: lake.duckdb }', postgres: '{ type: postgres, url: "${DST}" }' };

async function inWorld(target: keyof typeof TARGETS, work: (world: World) => Promise<void>): Promise<void> {
  const world = await World.open(server, `ways_${++count}`);
  try {
    await world.sql("create table more as select * from orders; create table things (id bigint primary key, v text); insert into things select i, 'v' || i from generate_series(1, 1000) i");
    world.write('job.yaml', `version: 1
name: shop
connections: { shop: { type: postgres, url: "\${SRC}" }, to: ${TARGETS[target]} }
source: shop
target: to
streams: { public.things: { sync: incremental, cursor: id, write: merge }, public.orders: { sync: full, write: replace }, public.more: { sync: full, write: append } }
retry: { attempts: 10, initial_delay: 50ms, backoff: fixed }
`);
    await work(world);
  } finally {
    await world.close();
  }
}

test.each(['duckdb', 'postgres'] as const)('into %s: a server that comes up later is waited for', (target) => inWorld(target, async (world) => {
  const free = new Way(portOf(world.source));
  const port = await free.open();
  await free.close();
  for (const name of ['SRC', 'DST']) world.env[name] = through(world.env[name] ?? '', port);
  const run = world.start(['run', 'job.yaml']);
  await run.until(/attempt 3 in 50 ms/);
  const way = new Way(portOf(world.source));
  await way.open(port);
  const said = await run.said;
  await way.close();
  expect(said.exit, said.err).toBe(0);
  expect(said.err).toMatch(/warning (shop|to): ETL-PG-001 The connection to Postgres failed: connect ECONNREFUSED 127\.0\.0\.1:\d+; attempt 2 in 50 ms/);
}));

/** Pieces of a client between two breaks that are tried: into Postgres there are some hundred, and each is a run. */
const EVERY = { duckdb: 1, postgres: 4 };

test.each(['duckdb', 'postgres'] as const)('into %s: a connection that breaks at any moment is made anew', (target) => inWorld(target, async (world) => {
  let runs = 0;
  const breaksAt = async (connection: number, piece: number): Promise<boolean> => {
    const way = new Way(portOf(world.source));
    const port = await way.open();
    way.breaks = { connection, piece };
    await world.sql('update things set id = id + 1000');
    for (const [name, url] of [['SRC', world.source], ['DST', world.target]] as const) world.env[name] = through(url, port);
    const said = await world.etl('run', 'job.yaml');
    await way.close();
    expect(said.exit, `connection ${connection}, piece ${piece}: ${said.err}`).toBe(0);
    runs++;
    return way.broken;
  };
  for (let connection = 1; await breaksAt(connection, 1); connection++) {
    for (let piece = 2 + (connection % EVERY[target]); await breaksAt(connection, piece);) piece += EVERY[target];
  }
  const things = `(select i + 1000 * run as id, 'v' || i as v from generate_series(1, 1000) i, generate_series(1, ${runs}) run) t`;
  const more = `(select id, name as v from more, generate_series(1, ${runs}) run) t`;
  expect(await contents(world, target, ['things', '(select id, name as v from orders) t', '(select id, name as v from more) t']))
    .toEqual(await contents(world, 'source', [things, '(select id, name as v from orders) t', more]));
}));

/** Of each relation with `id` and `v`: count and sum of its rows. */
async function contents(world: World, place: keyof typeof TARGETS | 'source', relations: readonly string[]): Promise<readonly string[]> {
  const texts = relations.map((from) => `select count(*) || ' ' || md5(string_agg(id || v, ',' order by id)) as content from ${from}`);
  if (place === 'duckdb') {
    const answers = [];
    for (const text of texts) answers.push(await world.duck(text));
    return answers;
  }
  const client = new pg.Client({ connectionString: place === 'source' ? world.source : world.target });
  await client.connect();
  try {
    const answers = [];
    for (const text of texts) answers.push((await client.query<{ content: string }>(text)).rows[0]?.content ?? '');
    return answers;
  } finally {
    await client.end();
  }
}

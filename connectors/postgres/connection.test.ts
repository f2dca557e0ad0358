import { connect as dial, createServer, type AddressInfo, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { connect } from './connection.ts';
import { destinationConfig } from './destination.ts';

let server: PostgresServer;
let pooler: Server;
/** A pooler that ignores what it does not know (PgBouncer's ignore_startup_parameters), or refuses it. */
let refuses = false;

beforeAll(async () => {
  server = await startPostgres();
  pooler = createServer((client) => {
    const upstream = dial({ host: '127.0.0.1', port: server.port });
    client.once('data', (startup: Buffer) => {
      if (refuses) return client.end(refusal('unsupported startup parameter: options'));
      upstream.write(withoutOptions(startup));
      client.pipe(upstream);
    });
    upstream.pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => undefined).on('close', () => { client.destroy(); upstream.destroy(); });
  });
  await new Promise<void>((resolve) => void pooler.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await new Promise((resolve) => void pooler.close(resolve));
  await server.stop();
});

/** StartupMessage: length, protocol, then names and values, each with a NUL. */
function withoutOptions(startup: Buffer): Buffer {
  const words = startup.subarray(8).toString('latin1').split('\0').slice(0, -2);
  const kept = words.flatMap((name, index) => (index % 2 === 0 && name !== 'options' ? [name, words[index + 1] ?? ''] : []));
  const body = Buffer.from(`${kept.join('\0')}\0\0`, 'latin1');
  const head = Buffer.from(startup.subarray(0, 8));
  head.writeInt32BE(8 + body.length);
  return Buffer.concat([head, body]);
}

/** ErrorResponse with severity, SQLSTATE and message. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C08P01\0M${message}\0\0`, 'latin1');
  const head = Buffer.from('E\0\0\0\0', 'latin1');
  head.writeInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}

const through = (port: number) => connect(destinationConfig.parse({ url: server.url.replace(`:${server.port}/`, `:${port}/`) }), '/');

test('a pooler that drops or refuses the settings of a session is named, and nothing is read through it', async () => {
  const { port } = pooler.address() as AddressInfo;
  refuses = false;
  await expect(through(port)).rejects.toMatchObject({ kind: 'config', code: 'ETL-PG-010', message: expect.stringContaining('IntervalStyle is postgres') as string, hint: expect.stringContaining('pooler') as string });
  refuses = true;
  await expect(through(port)).rejects.toMatchObject({ kind: 'config', code: 'ETL-PG-010', message: expect.stringContaining('unsupported startup parameter: options') as string });
  await vi.waitFor(async () => { expect(await server.query("select 1 from pg_stat_activity where application_name = 'etl'"), 'no connection stays').toEqual([]); });
  await using direct = await through(server.port);
  expect(direct.major).toBeGreaterThanOrEqual(12);
});

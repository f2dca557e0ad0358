import { afterAll, beforeAll, expect, test } from 'vitest';
import { envelopeSchema } from '../../src/cli/envelope.ts';
import { World, PASSWORD, type Said } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';

let server: PostgresServer;
let world: World;
beforeAll(async () => {
  server = await startPostgres({ password: PASSWORD });
  world = await World.open(server, 'json');
  world.write('job.yaml', `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SRC}" }
  wh: { type: postgres, url: "\${DST}" }
source: shop
target: wh
streams:
  public.orders: { sync: incremental, cursor: id, checks: ["range(id, 2, 100)"], errors: { max_bad: 5 } }
`);
});
afterAll(async () => {
  await world.close();
  await server.stop();
});

/** Each in turn, with the exit code that it has then. */
const COMMANDS: readonly (readonly [command: string, exit: number, ...args: string[]])[] = [
  ['lint', 0, 'job.yaml'], ['plan', 0, 'job.yaml'], ['plan', 2, 'job.yaml', '--detailed-exitcode'], ['check', 0, 'job.yaml'], ['check', 0, 'job.yaml', '--probe'],
  ['discover', 0, 'job.yaml'], ['preview', 0, 'job.yaml'], ['run', 4, 'job.yaml'], ['run', 0, 'job.yaml'], ['run', 0, 'job.yaml', '--print-config'],
  ['quarantine list', 0, 'job.yaml'], ['quarantine show', 2, 'job.yaml', 'nothing'], ['state show', 0, 'job.yaml'], ['state export', 0, 'job.yaml'],
  ['state set', 2, 'job.yaml', 'public.orders', '{}'], ['state adopt', 0, 'job.yaml', '--yes'], ['state reset', 0, 'job.yaml', '--yes'], ['state import', 2, 'job.yaml', 'job.yaml', '--yes'],
  ['explain', 0], ['explain', 0, 'ETL-PG-001'], ['explain', 2, 'ETL-NO-001'], ['connectors list', 0], ['connectors info', 0, 'file'], ['connectors info', 2, 'nothing'], ['schema', 0],
  ['hash', 0, 'a@x.com', '--key', '${KEY}', '--domain', 'd'], ['run', 2, 'nowhere.yaml'], ['run', 2, 'job.yaml', '--nope'], ['run', 2, 'job.yaml', '--plan', 'x'],
];

test.each(COMMANDS.map(([command, exit, ...args]) => ({ command, exit, args })))('$command $args ends with $exit and prints one envelope', async ({ command, exit, args }) => {
  world.env['KEY'] = '0123456789abcdef0123456789abcdef';
  const said: Said = await world.etl(...command.split(' '), ...args, '--json');
  expect(said.exit, said.err).toBe(exit);
  const envelope = envelopeSchema.parse(JSON.parse(said.out));
  expect(envelope.command).toBe(command);
  expect(envelope.ok).toBe(exit === 0);
  expect(envelope.summary).not.toContain('\u001b');
  if (exit === 2 && !args.includes('--detailed-exitcode')) expect(envelope.error).not.toBeNull();
  for (const secret of [PASSWORD, world.env['KEY']]) expect(said.out + said.err).not.toContain(secret);
});

import { expect, test } from 'vitest';
import { startPostgres } from './postgres.ts';

test('a server of our own starts, answers and stops', async () => {
  const server = await startPostgres();
  const rows = await server.query('show server_version');
  expect(JSON.stringify(rows)).toContain('18.');
  await server.stop();
});

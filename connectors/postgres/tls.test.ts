import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryInUse } from '#batch';
import { writeCertificate } from '../../test/services/certificate.ts';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { incremental, plan, readSplits, selection, SourceWorld, stateOf } from './source-world.ts';

let server: PostgresServer;
let folder: string;
let plain: SourceWorld;
let verified: SourceWorld;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'etl-tls-'));
  const { certificate, key } = writeCertificate(folder);
  server = await startPostgres({ settings: { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key } });
  plain = new SourceWorld(server.url);
  verified = new SourceWorld(`${server.url}?sslmode=verify-full&sslrootcert=${encodeURIComponent(certificate)}`);
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

const encrypted = async (): Promise<boolean[]> => (await server.query<{ ssl: boolean }>("select ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'etl'")).map(({ ssl }) => ssl);

test('rows that come over TLS are those that come without, small and large, also to a reader that is slow', async () => {
  await server.query("create table coded as select i as id, repeat(md5(i::text), i % 40) as t, case when i % 3 = 0 then null else i * 0.5 end as n from generate_series(1, 60000) i");
  await server.query("insert into coded select 60000 + i, repeat('x', 3000000 + i), null from generate_series(1, 3) i");
  const before = memoryInUse();
  const expected = await plain.pass(selection('public.coded'));
  expect(await verified.pass(selection('public.coded'))).toMatchObject({ rows: expected.rows, rejected: [] });
  await using source = await verified.open();
  const { load, reading } = await plan(source, selection('public.coded'), stateOf());
  const [split] = load.splits;
  if (!split) throw new TypeError('no split');
  let rows = 0;
  for await (const message of source.read(reading, split, undefined, new AbortController().signal)) {
    if (message.type !== 'batch') continue;
    if (rows === 0) expect(await encrypted()).toEqual([true]);
    rows += message.batch.length;
    message.batch.release();
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
  expect(rows).toBe(60_003);
  await source[Symbol.asyncDispose]();
  expect(memoryInUse()).toBe(before);
});

test('one connection over TLS serves questions, two COPYs and questions again', async () => {
  await server.query("create table halves as select i as id, case when i % 2 = 0 then timestamptz '2026-01-01' + i * interval '1 s' end as at from generate_series(1, 40000) i");
  await using source = await verified.open();
  const wanted = incremental('public.halves', 'at', { write: 'merge', key: ['id'], cursor: { column: 'at', nulls: 'reload' } });
  const { load, reading } = await plan(source, wanted, stateOf('public.halves'));
  const { rows } = await readSplits(source, load, reading);
  expect(new Set(rows.map(([id]) => id)).size).toBe(40_000);
  await expect(source.discover({ only: ['public.halves'] })).resolves.toHaveLength(1);
});

test('a stop in the middle ends the read, and a server that goes is no end', async () => {
  await using source = await verified.open();
  const { load, reading } = await plan(source, selection('public.coded'), stateOf());
  const [split] = load.splits;
  if (!split) throw new TypeError('no split');
  const read = async (atFirst: () => Promise<void>, stop: AbortSignal): Promise<string[]> => {
    const types: string[] = [];
    for await (const message of source.read(reading, split, undefined, stop)) {
      types.push(message.type);
      if (message.type !== 'batch') continue;
      message.batch.release();
      await atFirst();
    }
    return types;
  };
  const stop = new AbortController();
  expect(await read(async () => { stop.abort(); }, stop.signal)).toEqual(['schema', 'batch']);
  const ended = read(async () => { await server.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'etl'"); }, new AbortController().signal);
  await expect(ended).rejects.toMatchObject({ kind: 'transient' });
});

test('a server that nobody vouches for is refused by name', async () => {
  await using source = await new SourceWorld(`${server.url}?sslmode=verify-full`).open();
  await expect(source.identity()).rejects.toMatchObject({ code: 'ETL-PG-003' });
});

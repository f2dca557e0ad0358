import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memoryInUse } from '#batch';
import { writeCertificate } from '../../test/services/certificate.ts';
import { execute, startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { incremental, plan, readSplits, selection, SourceWorld, stateOf } from './source-world.ts';

let server: PostgresServer;
let folder: string;
let plain: SourceWorld;
let verified: SourceWorld;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'etl-tls-'));
  const { certificate, key } = writeCertificate(folder);
  const rules = join(folder, 'hba.conf');
  writeFileSync(rules, 'hostnossl all secret 127.0.0.1/32 reject\nhostssl all known 127.0.0.1/32 scram-sha-256 clientcert=verify-ca\nhost all all 127.0.0.1/32 scram-sha-256\n');
  server = await startPostgres({ settings: { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key, ssl_ca_file: certificate, hba_file: rules } });
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

/** As a role that the server lets in over TLS only. */
function encryptedOnly(url: string): string {
  return url.replace(/\/\/[^@]+@/, '//secret:s@');
}

async function contentOf(url: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query("select count(*), md5(string_agg(id || t, ',' order by id)) from public.coded")).rows;
  } finally {
    await client.end();
  }
}

test('a destination is written over TLS, with the same rows', async () => {
  const [from, to] = [await server.createDatabase('tls_from'), await server.createDatabase('tls_to')];
  await execute(from, "create role secret superuser login password 's'; create table coded as select i as id, repeat(md5(i::text), i % 40) as t from generate_series(1, 30000) i");
  const tls = `?sslmode=verify-full&sslrootcert=server.crt`;
  writeFileSync(join(folder, 'job.yaml'), `{ version: 1, name: tls, connections: { a: { type: postgres, url: "\${FROM}${tls}" }, b: { type: postgres, url: "\${TO}${tls}" } }, source: a, target: b, streams: { public.coded: {} } }`);
  execFileSync(process.execPath, [join(import.meta.dirname, '../../bin/etl.js'), 'run', 'job.yaml'], { cwd: folder, env: { PATH: process.env['PATH'], FROM: encryptedOnly(from), TO: encryptedOnly(to) }, stdio: 'pipe' });
  expect(await contentOf(to)).toEqual(await contentOf(from));
});

test('a server that asks for a certificate gets it, and without one the next step is named', async () => {
  await server.query("create role known login password 'k'");
  const url = `postgres://known:k@127.0.0.1:${server.port}/postgres?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(folder, 'server.crt'))}`;
  await using without = await new SourceWorld(url).open();
  await expect(without.identity()).rejects.toMatchObject({ kind: 'auth', code: 'ETL-PG-002', hint: expect.stringContaining('`cert` and `key`') as string });
  const [cert, key] = [join(folder, 'server.crt'), join(folder, 'server.key')].map(encodeURIComponent);
  await using source = await new SourceWorld(`${url}&sslcert=${cert}&sslkey=${key}`).open();
  await expect(source.identity()).resolves.toMatch(/^postgres:/);
});

test.each([
  ['sslcert=x.crt', 'has one of `cert` and `key`'], ['sslcert=no.crt&sslkey=no.key', 'The file of `cert` can\'t be read'], ['channel_binding=require', 'has the parameter channel_binding'],
])('settings of TLS that can\'t be kept are refused: %s', async (parameters, says) => {
  await using source = await new SourceWorld(`${server.url}?sslmode=verify-full&${parameters}`).open();
  await expect(source.identity()).rejects.toMatchObject({ kind: 'config', code: 'ETL-PG-009', message: expect.stringContaining(says) as string });
});

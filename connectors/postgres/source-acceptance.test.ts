import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Selection } from '#sdk';
import { selectionFor, sourceAcceptance, testPorts } from '#testing';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { sourceConfig } from './config.ts';
import { PostgresSource } from './source.ts';

/** Tables of some pages, so that there are ranges to cut, with ties of the cursor and keys of two columns. */
const TABLES = `
  create table plain (id int primary key, v text, at timestamptz);
  insert into plain select i, repeat('v', i % 50), '2026-01-01'::timestamptz + (i / 7) * interval '1 second' from generate_series(1, 3000) i;
  create table nokey (v int, t text);
  insert into nokey select i % 10, repeat('t', i % 30) from generate_series(1, 2000) i;
  create table pair (region text, id bigint, at timestamp, primary key (region, id));
  insert into pair select case when i % 3 = 0 then 'eu' else 'us' end, i, '2026-01-01'::timestamp + (i / 50) * interval '1 minute' from generate_series(1, 1500) i;
  create table parted (id int, at date, primary key (id, at)) partition by range (at);
  create table parted_1 partition of parted for values from ('2026-01-01') to ('2026-02-01');
  create table parted_2 partition of parted for values from ('2026-02-01') to ('2026-03-01');
  insert into parted select i, '2026-01-15'::date + (i % 30) from generate_series(1, 900) i;
  create view seen as select id, v from plain where id <= 100;
  create table empty (id int primary key, v text);
  analyze`;

const full = (stream: string, key: readonly string[], more: Partial<Selection> = {}): Selection => selectionFor(stream, key, { sync: 'full', write: 'replace', immutableKey: false, ...more });
const pass = (stream: string, key: readonly string[], column: string): Selection => selectionFor(stream, key, { sync: 'incremental', write: 'merge', cursor: { column } });

const SUITES: Readonly<Record<string, readonly Selection[]>> = {
  'full loads': [
    full('public.plain', ['id']), full('public.nokey', []), full('public.parted', ['id', 'at']), full('public.seen', []), full('public.empty', ['id']),
    full('some', [], { query: 'select id, v from plain where id % 2 = 0' }),
  ],
  'full loads by ranges of an immutable key': [full('public.plain', ['id'], { immutableKey: true }), full('public.pair', ['region', 'id'], { immutableKey: true })],
  'incremental passes': [pass('public.plain', ['id'], 'at'), pass('public.pair', ['region', 'id'], 'at'), pass('public.empty', ['id'], 'id')],
};

for (const [name, selection] of Object.entries(SUITES)) {
  let server: PostgresServer;
  let seed = 0;
  sourceAcceptance({
    name: `postgres: ${name}`,
    start: async () => {
      server = await startPostgres();
      await server.query(TABLES);
    },
    stop: () => server.stop(),
    make: () => Promise.resolve(new PostgresSource(sourceConfig.parse({ url: server.url }), { ports: testPorts(++seed, { eager: true }), directory: '/', maxBufferedBytes: 1 << 24, note: () => undefined })),
    selection: () => selection,
    fingerprint: async () => JSON.stringify(await server.query('select count(*), max(oid) from pg_class union all select count(*), null from pg_replication_slots')),
  }, { describe, test, expect, beforeAll, afterAll });
}

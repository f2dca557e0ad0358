import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { job, type BrokenCase } from './cases.ts';
import type { World } from './world.ts';

async function ran(world: World, ...args: string[]): Promise<void> {
  const said = await world.etl('run', 'job.yaml', ...args);
  if (said.exit !== 0) throw new Error(`the run before did not end well: ${said.exit} ${said.err}`);
}
const failing = `create view bad as select id, name, 100 / (50 - id) as part from orders order by id`;
const incremental = '{ sync: incremental, cursor: id, key: [id] }';

/** Lets the role `guest` in, with the rights that are given. */
async function guest(world: World, rights: string): Promise<void> {
  await world.sql(`do $$ begin create role guest login password 'h1dden-p4ss'; exception when duplicate_object then null; end $$; ${rights}`);
  world.env['SRC'] = world.source.replace('postgres:h1dden', 'guest:h1dden').replace('//postgres:', '//guest:');
}

/** A folder of two megabytes as the target's. */
function smallDisk(world: World, options = 'size=2m'): void {
  mkdirSync(world.path('out'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', world.path('out')]);
  world.undo.push(() => void execFileSync('umount', [world.path('out')]));
}

/** The source, or the way to it, is not as the job needs it. */
export const brokenSources: readonly BrokenCase[] = [
  { name: 'wrong password', job: job('out'), before: (world) => { world.env['SRC'] = world.source.replace('h1dden-p4ss', 's3cr3t-wrong'); }, exit: 3, code: 'ETL-PG-002', at: 'shop: {', says: /password/ },
  { name: 'unknown host', job: job('out'), before: (world) => { world.env['SRC'] = 'postgres://u:s3cr3t@no-such-host.invalid/shop?sslmode=disable'; }, args: ['--progress', 'none'], exit: 3, code: 'ETL-PG-001', at: 'shop: {', says: /no-such-host/ },
  { name: 'nobody listens at the port', job: job('out'), before: (world) => { world.env['SRC'] = 'postgres://u:s3cr3t@127.0.0.1:1/shop'; }, exit: 3, code: 'ETL-PG-001', at: 'shop: {', says: /127\.0\.0\.1/ },
  { name: 'database missing', job: job('out'), before: (world) => { world.env['SRC'] = `${world.source}_gone`; }, exit: 3, code: 'ETL-PG-002', at: 'shop: {', says: /does not exist/ },
  { name: 'TLS asked for, and the server has none', job: job('out'), before: (world) => { world.env['SRC'] = `${world.source}?sslmode=require`; }, exit: 2, code: 'ETL-PG-003', says: /verify-full/ },
  { name: 'missing grant', job: job('out'), before: (world) => guest(world, 'grant usage on schema public to guest'), exit: 3, code: 'ETL-PG-004', at: 'public.orders', says: /grant select on .*orders/i },
  { name: 'table missing', job: job('out'), before: (world) => world.sql('drop table orders'), exit: 3, code: 'ETL-PLAN-001', at: 'public.orders', says: /check the grants/ },
  { name: 'query that fails', job: job('out', '{ query: "select * from nowhere" }'), exit: 3, code: 'ETL-PG-005', at: 'public.orders', says: /nowhere/ },
  { name: 'cursor column missing', job: job('lake', '{ sync: incremental, cursor: changed, key: [id] }'), exit: 3, code: 'ETL-PG-005', at: 'public.orders', says: /changed/ },
  { name: 'cursor of a wrong type', job: job('lake', '{ sync: incremental, cursor: blob, key: [id] }'), before: (world) => world.sql('alter table orders add blob jsonb'), exit: 2, code: 'ETL-PG-030', at: 'public.orders', says: /blob/ },
  { name: 'cursor with NULLs', job: job('lake', '{ sync: incremental, cursor: at, key: [id] }'), before: (world) => world.sql('update orders set at = null where id < 8'), exit: 1, code: 'ETL-PG-031', at: 'public.orders', says: /\b7\b/ },
  { name: 'source that fails at its last row, into files', job: job('out').replace('public.orders', 'public.bad'), before: async (world) => { await world.sql('create view bad as select id, name, 1 as part from orders'); await ran(world); await world.sql(`drop view bad; ${failing}`); }, exit: 1, code: 'ETL-PG-008', at: 'public.bad', says: /division by zero/ },
  { name: 'source that fails at its last row, into Postgres', job: job('wh').replace('public.orders', 'public.bad'), before: async (world) => { await world.sql('create view bad as select id, name, 1 as part from orders'); await ran(world); await world.sql(`drop view bad; ${failing}`); }, exit: 1, code: 'ETL-PG-008', at: 'public.bad', says: /division by zero/ },
  { name: 'source that fails at its last row, into DuckDB', job: job('lake').replace('public.orders', 'public.bad'), before: async (world) => { await world.sql('create view bad as select id, name, 1 as part from orders'); await ran(world); await world.sql(`drop view bad; ${failing}`); }, exit: 1, code: 'ETL-PG-008', at: 'public.bad', says: /division by zero/ },
  { name: 'another cluster behind the same job', job: job('lake', incremental), before: async (world) => { await ran(world); world.env['SRC'] = world.target; await world.sql('create table orders (id int primary key, name text, at timestamptz)', world.target); }, exit: 3, code: 'ETL-', says: /state adopt/ },
];

/** The destination is not as the job, or the state, needs it. */
export const brokenTargets: readonly BrokenCase[] = [
  { name: 'dropped table with its state kept, Postgres', job: job('wh', incremental), before: async (world) => { await ran(world); await world.sql('drop table orders', world.target); }, exit: 3, code: 'ETL-PG-111', says: /full-refresh|state adopt|state reset/ },
  { name: 'dropped table with its state kept, DuckDB', job: job('lake', incremental), before: async (world) => { await ran(world); await world.duck('drop table orders'); }, exit: 3, code: 'ETL-DUCK-013', says: /full-refresh|state adopt|state reset/ },
  { name: 'deleted folder with its state kept', job: job('out', '{ sync: incremental, cursor: id }'), before: async (world) => { await ran(world); rmSync(world.path('out/orders'), { recursive: true }); }, exit: 3, code: 'ETL-FILE-010', says: /full-refresh|state adopt|state reset/ },
  { name: 'table of another job', job: job('wh', incremental), before: async (world) => { await ran(world); world.write('job.yaml', job('wh', incremental).replace('name: shop', 'name: club')); }, exit: 3, code: 'ETL-PG-111', says: /shop/ },
  { name: 'folder of another job', job: job('out'), before: async (world) => { await ran(world); world.write('job.yaml', job('out').replace('name: shop', 'name: club')); }, exit: 3, code: 'ETL-FILE-011', says: /shop/ },
  { name: 'disk full', job: job('out', '{}', 'commit: { bytes: 1MiB }'), before: async (world) => { smallDisk(world); await ran(world); await world.sql(`insert into orders select i, (select string_agg(md5(i::text || j::text), '') from generate_series(1, 20) j) from generate_series(100, 20000) i`); }, exit: 3, code: 'ETL-FILE-001', says: /space/i },
  { name: 'folder that can not be written', job: job('out'), before: (world) => { smallDisk(world, 'size=2m,ro'); }, exit: 3, code: 'ETL-FILE-002', says: /read-only/ },
  { name: 'folder that is a file', job: job('out').replace('path: out', 'path: job.yaml'), exit: 2, code: 'ETL-FILE-002', says: /job\.yaml/ },
  { name: 'file that is no database', job: job('lake').replace('lake.duckdb', 'notes.db'), before: (world) => { world.write('notes.db', 'x'.repeat(20_000)); }, exit: 2, code: 'ETL-DUCK-003', says: /notes\.db/ },
  { name: 'folder of the database missing', job: job('lake').replace('lake.duckdb', 'no/such/lake.duckdb'), exit: 3, code: 'ETL-DUCK-002', says: /folder/ },
  { name: 'column too narrow', job: job('wh', '{ write: append, errors: { bad_rows: fail } }'), before: (world) => world.sql('create table orders (id int primary key, name varchar(3), at timestamptz)', world.target), exit: 1, code: 'ETL-SQL-001', at: 'public.orders', says: /name does not fit character varying\(3\)/ },
  { name: 'column too narrow, by merge', job: job('wh', '{ write: merge, errors: { bad_rows: fail } }'), before: (world) => world.sql("create table orders (id int primary key, name varchar(6), at timestamptz); insert into orders values (1, 'before')", world.target), exit: 1, code: 'ETL-SQL-001', at: 'public.orders', says: /name does not fit character varying\(6\).*"id":"10"/ },
  { name: 'number too large for its column', job: job('wh', '{ write: append, schema: { types: freeze }, columns: { id: { type: "decimal(9,0)" } } }'), before: (world) => world.sql('create table orders (id numeric(1,0), name text, at timestamptz)', world.target), exit: 1, code: 'ETL-PG-112', at: 'public.orders', says: /Column id .* numeric\(1,0\)/ },
  { name: 'NOT NULL at the target', job: job('wh', '{ write: append, errors: { bad_rows: fail } }'), before: async (world) => { await world.sql('update orders set name = null where id = 7'); await world.sql('create table orders (id int primary key, name text not null, at timestamptz)', world.target); }, exit: 1, code: 'ETL-', says: /name is NULL/ },
  { name: 'column that a frozen schema refuses after its first run', job: job('lake', '{ schema: freeze }'), before: async (world) => { await ran(world); await world.sql('alter table orders add extra text'); }, exit: 1, code: 'ETL-', says: /extra/ },
  { name: 'table that a frozen schema keeps out after its first run', job: job('wh', '{ schema: freeze }').replace('public.orders', '"public.*"'), before: async (world) => { await ran(world); await world.sql('create table more (id int primary key)'); }, exit: 1, code: 'ETL-PG-112', says: /more/ },
  { name: 'column that freeze refuses', job: job('wh', '{ sync: incremental, cursor: id, key: [id], schema: { columns: freeze } }'), before: async (world) => { await ran(world); await world.sql(`alter table orders add extra text; insert into orders values (51, 'new', '2026-02-01', 'x')`); }, exit: 1, code: 'ETL-', says: /extra/ },
  { name: 'too many bad rows', job: job('wh', '{ checks: ["range(id, 0, 5)"], errors: { max_bad: 3 } }'), exit: 1, code: 'ETL-RUN-011', says: /max_bad|quarantine/ },
  { name: 'a row that fails under bad_rows: fail', job: job('wh', '{ checks: ["range(id, 0, 5)"], errors: { bad_rows: fail } }'), exit: 1, code: 'ETL-NRM-012', says: /0 <= id <= 5/ },
  { name: 'key of the job changed', job: job('wh', '{ sync: incremental, cursor: id, key: [id] }'), before: async (world) => { await ran(world); world.write('job.yaml', job('wh', '{ sync: incremental, cursor: id, key: [name] }')); }, exit: 3, code: 'ETL-', says: /full-refresh/ },
];

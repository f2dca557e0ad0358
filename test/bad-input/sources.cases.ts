import type { World } from '../helpers/world.ts';
import { incremental, job, ran, type BrokenCase } from './cases.ts';

const good = 'create view bad as select id, name, 1 as part from orders';
const failing = 'drop view bad; create view bad as select id, name, 100 / (50 - id) as part from orders order by id';

/** Lets the role `guest` in, with the rights that are given. */
async function guest(world: World, rights: string): Promise<void> {
  await world.sql(`do $$ begin create role guest login password 'h1dden-p4ss'; exception when duplicate_object then null; end $$; ${rights}`);
  world.env['SRC'] = world.source.replace('//postgres:', '//guest:');
}

function failsAtItsLastRow(target: 'out' | 'wh' | 'lake'): BrokenCase {
  return {
    name: `source that fails at its last row, into ${target}`, past: false, job: job(target).replace('public.orders', 'public.bad'),
    before: async (world) => { await world.sql(good); await ran(world); await world.sql(failing); },
    exit: 1, code: 'ETL-PG-008', at: 'public.bad', says: 'public.bad: Postgres: division by zero (22012)', next: 'correct the value at the source',
  };
}

/** How often a server is tried that does not answer. */
const PATIENCE = 'retry: { attempts: 2, initial_delay: 100ms }';

/** The source, or the way to it, is not as the job needs it. */
export const brokenSources: readonly BrokenCase[] = [
  { name: 'password that is no part of a URL', job: job('out'), before: (world) => { world.env['SRC'] = world.source.replace('h1dden-p4ss', '100%h1dden-p4ss'); }, exit: 2, code: 'ETL-PG-009', at: 'shop: {', says: 'is not a URL', next: '`%25` for a %' },
  { name: 'wrong password', job: job('out'), before: (world) => { world.env['SRC'] = world.source.replace('h1dden-p4ss', 's3cr3t-wrong'); }, exit: 3, code: 'ETL-PG-002', at: 'shop: {', says: 'password authentication failed for user "postgres" (28P01)', next: 'Correct user, password or database' },
  { name: 'unknown host', job: job('out', '{}', PATIENCE), before: (world) => { world.env['SRC'] = 'postgres://u:s3cr3t@no-such-host.invalid/shop?sslmode=disable'; }, args: ['--progress', 'none'], exit: 3, code: 'ETL-PG-001', at: 'shop: {', says: 'no-such-host.invalid', next: 'Check host and port of the connection' },
  { name: 'nobody listens at the port', job: job('out', '{}', PATIENCE), before: (world) => { world.env['SRC'] = 'postgres://u:s3cr3t@127.0.0.1:1/shop'; }, exit: 3, code: 'ETL-PG-001', at: 'shop: {', says: 'connect ECONNREFUSED 127.0.0.1:1', next: 'Check host and port of the connection' },
  { name: 'database missing', job: job('out'), before: (world) => { world.env['SRC'] = `${world.source}_gone`; }, exit: 3, code: 'ETL-PG-002', at: 'shop: {', says: '_source_gone" does not exist (3D000)', next: 'Correct user, password or database' },
  { name: 'TLS asked for, and the server has none', job: job('out'), before: (world) => { world.env['SRC'] = `${world.source}?sslmode=require`; }, exit: 2, code: 'ETL-PG-003', at: 'shop: {', says: 'sslmode require does not verify the server', next: 'Use verify-full' },
  { name: 'missing grant', job: job('out'), before: (world) => guest(world, 'grant usage on schema public to guest'), exit: 3, code: 'ETL-PG-004', at: 'public.orders', says: 'permission denied for table orders (42501)', next: 'grant select on orders to the role of this connection' },
  { name: 'table missing', job: job('out'), before: (world) => world.sql('drop table orders'), exit: 3, code: 'ETL-PLAN-001', at: 'public.orders', says: 'The source has no stream public.orders', next: 'check the grants of this login with `etl check`' },
  { name: 'query that fails', job: job('out', '{ query: "select * from nowhere" }'), exit: 3, code: 'ETL-PG-005', at: 'public.orders', says: 'relation "nowhere" does not exist (42P01)', next: 'Correct the name in the job' },
  { name: 'cursor column missing', past: false, job: job('lake', '{ sync: incremental, cursor: changed, key: [id] }'), exit: 3, code: 'ETL-PG-005', at: 'public.orders', says: 'public.orders has no column changed', next: 'It has id, name, at.' },
  { name: 'cursor of a wrong type', past: false, job: job('lake', '{ sync: incremental, cursor: blob, key: [id] }'), before: (world) => world.sql('alter table orders add blob jsonb'), exit: 2, code: 'ETL-PG-030', at: 'public.orders', says: 'public.orders.blob is jsonb, which can not be a cursor', next: '`etl discover` lists those of each stream' },
  { name: 'cursor with NULLs', past: false, job: job('lake', '{ sync: incremental, cursor: at, key: [id] }'), before: (world) => world.sql('update orders set at = null where id < 8'), exit: 1, code: 'ETL-PG-031', at: 'public.orders', says: '7 rows have no at', next: 'Set cursor.nulls to reload or skip_reported' },
  { name: 'cursor that begins with no value of its type', past: false, job: job('lake', '{ sync: incremental, cursor: { column: at, start: never }, key: [id] }'), exit: 2, code: 'ETL-PG-038', at: 'public.orders', says: 'cursor.start is `never`, which is no timestamptz', next: 'Write it as a value of at' },
  { name: 'range that holds nothing', past: false, job: job('wh', incremental), before: (world) => ran(world), args: ['--range', '9..3'], exit: 2, code: 'ETL-PG-038', at: 'public.orders', says: '--range 9..3 holds nothing', next: 'FROM must be the smaller' },
  failsAtItsLastRow('out'), failsAtItsLastRow('wh'), failsAtItsLastRow('lake'),
  { name: 'too few rows', past: false, job: job('wh'), before: async (world) => { await ran(world); await world.sql('delete from orders where id > 3'); world.write('job.yaml', job('wh', '{ checks: ["row_count >= 50"] }')); }, exit: 1, code: 'ETL-RUN-012', at: 'public.orders', says: '3 rows were read, but row_count is to be at least 50', next: 'The table was left as it is' },
  { name: 'too many rows, into files', past: false, job: job('out'), before: async (world) => { await ran(world); world.write('job.yaml', job('out', '{ checks: ["row_count < 50"] }')); }, exit: 1, code: 'ETL-RUN-012', at: 'public.orders', says: '50 rows were read, but row_count is to be 0 to 49', next: 'The table was left as it is' },
  { name: 'another database behind the same job', planned: true, past: false, job: job('lake', incremental), before: async (world) => { await ran(world); world.env['SRC'] = world.target; await world.sql('create table orders (id int primary key, name text, at timestamptz)', world.target); }, exit: 3, code: 'ETL-DUCK-013', at: 'lake: {', says: 'has its positions from source postgres:', next: 'run `etl state adopt JOB --yes`' },
  { name: 'position of a future version', past: false, job: job('wh', incremental), before: async (world) => { await ran(world); await world.sql(`update _etl.streams set position = '{"v":9,"mode":"incremental","column":"id","type":"int4","upTo":"50"}'`, world.target); }, exit: 3, code: 'ETL-PG-037', at: 'public.orders', says: 'is not one that this version writes', next: 'Use the version of etl that wrote it' },
  { name: 'rule for a column that is not there', job: job('lake', '{ columns: { nmae: { hash: hmac-sha256, key: "0123456789abcdef0123456789abcdef" } } }'), exit: 2, code: 'ETL-PLAN-007', at: 'public.orders', says: 'there is a rule for the column nmae', next: 'Did you mean name?' },
  { name: 'cursor whose largest value is NaN', past: false, job: job('lake', '{ sync: incremental, cursor: price, key: [id] }'), before: (world) => world.sql("alter table orders add price numeric; update orders set price = case id when 3 then 'NaN'::numeric else id end"), exit: 1, code: 'ETL-PG-039', at: 'public.orders', says: 'price is NaN in some rows', next: "where price <> 'NaN'" },
  { name: 'rows that a policy hides', job: job('lake'), before: async (world) => { await guest(world, 'grant usage on schema public to guest; grant select on orders to guest'); await world.sql('alter table orders enable row level security; create policy half on orders using (id % 2 = 0)'); }, exit: 3, code: 'ETL-PG-004', at: 'public.orders', says: 'row-level security policy', next: 'set `row_security: apply`' },
];

/**
 * The first five minutes: a Postgres from npm with real data (films and flights of the vega-datasets package), and a real job
 * into a DuckDB file. The second time some new flights have come, and the job moves just those.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startPostgres, type PostgresServer } from './services/postgres.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Not in the checkout: as root the server runs as `nobody`, who may not get there. */
const folder = join(tmpdir(), `etl-quickstart-${process.getuid?.() ?? 0}`);
const NEW_FLIGHTS = 1_000;

interface Flight { readonly delay: number; readonly distance: number; readonly time: number }

function dataset<T>(name: string): T {
  const require = createRequire(import.meta.url);
  return JSON.parse(readFileSync(join(dirname(dirname(require.resolve('vega-datasets'))), 'data', name), 'utf8')) as T;
}

const FILMS = `create table public.films (
  id bigint generated always as identity primary key, title text, director text, genre text, released text,
  us_gross bigint, worldwide_gross bigint, budget bigint, imdb_rating numeric(3,1), imdb_votes integer, details jsonb not null);
insert into public.films (title, director, genre, released, us_gross, worldwide_gross, budget, imdb_rating, imdb_votes, details)
select film->>'Title', film->>'Director', film->>'Major Genre', film->>'Release Date', (film->>'US Gross')::bigint, (film->>'Worldwide Gross')::bigint,
  (film->>'Production Budget')::bigint, (film->>'IMDB Rating')::numeric, (film->>'IMDB Votes')::integer, film
from jsonb_array_elements($1::jsonb) film`;

const FLIGHTS = `create table public.flights (
  id bigint generated always as identity primary key, delay integer not null, distance integer not null, departure double precision not null,
  updated_at timestamptz not null default clock_timestamp());
create index on public.flights (updated_at)`;

async function addFlights(server: PostgresServer, flights: readonly Flight[]): Promise<void> {
  await server.query(`insert into public.flights (delay, distance, departure)
    select delay, distance, time from jsonb_to_recordset($1::jsonb) as f(delay integer, distance integer, time double precision)`, [JSON.stringify(flights)]);
}

/** What the data is now, in words. */
async function seed(server: PostgresServer): Promise<string> {
  const [there] = await server.query<{ flights: string | null }>(`select to_regclass('public.flights')::text as flights`);
  const flights = dataset<Flight[]>('flights-200k.json');
  if (there?.flights) {
    const [count] = await server.query<{ rows: number }>('select count(*)::int as rows from public.flights');
    const from = count?.rows ?? 0;
    await addFlights(server, flights.slice(from, from + NEW_FLIGHTS));
    return `${NEW_FLIGHTS.toLocaleString('en')} new flights have come.`;
  }
  for (const statement of FILMS.split(';\n')) await server.query(statement, statement.includes('$1') ? [JSON.stringify(dataset('movies.json'))] : []);
  for (const statement of FLIGHTS.split(';\n')) await server.query(statement);
  const first = flights.length - 50 * NEW_FLIGHTS;
  await addFlights(server, flights.slice(0, first));
  return `A Postgres is up, with films and ${first.toLocaleString('en')} flights in it.`;
}

mkdirSync(folder, { recursive: true });
const server = await startPostgres({ dataDirectory: join(folder, 'postgres') });
try {
  process.stderr.write(`${await seed(server)} All of this lies in ${folder}.\n\n`);
  const run = spawnSync(process.execPath, [join(root, 'bin', 'etl.js'), 'run', join(root, 'jobs', 'quickstart.yaml'), ...process.argv.slice(2)], {
    stdio: 'inherit', env: { ...process.env, QUICKSTART_PG_URL: server.url, QUICKSTART_FILE: join(folder, 'warehouse.duckdb') },
  });
  process.exitCode = run.status ?? 1;
} finally {
  await server.stop();
}

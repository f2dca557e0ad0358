import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { destination, destinationConfig } from '../../connectors/postgres/destination.ts';
import { quoteName } from '../../connectors/postgres/quoting.ts';
import type { Target } from '#sdk';
import type { TableRow } from '#testing';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { contextFor, failpointsOf, type PlaceKind } from './places.ts';

/** One server of our own, a database for each round. A child finds its URL in the round's folder. */
export function postgresKind(): PlaceKind {
  let server: PostgresServer | undefined;
  let rounds = 0;
  let seed = 0;
  const urlOf = async (at: string): Promise<string> => {
    const file = join(at, 'url.txt');
    if (existsSync(file)) return readFileSync(file, 'utf8');
    server ??= await startPostgres({ settings: { fsync: 'off', full_page_writes: 'off' } }); // clients are killed here, never the server
    const url = await server.createDatabase(`round_${++rounds}`);
    writeFileSync(file, url);
    return url;
  };
  return {
    name: 'postgres',
    make: async (at) => {
      const url = await urlOf(at);
      const name = new URL(url).pathname.slice(1);
      return {
        capabilities: destination.capabilities(destinationConfig.parse({ url })),
        ordered: true,
        open: () => destination.create(destinationConfig.parse({ url }), contextFor(at, ++seed)),
        failpoints: failpointsOf('postgres', 'sql'),
        readTables: (targets) => readTables(url, targets),
        deliverLate: () => undefined,
        remove: async () => {
          rmSync(at, { recursive: true, force: true });
          await server?.query(`drop database if exists ${name} with (force)`);
        },
      };
    },
    stop: async () => { await server?.stop(); },
  };
}

const LOCKED = '55P03';

async function readTables(url: string, targets: readonly Target[]): Promise<readonly (readonly TableRow[])[] | undefined> {
  const client = new pg.Client({ connectionString: url, lock_timeout: 2_000 });
  await client.connect();
  try {
    const tables: TableRow[][] = [];
    for (const target of targets) tables.push(await readTable(client, target));
    return tables;
  } catch (error) {
    if (error instanceof pg.DatabaseError && error.code === LOCKED) return undefined;
    throw error;
  } finally {
    await client.end();
  }
}

async function readTable(client: pg.Client, target: Target): Promise<TableRow[]> {
  const table = quoteName(target.schema ?? 'public', target.table);
  const columns = (await client.query<{ name: string; type: string }>('select attname as name, atttypid::regtype::text as type from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped', [table])).rows;
  if (columns.length === 0) return [];
  const texts = columns.map(({ name, type }) => `${canonical(quoteName(name), type)} as ${quoteName(name)}`);
  return (await client.query<Record<string, string | null>>(`select ${texts.join(', ')} from ${table} order by ctid`)).rows;
}

function canonical(name: string, type: string): string {
  if (type.startsWith('timestamp')) return `to_char(${name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
  return type === 'numeric' ? `trim_scale(${name})::text` : `${name}::text`;
}

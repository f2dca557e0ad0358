import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { testPorts } from '#testing';
import { destinationAcceptance } from '../../src/sdk/testing/acceptance/destination.ts';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { destination, destinationConfig } from './destination.ts';
import { quoteName } from './quoting.ts';

let server: PostgresServer;
let seed = 100;

const nameOf = (target: { readonly schema?: string; readonly table: string }): string => quoteName(target.schema ?? 'public', target.table);

destinationAcceptance({
  name: 'postgres',
  capabilities: destination.capabilities(destinationConfig.parse({})),
  ordered: true,
  start: async () => { server = await startPostgres(); },
  stop: () => server.stop(),
  make: () => destination.create(destinationConfig.parse({ url: server.url }), { ports: testPorts(++seed), directory: '/', maxBufferedBytes: 1e7, note: () => undefined }),
  readTable: async (target) => {
    const columns = await server.query<{ name: string; type: string }>(`select attname as name, atttypid::regtype::text as type from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`, [nameOf(target)]);
    if (columns.length === 0) return [];
    const canonical = (name: string, type: string): string => {
      if (type.startsWith('timestamp')) return `to_char(${name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
      return type === 'numeric' ? `trim_scale(${name})::text` : `${name}::text`;
    };
    const texts = columns.map(({ name, type }) => `${canonical(quoteName(name), type)} as ${quoteName(name)}`);
    return server.query(`select ${texts.join(', ')} from ${nameOf(target)} order by ctid`);
  },
  dropTarget: async (target) => void (await server.query(`drop table ${nameOf(target)}`)),
}, { describe, test, expect, beforeAll, afterAll });

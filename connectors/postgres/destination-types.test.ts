import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Destination, Load, Rejection, Target } from '#sdk';
import { batchOf, type Field, type LogicalType, type Schema, type Value } from '#batch';
import { testPorts } from '#testing';
import { startPostgres, type PostgresServer } from '../../test/services/postgres.ts';
import { destination, destinationConfig } from './destination.ts';

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); await server.query(`create type "Odd mood" as enum ('glad')`); });
afterAll(async () => { await server.stop(); });

interface Case { readonly name: string; readonly type: LogicalType; readonly values: readonly Value[]; readonly texts: readonly string[]; readonly origin?: string; readonly as?: string }
const list = (element: LogicalType): LogicalType => ({ kind: 'list', element });
const CASES: readonly Case[] = [
  { name: 'bool', type: { kind: 'bool' }, values: [true, false], texts: ['true', 'false'] },
  { name: 'int8', type: { kind: 'int8' }, values: [-128, 127], texts: ['-128', '127'], as: 'smallint' },
  { name: 'uint8', type: { kind: 'uint8' }, values: [0, 255], texts: ['0', '255'] },
  { name: 'int16', type: { kind: 'int16' }, values: [-32768, 32767], texts: ['-32768', '32767'] },
  { name: 'uint16', type: { kind: 'uint16' }, values: [0, 65535], texts: ['0', '65535'], as: 'integer' },
  { name: 'int32', type: { kind: 'int32' }, values: [-2147483648, 2147483647], texts: ['-2147483648', '2147483647'] },
  { name: 'uint32', type: { kind: 'uint32' }, values: [0, 4294967295], texts: ['0', '4294967295'], as: 'bigint' },
  { name: 'int64', type: { kind: 'int64' }, values: [-9223372036854775808n, 9223372036854775807n], texts: ['-9223372036854775808', '9223372036854775807'] },
  { name: 'uint64', type: { kind: 'uint64' }, values: [0n, 18446744073709551615n], texts: ['0', '18446744073709551615'], as: 'numeric(20,0)' },
  { name: 'float32', type: { kind: 'float32' }, values: [1.5, Infinity], texts: ['1.5', 'Infinity'] },
  { name: 'float64', type: { kind: 'float64' }, values: [0.1, NaN], texts: ['0.1', 'NaN'] },
  { name: 'dec18', type: { kind: 'decimal', precision: 18, scale: 2 }, values: ['-1234567890123456.78', '0.05'], texts: ['-1234567890123456.78', '0.05'], as: 'numeric(18,2)' },
  { name: 'dec17', type: { kind: 'decimal', precision: 18, scale: 18 }, values: ['0.000000000000000001', '-0.999999999999999999'], texts: ['0.000000000000000001', '-0.999999999999999999'] },
  { name: 'dec38', type: { kind: 'decimal', precision: 38, scale: 5 }, values: ['-999999999999999999999999999999999.99999', '10000.00000'], texts: ['-999999999999999999999999999999999.99999', '10000.00000'] },
  { name: 'dec0', type: { kind: 'decimal', precision: 38, scale: 0 }, values: ['99999999999999999999999999999999999999', '0'], texts: ['99999999999999999999999999999999999999', '0'] },
  { name: 'number', type: { kind: 'number' }, values: ['123456789012345678901234567890123456789012345.000012345', '-0.00001'], texts: ['123456789012345678901234567890123456789012345.000012345', '-0.00001'] },
  { name: 'number2', type: { kind: 'number' }, values: ['NaN', '-Infinity'], texts: ['NaN', '-Infinity'] },
  { name: 'number3', type: { kind: 'number' }, values: ['100000000', '0'], texts: ['100000000', '0'] },
  { name: 'text', type: { kind: 'text' }, values: ['', 'ä𝄞\n\t\\'], texts: ['', 'ä𝄞\n\t\\'] },
  { name: 'bytes', type: { kind: 'bytes' }, values: [new Uint8Array([0, 255]), new Uint8Array()], texts: ['\\x00ff', '\\x'] },
  { name: 'uuid', type: { kind: 'uuid' }, values: ['00112233-4455-6677-8899-aabbccddeeff', 'ffffffff-ffff-ffff-ffff-ffffffffffff'], texts: ['00112233-4455-6677-8899-aabbccddeeff', 'ffffffff-ffff-ffff-ffff-ffffffffffff'] },
  { name: 'date', type: { kind: 'date' }, values: ['2026-03-08', '0001-01-01'], texts: ['2026-03-08', '0001-01-01'] },
  { name: 'time', type: { kind: 'time' }, values: ['23:59:59.000001', '24:00:00.000000'], texts: ['23:59:59.000001', '24:00:00'] },
  { name: 'timestamp', type: { kind: 'timestamp' }, values: ['2026-03-08T02:30:00.000001', '1969-12-31T23:59:59.999999'], texts: ['2026-03-08 02:30:00.000001', '1969-12-31 23:59:59.999999'] },
  { name: 'timestamptz', type: { kind: 'timestamptz' }, values: ['2026-03-08T02:30:00.000001Z', '1900-01-01T00:00:00.000000Z'], texts: ['2026-03-08 02:30:00.000001+00', '1900-01-01 00:00:00+00'] },
  { name: 'interval', type: { kind: 'interval' }, values: ['P1M2DT3.5S', 'P-1M'], texts: ['1 mon 2 days 00:00:03.5', '-1 mons'] },
  { name: 'json', type: { kind: 'json' }, values: ['{"b": 1,  "a":2}', 'null'], texts: ['{"b": 1,  "a":2}', 'null'], as: 'json' },
  { name: 'jsonb', type: { kind: 'json' }, origin: 'pg:jsonb', values: ['{"b": 1,  "a":2}', '[]'], texts: ['{"a": 2, "b": 1}', '[]'], as: 'jsonb' },
  { name: 'ints', type: list({ kind: 'int32' }), values: [[1, null, 3], []], texts: ['{1,NULL,3}', '{}'], as: 'integer[]' },
  { name: 'texts', type: list({ kind: 'text' }), values: [['a', 'b c', ''], ['"']], texts: ['{a,"b c",""}', '{"\\""}'], as: 'text[]' },
  { name: 'decs', type: list({ kind: 'decimal', precision: 10, scale: 2 }), values: [['1.50'], [null]], texts: ['{1.50}', '{NULL}'], as: 'numeric(10,2)[]' },
  { name: 'nested', type: list(list({ kind: 'int32' })), values: [[[1], [2]], []], texts: ['[[1],[2]]', '[]'], as: 'json' },
  { name: 'struct', type: { kind: 'struct', fields: [{ name: 'a', type: { kind: 'int32' }, nullable: true }] }, values: [{ a: 1 }, { a: null }], texts: ['{"a":1}', '{"a":null}'], as: 'json' },
  { name: 'ranges', type: { kind: 'text', origin: 'pg:int4range' }, values: ['[1,5)', 'empty'], texts: ['[1,5)', 'empty'], as: 'int4range' },
  { name: 'inet', type: { kind: 'text', origin: 'pg:inet' }, values: ['10.0.0.1/8', '::1'], texts: ['10.0.0.1/8', '::1/128'], as: 'inet' },
  { name: 'exact', type: { kind: 'text', origin: 'pg:numeric' }, values: ['NaN', '1.50'], texts: ['NaN', '1.50'], as: 'numeric' },
  { name: 'zoned', type: { kind: 'text', origin: 'pg:time(3) with time zone' }, values: ['12:00:00.001+05:30', '24:00:00-15:59:59'], texts: ['12:00:00.001+05:30', '24:00:00-15:59:59'], as: 'time(3) with time zone' },
  { name: 'letter', type: { kind: 'text', origin: 'pg:"char"' }, values: ['a', ''], texts: ['a', ''], as: '"char"' },
  { name: 'moods', type: { kind: 'text', origin: 'pg:public."Odd mood"[]' }, values: ['{glad}', '{}'], texts: ['{glad}', '{}'], as: '"Odd mood"[]' },
  { name: 'unknown', type: { kind: 'text', origin: 'pg:public.nowhere' }, values: ['x', 'y'], texts: ['x', 'y'], as: 'text' },
  { name: 'arrays', type: { kind: 'text', origin: 'pg:integer[]' }, values: ['{{1,2},{3,4}}', '[0:1]={1,2}'], texts: ['{{1,2},{3,4}}', '[0:1]={1,2}'] },
];

async function connect(): Promise<Destination> {
  return destination.create(destinationConfig.parse({ url: server.url }), { ports: testPorts(1), directory: '/', maxBufferedBytes: 1e7, note: () => undefined });
}

function schemaOf(cases: readonly Case[]): Schema {
  const fields = cases.map((each): Field => ({ name: each.name, type: each.type, nullable: true, ...(each.origin !== undefined && { origin: each.origin }) }));
  return { key: ['n'], fields: [{ name: 'n', type: { kind: 'int32' }, nullable: false }, ...fields] };
}

function targetOf(table: string, more: Partial<Target>): Target {
  return { stream: table, table, write: 'replace', key: ['n'], deletes: 'hard', unavailable: 'error', addedColumns: [], evolve: { tables: true, columns: true, types: true }, shared: false, options: {}, ...more };
}

async function load(cases: readonly Case[], table: string, more: Partial<Target>, staged: boolean): Promise<readonly Rejection[]> {
  const schema = schemaOf(cases);
  const target = targetOf(table, more);
  const it: Load = { id: `load ${table}`, kind: 'parts', streams: [table], splits: [{ id: '0', streams: [table], detail: null, live: false }], staged, rebuild: false, positions: {}, startedAt: '2026-01-01T00:00:00.000000Z', fingerprint: 'f', targets: [target], detail: null };
  const rows = [0, 1, 2].map((n) => ({ values: { n, ...Object.fromEntries(cases.map((each) => [each.name, each.values[n] ?? null])) } }));
  await using to = await connect();
  await using run = await to.claim(table, { job: table, runId: 'r', sourceIdentity: 's', host: 'h', pid: 1 });
  const begun = await run.begin(it, { [table]: undefined });
  await using session = await run.open(begun, it.splits[0] ?? { id: '0', streams: [], detail: null, live: false }, new AbortController().signal);
  await session.accept({ type: 'schema', target, schema });
  await session.accept({ type: 'batch', target, batch: batchOf(table, schema, rows) });
  const rejections = await session.flush();
  await session.commit({ type: 'checkpoint', position: {}, last: true }, rejections);
  await run.publish(begun, [table]);
  return rejections;
}

it.each([['written straight into the table', 'replace', true], ['through a stage', 'merge', false]] as const)('every type arrives exact: %s', async (_, write, staged) => {
  const cases = staged ? CASES.filter((each) => each.type.kind !== 'text' || each.type.origin === undefined) : CASES;
  const table = `types_${write}`;
  await load(cases, table, { write }, staged);
  const columns = await server.query<{ name: string; type: string }>(`select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = $1::regclass and attnum > 0`, [table]);
  const rows = await server.query(`select ${cases.map((each) => `"${each.name}"::text`).join(', ')} from ${table} order by n`);
  for (const each of cases) {
    expect(rows.map((row) => row[each.name] as string | null), each.name).toEqual([...each.texts, null]);
    if (each.as !== undefined) expect(columns.find((column) => column.name === each.name)?.type, each.name).toBe(each.as);
  }
  await using to = await connect();
  const again = await to.planSchema(table, targetOf(table, { write }), schemaOf(cases), false);
  expect([again.ddl, again.conflicts], 'the next run finds the table as it left it').toEqual([[], []]);
});

it('a load with the source\'s own types takes the way over a stage, and its table is replaced too', async () => {
  await load(CASES, 'types_mixed', { write: 'replace' }, true);
  const [row] = await server.query('select ranges::text, arrays::text, dec38::text from types_mixed where n = 0');
  expect(row).toEqual({ ranges: '[1,5)', arrays: '{{1,2},{3,4}}', dec38: '-999999999999999999999999999999999.99999' });
});

it.each([['straight into the table', 'replace', true], ['through a stage', 'merge', false]] as const)('rule 31: a day that Postgres does not hold is rejected by name, %s, and the rows beside it arrive', async (_, write, staged) => {
  const table = `days_${write}`;
  const rejected = await load([
    { name: 'd', type: { kind: 'date' }, values: ['-4713-11-24', '-4713-11-23', 'infinity'], texts: [] },
    { name: 'at', type: { kind: 'timestamptz' }, values: ['2026-01-01T00:00:00.000000Z', '-9999-01-01T00:00:00.000000Z', '-infinity'], texts: [] },
  ], table, { write }, staged);
  expect(rejected.map(({ code, column, key, row }) => [code, column, key, row['at']])).toEqual([['ETL-SQL-001', 'd', { n: '1' }, '-9999-01-01T00:00:00.000000Z']]);
  expect(await server.query(`select n, d::text, at::text from ${table} order by n`)).toEqual([{ n: 0, d: '4714-11-24 BC', at: '2026-01-01 00:00:00+00' }, { n: 2, d: 'infinity', at: '-infinity' }]);
});

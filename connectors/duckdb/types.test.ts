import { batchOf, memoryInUse, UNAVAILABLE_VALUE, type ChangeRow, type Field, type LogicalType, type Value } from '#batch';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { DuckdbFile, type DuckdbSession } from './connection.ts';
import { scratch, type Scratch } from './helper.ts';
import { canonicalType, duckdbType, stageTypeOf, widensType } from './types.ts';

let place: Scratch;
let file: DuckdbFile;
let session: DuckdbSession;
beforeEach(async () => {
  place = scratch();
  file = new DuckdbFile({ path: place.path, settings: {} });
  session = await file.connect();
});
afterEach(async () => {
  await file[Symbol.asyncDispose]();
  place.remove();
});

/** Writes the values as one column and reads them back as DuckDB's own texts. */
async function roundTrip(type: LogicalType, values: readonly Value[], read = 'v::varchar'): Promise<unknown[]> {
  const fields: Field[] = [{ name: 'v', type, nullable: true }];
  const batch = batchOf('s', { fields, key: [] }, values.map((value): ChangeRow => ({ values: { v: value } })));
  await session.query('drop table if exists t');
  await session.query(`create table t (v ${duckdbType(type)})`);
  await session.begin();
  await session.writer.write({ table: { schema: 'main', table: 't' }, columns: [{ name: 'v', type: stageTypeOf(type), from: { kind: 'field', index: 0, type } }] }, batch);
  batch.release();
  await session.writer.finish();
  await session.commit();
  return (await session.query(`select ${read} as v from t order by rowid`)).map((row) => row['v']);
}

const SAMPLES: readonly { type: LogicalType; values: readonly Value[]; want: readonly (string | null)[]; read?: string }[] = [
  { type: { kind: 'bool' }, values: [true, null, false], want: ['true', null, 'false'] },
  { type: { kind: 'int8' }, values: [-128, 127, null], want: ['-128', '127', null] },
  { type: { kind: 'int16' }, values: [-32768, 32767], want: ['-32768', '32767'] },
  { type: { kind: 'int32' }, values: [-2147483648, 2147483647], want: ['-2147483648', '2147483647'] },
  { type: { kind: 'int64' }, values: [-(2n ** 63n), 2n ** 63n - 1n, null], want: ['-9223372036854775808', '9223372036854775807', null] },
  { type: { kind: 'uint8' }, values: [255], want: ['255'] },
  { type: { kind: 'uint16' }, values: [65535], want: ['65535'] },
  { type: { kind: 'uint32' }, values: [4294967295], want: ['4294967295'] },
  { type: { kind: 'uint64' }, values: [2n ** 64n - 1n], want: ['18446744073709551615'] },
  { type: { kind: 'float32' }, values: [1.5, Number.NaN, Infinity, null], want: ['1.5', 'nan', 'inf', null] },
  { type: { kind: 'float64' }, values: [0.1, -Infinity, 5e-324], want: ['0.1', '-inf', '5e-324'] },
  { type: { kind: 'decimal', precision: 4, scale: 2 }, values: ['-99.99', '99.99', null], want: ['-99.99', '99.99', null] },
  { type: { kind: 'decimal', precision: 9, scale: 0 }, values: ['-999999999', '1'], want: ['-999999999', '1'] },
  { type: { kind: 'decimal', precision: 18, scale: 4 }, values: ['99999999999999.9999', '-0.0001'], want: ['99999999999999.9999', '-0.0001'] },
  { type: { kind: 'decimal', precision: 38, scale: 10 }, values: ['9999999999999999999999999999.9999999999', '-9999999999999999999999999999.9999999999', null], want: ['9999999999999999999999999999.9999999999', '-9999999999999999999999999999.9999999999', null] },
  { type: { kind: 'number' }, values: ['NaN', '1e400', '-0.5'], want: ['NaN', `1${'0'.repeat(400)}`, '-0.5'] },
  { type: { kind: 'text' }, values: ['', 'exactly12byt', 'thirteen byte', 'é🎉 grün', null, 'a\u0000b', 'x'.repeat(100_000)], want: ['', 'exactly12byt', 'thirteen byte', 'é🎉 grün', null, 'a\u0000b', 'x'.repeat(100_000)], read: 'v' },
  { type: { kind: 'bytes' }, values: [new Uint8Array([0, 255, 128]), null, new Uint8Array(20).fill(0xfe)], want: ['00FF80', null, 'FE'.repeat(20)], read: 'hex(v)' },
  { type: { kind: 'uuid' }, values: ['00112233-4455-6677-8899-aabbccddeeff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', null], want: ['00112233-4455-6677-8899-aabbccddeeff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', null] },
  { type: { kind: 'date' }, values: ['2026-03-08', 'infinity', '-infinity', null, '0000-01-01', '+10000-12-31'], want: ['2026-03-08', 'infinity', '-infinity', null, '0001-01-01 (BC)', '10000-12-31'] },
  { type: { kind: 'time' }, values: ['23:59:59.000001', '24:00:00', '00:00:00'], want: ['23:59:59.000001', '24:00:00', '00:00:00'] },
  { type: { kind: 'timestamp' }, values: ['2026-03-08T02:30:00.000001', 'infinity', '-infinity', null], want: ['2026-03-08 02:30:00.000001', 'infinity', '-infinity', null] },
  { type: { kind: 'timestamptz' }, values: ['2026-03-08T02:30:00.000001Z', 'infinity', '-infinity'], want: ['2026-03-08 02:30:00.000001+00', 'infinity', '-infinity'] },
  { type: { kind: 'interval' }, values: ['P1Y2M3DT4H5M6.5S', 'P-1M', null], want: ['1 year 2 months 3 days 04:05:06.5', '-1 month', null] },
  { type: { kind: 'json' }, values: ['{"a":  1, "a": 2}', 'null', '[]', null], want: ['{"a":  1, "a": 2}', 'null', '[]', null] },
  { type: { kind: 'text', origin: 'pg:int4range' }, values: ['[1,5)'], want: ['[1,5)'] },
  { type: { kind: 'list', element: { kind: 'text' } }, values: [['a', null, 'a text of more than twelve bytes'], [], null, ['b']], want: ['[a, NULL, a text of more than twelve bytes]', '[]', null, '[b]'] },
  { type: { kind: 'list', element: { kind: 'list', element: { kind: 'int32' } } }, values: [[[1, 2], [], [3]], null], want: ['[[1, 2], [], [3]]', null] },
  { type: { kind: 'struct', fields: [{ name: 'a', type: { kind: 'int64' }, nullable: true }, { name: 'b c', type: { kind: 'json' }, nullable: true }] }, values: [{ a: 1n, 'b c': '{"x":1}' }, null, { a: null, 'b c': null }], want: ['{"a":1,"b c":{"x":1}}', null, '{"a":null,"b c":null}'], read: 'case when v is not null then to_json(v)::varchar end' },
];

for (const { type, values, want, read } of SAMPLES) {
  test(`values of ${duckdbType(type)} arrive exactly`, async () => {
    const before = memoryInUse();
    expect(await roundTrip(type, values, read)).toEqual(want);
    await session.close();
    expect(memoryInUse()).toBeLessThanOrEqual(before);
  });
}

test('columns longer than a chunk, with nulls and nested elements past 2048, arrive exactly', async () => {
  const lists = Array.from({ length: 5000 }, (_, i) => (i % 7 === 0 ? null : Array.from({ length: i % 9 }, (_, j) => ((i + j) % 5 === 0 ? null : `element number ${i}.${j}`))));
  const have = await roundTrip({ kind: 'list', element: { kind: 'text' } }, lists, 'to_json(v)::varchar');
  expect(have).toEqual(lists.map((list) => (list === null ? null : JSON.stringify(list))));
  const texts = Array.from({ length: 10_000 }, (_, i) => (i % 3 === 0 ? null : `${'é'.repeat(i % 40)}${i}`));
  expect(await roundTrip({ kind: 'text' }, texts)).toEqual(texts);
});

test('a value out of range is refused by name', async () => {
  await expect(roundTrip({ kind: 'timestamp' }, ['-290308-12-21T23:00:00'])).rejects.toMatchObject({ kind: 'data', code: 'ETL-DUCK-010' });
});

test('stages carry ops, old keys, ordinals and the mask of unavailable values', async () => {
  const fields: Field[] = [{ name: 'id', type: { kind: 'int32' }, nullable: false }, { name: 'v', type: { kind: 'text' }, nullable: true }];
  const batch = batchOf('s', { fields, key: ['id'] }, [
    { values: { id: 1, v: 'a' }, op: 'insert' },
    { values: { id: 2, v: UNAVAILABLE_VALUE }, op: 'update', oldKey: { id: 1 } },
    { values: { id: 3, v: null }, op: 'delete' },
  ]);
  await session.query('create temporary table "_etl_c_1" (id integer, v varchar, old integer, o bigint, op smallint, mask varchar)');
  await session.writer.write({
    table: { schema: undefined, table: '_etl_c_1' },
    columns: [
      { name: 'id', type: 'INTEGER', from: { kind: 'field', index: 0, type: { kind: 'int32' } } }, { name: 'v', type: 'VARCHAR', from: { kind: 'field', index: 1, type: { kind: 'text' } } },
      { name: 'old', type: 'INTEGER', from: { kind: 'oldKey', index: 0, type: { kind: 'int32' } } }, { name: 'o', type: 'BIGINT', from: { kind: 'ordinal', base: 100n } },
      { name: 'op', type: 'SMALLINT', from: { kind: 'op' } }, { name: 'mask', type: 'VARCHAR', from: { kind: 'unavailable' } },
    ],
  }, batch);
  batch.release();
  expect(await session.query('select * from "_etl_c_1"')).toEqual([
    { id: 1, v: 'a', old: null, o: 100n, op: 1, mask: null }, { id: 2, v: null, old: 1, o: 101n, op: 2, mask: '01' }, { id: 3, v: null, old: null, o: 102n, op: 3, mask: null },
  ]);
});

test('types widen only where every value stays', () => {
  expect(widensType('INTEGER', 'BIGINT')).toBe(true);
  expect(widensType('BIGINT', 'INTEGER')).toBe(false);
  expect(widensType('UINTEGER', 'INTEGER')).toBe(false);
  expect(widensType('UINTEGER', 'BIGINT')).toBe(true);
  expect(widensType('BIGINT', 'DECIMAL(18,0)')).toBe(false);
  expect(widensType('DECIMAL(10,2)', 'DECIMAL(12,2)')).toBe(true);
  expect(widensType('DECIMAL(10,2)', 'DECIMAL(10,4)')).toBe(false);
  expect(canonicalType('numeric(10, 2)')).toBe('DECIMAL(10,2)');
  expect(canonicalType('int4[]')).toBe('INTEGER[]');
});

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DuckDBBlobValue, DuckDBDateValue, DuckDBDecimalValue, DuckDBInstance, DuckDBListValue, DuckDBStructValue, DuckDBTimeValue, DuckDBTimestampTZValue,
  DuckDBTimestampValue, DuckDBUUIDValue,
} from '@duckdb/node-api';
import {
  batchOf, bigInstantText, dateText, decimalText, float32Text, float64Text, memoryInUse, timeText, type Field, type LogicalType, type Schema, type Value,
} from '#batch';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_FORMAT_OPTIONS, parquet, type FormatOptions } from '../format.ts';

const connection = await (await DuckDBInstance.create(':memory:')).connect();
const folder = mkdtempSync(join(tmpdir(), 'parquet-random-'));

type Column = { readonly type: LogicalType; readonly values: fc.Arbitrary<Value> };
const integers = (['int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32'] as const).map((kind): Column => {
  const bits = Number(kind.replace(/\D+/, ''));
  const [min, max] = kind.startsWith('u') ? [0, 2 ** bits - 1] : [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1];
  return { type: { kind }, values: fc.oneof(fc.integer({ min, max }), fc.integer({ min: 0, max: 3 })) };
});
const decimal = (precision: number, scale: number): Column => {
  const most = 10n ** BigInt(precision) - 1n;
  return { type: { kind: 'decimal', precision, scale }, values: fc.bigInt(-most, most).map((unscaled) => decimalText(unscaled, scale)) };
};
const words = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 12 }), fc.constantFrom('', 'a', 'b', 'żółw'), fc.string({ unit: 'binary', minLength: 60, maxLength: 90 }),
  fc.nat(3).map((i) => `${'𐀀é\uffff'[i] ?? 'x'}`.repeat(70))).map((text) => Buffer.from(text).toString().replaceAll('\0', ''));
const micros = fc.bigInt(-(2n ** 55n), 2n ** 55n);
const scalars: readonly Column[] = [
  ...integers, decimal(4, 2), decimal(9, 0), decimal(10, 5), decimal(18, 18), decimal(19, 0), decimal(38, 9),
  { type: { kind: 'bool' }, values: fc.boolean() },
  { type: { kind: 'int64' }, values: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }, { type: { kind: 'uint64' }, values: fc.bigInt(0n, 2n ** 64n - 1n) },
  { type: { kind: 'float32' }, values: fc.float() }, { type: { kind: 'float64' }, values: fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN)) },
  { type: { kind: 'text' }, values: words }, { type: { kind: 'bytes' }, values: fc.uint8Array({ maxLength: 100 }) },
  { type: { kind: 'number' }, values: fc.constantFrom('1', '-2.5', 'NaN', '123456789012345678901234567890.5') },
  { type: { kind: 'json' }, values: fc.json() }, { type: { kind: 'uuid' }, values: fc.uuid() },
  { type: { kind: 'date' }, values: fc.integer({ min: -1_000_000, max: 1_000_000 }).map(dateText) },
  { type: { kind: 'time' }, values: fc.integer({ min: 0, max: 86_399_999 }).map((ms) => timeText(ms * 1000 + 7)) },
  { type: { kind: 'timestamp' }, values: micros.map(bigInstantText) }, { type: { kind: 'timestamptz' }, values: micros.map((at) => `${bigInstantText(at)}Z`) },
];
const column: fc.Arbitrary<Column> = fc.letrec<{ any: Column }>((tie) => ({
  any: fc.oneof({ depthSize: 'small', withCrossShrink: true }, { weight: 8, arbitrary: fc.constantFrom(...scalars) },
    { weight: 2, arbitrary: tie('any').map((element): Column => ({ type: { kind: 'list', element: element.type }, values: fc.array(maybe(element.values), { maxLength: 4 }) })) },
    { weight: 1, arbitrary: fc.array(tie('any'), { minLength: 1, maxLength: 3 }).map((children): Column => ({
      type: { kind: 'struct', fields: children.map((child, i) => ({ name: `f${i}`, type: child.type, nullable: true })) },
      values: fc.record(Object.fromEntries(children.map((child, i) => [`f${i}`, maybe(child.values)]))),
    })) }),
})).any;
function maybe(values: fc.Arbitrary<Value>): fc.Arbitrary<Value> {
  return fc.oneof({ weight: 1, arbitrary: fc.constant(null) }, { weight: 3, arbitrary: values });
}

interface Case {
  readonly fields: Field[];
  readonly rows: Record<string, Value>[];
  readonly cut: number;
  readonly compression: FormatOptions['compression'];
  readonly rowGroupBytes: number;
}
const cases: fc.Arbitrary<Case> = fc.array(fc.tuple(column, fc.boolean()), { minLength: 1, maxLength: 6 }).chain((columns) => fc.record({
  fields: fc.constant(columns.map(([{ type }, nullable], i): Field => ({ name: `c${i}`, type, nullable }))),
  rows: fc.array(fc.record(Object.fromEntries(columns.map(([{ values }, nullable], i) => [`c${i}`, nullable ? maybe(values) : values]))), { maxLength: 60 })
    // many rows of few: pages, dictionaries and runs
    .chain((few) => fc.constantFrom(1, 1, 400).map((times) => Array.from({ length: times }, () => few).flat())),
  cut: fc.integer({ min: 1, max: 3000 }),
  compression: fc.constantFrom('none' as const, 'snappy' as const, 'zstd' as const),
  rowGroupBytes: fc.constantFrom(1, 20_000, 1 << 25),
}));

/** A value as it was given, whatever its form in JavaScript. */
function given(type: LogicalType, value: Value): unknown {
  if (value === null) return null;
  if (type.kind === 'list' && Array.isArray(value)) return value.map((element: Value) => given(type.element, element));
  if (type.kind === 'struct') return Object.fromEntries(type.fields.map((field) => [field.name, given(field.type, (value as Record<string, Value>)[field.name] ?? null)]));
  if (type.kind === 'float64') return float64Text(value as number);
  if (type.kind === 'float32') return float32Text(value as number);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return String(value as string | number | bigint | boolean);
}
function read(type: LogicalType, value: unknown): unknown {
  if (value === null) return null;
  if (type.kind === 'list' && value instanceof DuckDBListValue) return value.items.map((item) => read(type.element, item));
  if (type.kind === 'struct' && value instanceof DuckDBStructValue) return Object.fromEntries(type.fields.map((field) => [field.name, read(field.type, value.entries[field.name])]));
  if (type.kind === 'float64') return float64Text(value as number);
  if (type.kind === 'float32') return float32Text(value as number);
  return readScalar(value);
}
function readScalar(value: unknown): string {
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('hex');
  if (value instanceof DuckDBDecimalValue) return decimalText(value.value, value.scale);
  if (value instanceof DuckDBDateValue) return dateText(value.days);
  if (value instanceof DuckDBTimeValue) return timeText(Number(value.micros));
  if (value instanceof DuckDBTimestampTZValue) return `${bigInstantText(value.micros)}Z`;
  if (value instanceof DuckDBTimestampValue) return bigInstantText(value.micros);
  if (value instanceof DuckDBUUIDValue) return value.toString();
  return String(value as string | number | bigint | boolean);
}

test('DuckDB reads random schemas and batches as they were', async () => {
  let files = 0;
  await fc.assert(fc.asyncProperty(cases, async ({ fields, rows, cut, compression, rowGroupBytes }) => {
    const schema: Schema = { fields, key: [] };
    const pieces: Buffer[] = [];
    const before = memoryInUse();
    const writer = parquet.open(schema, { ...DEFAULT_FORMAT_OPTIONS, compression, rowGroupBytes }, { write: async (bytes) => void pieces.push(Buffer.from(bytes)) });
    for (let i = 0; i < rows.length; i += cut) await writer.accept(batchOf('s', schema, rows.slice(i, i + cut).map((values) => ({ values }))));
    await writer.finish();
    expect(memoryInUse()).toBe(before);
    const path = join(folder, `${++files}.parquet`);
    writeFileSync(path, Buffer.concat(pieces));
    const result = await connection.runAndReadAll(`select * from '${path}'`);
    const got = result.getRows().map((row) => fields.map((field, i) => read(field.type, row[i])));
    expect(got).toEqual(rows.map((row) => fields.map((field) => given(field.type, row[field.name] ?? null))));
    for (const field of fields) {
      if (field.type.kind !== 'list' && field.type.kind !== 'struct' && rows.length > 0) {
        // what the statistics skip must be nothing: the same predicates on the file and on a table without them
        await connection.run(`create or replace table t as select "${field.name}" c from '${path}'`);
        await connection.run('set variable v = (select c from t where c is not null limit 1)');
        for (const test of ['=', '<', '<=', '>', '>=']) {
          const counts = await connection.runAndReadAll(`select (select count(*) from '${path}' where "${field.name}" ${test} getvariable('v')), (select count(*) from t where c ${test} getvariable('v'))`);
          expect([test, counts.getRows()[0]?.[0]]).toEqual([test, counts.getRows()[0]?.[1]]);
        }
      }
      const [nulls] = (await connection.runAndReadAll(`select count(*) from '${path}' where "${field.name}" is null`)).getRows();
      expect(Number(nulls?.[0])).toBe(rows.filter((row) => row[field.name] === null).length);
    }
  }), { numRuns: 150 });
}, 120_000);

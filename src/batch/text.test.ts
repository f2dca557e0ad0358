import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  Arena, addChecksums, batchOf, canonicalNumber, canonicalText, checksum, concat, dateText, float32Text, gather, parseDate, parseInterval, parseInstant,
  toTextVector, UNAVAILABLE_VALUE, valueAt, valueOfText, vectorOf, type LogicalType, type Value,
} from '#batch';

const big = (bits: number, signed: boolean) => fc.bigInt(signed ? { min: -(2n ** BigInt(bits - 1)), max: 2n ** BigInt(bits - 1) - 1n } : { min: 0n, max: 2n ** BigInt(bits) - 1n });
const small = (bits: number, signed: boolean) => big(bits, signed).map(Number);
const values: readonly (readonly [LogicalType, fc.Arbitrary<Value>])[] = [
  [{ kind: 'bool' }, fc.boolean()],
  [{ kind: 'int8' }, small(8, true)], [{ kind: 'uint8' }, small(8, false)], [{ kind: 'int16' }, small(16, true)], [{ kind: 'uint16' }, small(16, false)],
  [{ kind: 'int32' }, small(32, true)], [{ kind: 'uint32' }, small(32, false)], [{ kind: 'int64' }, big(64, true)], [{ kind: 'uint64' }, big(64, false)],
  [{ kind: 'float64' }, fc.double().map((value) => value + 0)],
  [{ kind: 'float32' }, fc.float().map((value) => Number(float32Text(value + 0)))],
  [{ kind: 'text' }, fc.string({ unit: 'grapheme' })], [{ kind: 'json' }, fc.json()],
  [{ kind: 'bytes' }, fc.uint8Array()],
  [{ kind: 'uuid' }, fc.uuid()],
];

const given = (value: fc.Arbitrary<Value>) => fc.array(fc.oneof({ weight: 4, arbitrary: value }, fc.constant(null), fc.constant(UNAVAILABLE_VALUE)), { maxLength: 30 });

for (const [type, value] of values) {
  test(`${type.kind}: values come back, and their canonical texts stand for them`, () => {
    fc.assert(fc.property(given(value), (list) => {
      const arena = new Arena();
      const vector = vectorOf(type, list, arena);
      const texts = toTextVector(vector, arena);
      list.forEach((each, i) => {
        expect(valueAt(vector, i)).toEqual(each);
        const text = canonicalText(vector, i);
        expect(valueAt(texts, i)).toEqual(text ?? each);
        if (text !== null) expect(valueOfText(type, text)).toEqual(each);
      });
      arena.release();
    }));
  });
}

/** Types whose JavaScript form is their text: from integers to text, and the same integers back. */
const raw: readonly (readonly [LogicalType, number])[] = [
  [{ kind: 'date' }, 4], [{ kind: 'timestamp' }, 8], [{ kind: 'timestamptz' }, 8], [{ kind: 'interval' }, 16],
  [{ kind: 'decimal', precision: 18, scale: 6 }, 8],
];
for (const [type, width] of raw) {
  test(`${type.kind}: any bytes give a text that reads back as the same bytes`, () => {
    const bytes = fc.oneof(fc.uint8Array({ minLength: width, maxLength: width }), fc.bigInt({ min: -(2n ** 58n), max: 2n ** 58n }).map((micros) => {
      const buffer = Buffer.alloc(width);
      if (width === 4) buffer.writeInt32LE(Number(BigInt.asIntN(20, micros)));
      else buffer.writeBigInt64LE(micros);
      return Uint8Array.from(buffer);
    }));
    fc.assert(fc.property(bytes, (data) => {
      if (type.kind === 'decimal') fc.pre(BigInt.asIntN(64, Buffer.from(data).readBigInt64LE()) ** 2n < 10n ** 36n);
      const arena = new Arena();
      const vector = { type, length: 1, validity: undefined, data, offsets: undefined, children: [] };
      const text = canonicalText(vector, 0);
      expect([...vectorOf(type, [text], arena).data]).toEqual([...data]);
      arena.release();
    }), { numRuns: 500 });
  });
}

test.each([
  [{ kind: 'date' }, '0000-12-31'], [{ kind: 'date' }, '-0043-03-15'], [{ kind: 'date' }, '+10000-01-01'], [{ kind: 'date' }, 'infinity'], [{ kind: 'date' }, '-infinity'],
  [{ kind: 'time' }, '24:00:00.000000'], [{ kind: 'time' }, '23:59:59.000001'], [{ kind: 'timestamp' }, '-infinity'], [{ kind: 'timestamptz' }, 'infinity'],
  [{ kind: 'timestamptz' }, '2026-03-08T02:30:00.000001Z'], [{ kind: 'timestamp' }, '+294246-12-31T23:59:59.999999'], [{ kind: 'timestamp' }, '-4712-01-01T00:00:00.000000'],
  [{ kind: 'interval' }, 'P1M2DT3.5S'], [{ kind: 'interval' }, 'PT0S'], [{ kind: 'interval' }, 'infinity'], [{ kind: 'interval' }, '-infinity'], [{ kind: 'interval' }, 'P-1Y-2M3DT-4H-5M-6.000007S'],
  [{ kind: 'decimal', precision: 38, scale: 10 }, '-0.0000000001'], [{ kind: 'decimal', precision: 38, scale: 0 }, '-99999999999999999999999999999999999999'],
  [{ kind: 'number' }, '-Infinity'], [{ kind: 'number' }, '1000000000000000000000000000000000000000000000.5'],
] satisfies [LogicalType, string][])('%o holds %s as it is', (type, text) => {
  const arena = new Arena();
  const vector = vectorOf(type, [text], arena);
  expect(canonicalText(vector, 0)).toBe(text);
  expect(canonicalText(toTextVector(vector, arena), 0)).toBe(text);
  arena.release();
});

test('the last day of a calendar and what is no day', () => {
  expect(dateText(parseDate('2000-02-29') ?? 0)).toBe('2000-02-29');
  for (const text of ['1900-02-29', '2026-13-01', '2026-00-10', '2026-04-31', '26-01-01']) expect(parseDate(text)).toBeUndefined();
  expect(parseInterval('P')).toBeUndefined();
  expect(parseInstant('2026-01-01T00:00:00', true)).toBeUndefined();
  expect(parseInstant('2026-01-01T02:00:00+02:00', true)).toBe(parseInstant('2026-01-01T00:00:00Z', true));
});

test('numbers have one text each', () => {
  for (const [text, canonical] of [['-0.00', '0'], ['1e3', '1000'], ['12.50e-3', '0.0125'], ['007', '7'], ['+.5', '0.5'], ['1.', '1'], ['', undefined], ['.', undefined], ['1x', undefined]] as const) {
    expect(canonicalNumber(text)).toBe(canonical);
  }
  expect(float32Text(Math.fround(0.1))).toBe('0.1');
  expect(float32Text(Math.fround(1e-45))).toBe('1e-45');
  expect(float32Text(Math.fround(16_777_216.5))).toBe('16777216');
  expect(float32Text(-0)).toBe('0');
});

test('nested values are JSON, with numbers bare and texts quoted', () => {
  const arena = new Arena();
  const type: LogicalType = { kind: 'list', element: { kind: 'struct', fields: [
    { name: 'n', nullable: true, type: { kind: 'int64' } }, { name: 'd', nullable: true, type: { kind: 'date' } }, { name: 'f', nullable: true, type: { kind: 'float64' } }] } };
  const vector = vectorOf(type, [[{ n: 2n ** 60n, d: '2026-01-01', f: Number.NaN }, null], []], arena);
  expect(canonicalText(toTextVector(vector, arena), 0)).toBe('[{"n":1152921504606846976,"d":"2026-01-01","f":"NaN"},null]');
  expect(canonicalText(vector, 1)).toBe('[]');
  arena.release();
});

test('a checksum does not depend on order or splitting, and sees each value, key and NULL', () => {
  const schema = { key: ['k'], fields: [{ name: 'k', nullable: false, type: { kind: 'int32' } }, { name: 'v', nullable: true, type: { kind: 'text' } }] } as const;
  const row = fc.record({ k: fc.integer({ min: -50, max: 50 }), v: fc.option(fc.string({ maxLength: 3 })) });
  fc.assert(fc.property(fc.array(row, { minLength: 1, maxLength: 20 }), fc.nat(), (list, cut) => {
    const batches = [list.slice(0, cut % list.length), list.slice(cut % list.length)].map((part) => batchOf('s', schema, part.map((entry) => ({ values: entry }))));
    const whole = concat(batches);
    const turned = gather(whole, list.map((_, i) => list.length - 1 - i));
    const [first, second] = batches.map((batch) => checksum(batch));
    expect(checksum(turned)).toEqual(checksum(whole));
    expect(addChecksums(first ?? {}, second ?? {})).toEqual(checksum(whole));
    const other = batchOf('s', schema, list.map((entry, i) => ({ values: i === 0 ? { ...entry, v: entry.v === null ? '' : null } : entry })));
    expect(checksum(other)['v']?.sum).not.toBe(checksum(whole)['v']?.sum);
    for (const each of [...batches, whole, turned, other]) each.release();
  }));
});

import { batchOf, jsonText, memoryInUse, UNAVAILABLE_VALUE, type Field, type LogicalType, type Schema, type Value } from '#batch';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_FORMAT_OPTIONS, jsonl } from '../format.ts';

async function write(fields: readonly Field[], values: readonly Record<string, Value>[]): Promise<string> {
  const schema: Schema = { fields, key: [] };
  const before = memoryInUse();
  const pieces: Buffer[] = [];
  const writer = jsonl.open(schema, DEFAULT_FORMAT_OPTIONS, { write: async (bytes) => void pieces.push(Buffer.from(bytes)) });
  await writer.accept(batchOf('s', schema, values.map((row) => ({ values: row }))));
  expect(await writer.finish()).toEqual({ rows: values.length, bytes: Buffer.concat(pieces).length });
  expect(memoryInUse()).toBe(before);
  return Buffer.concat(pieces).toString();
}
const field = (name: string, type: LogicalType): Field => ({ name, type, nullable: true });

describe('JSON lines', () => {
  test('every type', async () => {
    const fields = [
      field('b', { kind: 'bool' }), field('i', { kind: 'int64' }), field('u', { kind: 'uint64' }), field('s', { kind: 'int8' }), field('f', { kind: 'float64' }),
      field('d', { kind: 'decimal', precision: 30, scale: 10 }), field('n', { kind: 'number' }), field('t', { kind: 'text' }), field('x', { kind: 'bytes' }),
      field('j', { kind: 'json' }), field('l', { kind: 'list', element: { kind: 'int32' } }), field('ts', { kind: 'timestamptz' }), field('ke"y', { kind: 'bool' }),
    ];
    const text = await write(fields, [
      { b: true, i: -(2n ** 63n), u: 2n ** 64n - 1n, s: -128, f: -0.5, d: '12345678901234567890.1234567891', n: 'NaN', t: 'a"\\\n\u0001é😀', x: new Uint8Array([0, 255]),
        j: '{"a":\r\n[1, 2]}', l: [1, null, 3], ts: '2026-03-08T02:30:00.000001Z', 'ke"y': false },
      { b: UNAVAILABLE_VALUE, f: -Infinity, n: '12345678901234567890123456789012345678901234567890.5' },
    ]);
    expect(text.split('\n')).toEqual([
      '{"b":true,"i":-9223372036854775808,"u":18446744073709551615,"s":-128,"f":-0.5,"d":12345678901234567890.1234567891,"n":"NaN","t":"a\\"\\\\\\n\\u0001é😀","x":"00ff",'
        + '"j":{"a":  [1, 2]},"l":[1,null,3],"ts":"2026-03-08T02:30:00.000001Z","ke\\"y":false}',
      '{"i":null,"u":null,"s":null,"f":"-Infinity","d":null,"n":12345678901234567890123456789012345678901234567890.5,"t":null,"x":null,"j":null,"l":null,"ts":null,"ke\\"y":null}',
      '',
    ]);
  });

  test('texts come back whatever they hold', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ unit: 'grapheme', maxLength: 200 })), { maxLength: 30 }), async (texts) => {
      const whole = texts.map((text) => Buffer.from(text).toString());
      const lines = (await write([field('t', { kind: 'text' })], whole.map((t) => ({ t })))).split('\n').slice(0, -1);
      expect(lines.map((line) => (JSON.parse(line) as { t: string }).t)).toEqual(whole);
    }));
  });

  test('rows larger than the buffer are written in parts, of one column and of many', async () => {
    const t = '\u0001"é'.repeat(100_000);
    expect(JSON.parse(await write([field('t', { kind: 'text' })], [{ t }]))).toEqual({ t });
    const fields = [field('a', { kind: 'int32' }), field('t', { kind: 'text' }), field('n', { kind: 'number' }), field('x', { kind: 'bytes' }), field('j', { kind: 'json' }), field('e', { kind: 'text' }), field('z', { kind: 'bool' })];
    const many = Array.from({ length: 3000 }, (_, i) => field(`many${i}`, { kind: 'text' }));
    const large = { a: 7, t, n: '9'.repeat(300_000), x: new Uint8Array(150_000).fill(0xab), j: `[${'1,\n'.repeat(100_000)}2]`, e: '', z: true };
    const small = { a: 1, t: 'x', n: '-Infinity', x: new Uint8Array(0), j: '{}', e: null, z: false };
    const lines = (await write([...fields, ...many], [small, large, { t: UNAVAILABLE_VALUE }, { ...large, ...Object.fromEntries(many.map(({ name }) => [name, 'y'.repeat(100)])) }])).split('\n');
    const [first, second, third, fourth, ...rest] = lines.map((line) => line && JSON.parse(line.replace(/"n":(9+)/, '"n":"$1"')) as Record<string, unknown>);
    expect(first).toMatchObject({ ...small, x: '', j: {} });
    const whole = { ...large, x: 'ab'.repeat(150_000), j: [...Array.from({ length: 100_000 }, () => 1), 2] };
    expect(second).toMatchObject({ ...whole, many0: null, many2999: null });
    expect(third).not.toHaveProperty('t');
    expect(fourth).toMatchObject({ ...whole, many0: 'y'.repeat(100), many2999: 'y'.repeat(100) });
    expect(rest).toEqual(['']);
  });

  test('a row of a hundred megabytes takes no more than the buffer', async () => {
    const schema: Schema = { fields: [field('t', { kind: 'text' })], key: [] };
    let bytes = 0;
    const writer = jsonl.open(schema, DEFAULT_FORMAT_OPTIONS, { write: async (piece) => { bytes += piece.length; } });
    await writer.accept(batchOf('s', schema, [{ values: { t: '"'.repeat(100 << 20) } }]));
    await writer.finish();
    expect(bytes).toBe(2 * (100 << 20) + '{"t":""}\n'.length);
  });

  test('integers and floats are the canonical text', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.record({ i: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), f: fc.double() }), { minLength: 1 }), async (values) => {
      const fields = [field('i', { kind: 'int64' }), field('f', { kind: 'float64' })];
      const batch = batchOf('s', { fields, key: [] }, values.map((row) => ({ values: row })));
      const expected = values.map((_, row) => `{${batch.columns.map((vector, i) => `"${fields[i]?.name}":${jsonText(vector, row)}`).join(',')}}\n`).join('');
      batch.release();
      expect(await write(fields, values)).toBe(expected);
    }));
  });

  test('json that is not JSON is named', () => {
    const batch = batchOf('s', { fields: [field('j', { kind: 'json' })], key: [] }, [{ values: { j: '{}' } }, { values: { j: '{' } }, { values: { j: null } }]);
    expect(jsonl.check(batch, DEFAULT_FORMAT_OPTIONS)).toMatchObject([{ row: 1, column: 'j', code: 'ETL-FMT-001' }]);
    batch.release();
  });
});

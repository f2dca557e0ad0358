import { parquetReadObjects } from 'hyparquet';
import { Arena, Batch, batchOf, viewBytes, type Field, type LogicalType, type Value } from '#batch';
import { describe, expect, test } from 'vitest';
import { DEFAULT_FORMAT_OPTIONS, formatOf, parquet, type FormatOptions } from '../format.ts';

const field = (name: string, type: LogicalType, nullable = true): Field => ({ name, type, nullable });
const rowsOf = (fields: readonly Field[], rows: readonly Record<string, Value>[]): Batch => batchOf('s', { fields, key: [] }, rows.map((values) => ({ values })));

async function readBack(fields: readonly Field[], rows: readonly Record<string, Value>[], options: Partial<FormatOptions> = {}) {
  const pieces: Buffer[] = [];
  const writer = parquet.open({ fields, key: [] }, { ...DEFAULT_FORMAT_OPTIONS, ...options }, { write: async (bytes) => void pieces.push(Buffer.from(bytes)) });
  await writer.accept(rowsOf(fields, rows));
  await writer.finish();
  const file = Uint8Array.from(Buffer.concat(pieces)).buffer;
  return parquetReadObjects({ file, utf8: false });
}

describe('what Parquet has no form for', () => {
  test('is found by name', () => {
    const fields = [
      field('d', { kind: 'date' }), field('ts', { kind: 'timestamptz' }), field('t', { kind: 'time' }), field('n', { kind: 'int32' }, false),
      field('l', { kind: 'list', element: { kind: 'timestamp' } }),
    ];
    const batch = rowsOf(fields, [
      { d: '2026-01-01', ts: '2026-01-01T00:00:00.000000Z', t: '23:59:59.999999', n: 1, l: [] },
      { d: 'infinity', ts: null, t: '24:00:00.000000', n: null, l: ['2026-01-01T00:00:00.000000', 'infinity'] },
      { d: null, ts: '-infinity', t: null, n: 2, l: ['-infinity'] },
    ]);
    expect(parquet.check(batch, DEFAULT_FORMAT_OPTIONS).map(({ row, column }) => [row, column])).toEqual([
      [1, 'd'], [2, 'ts'], [1, 't'], [1, 'n'], [1, 'l'], [2, 'l'],
    ]);
    expect(parquet.check(batch, { ...DEFAULT_FORMAT_OPTIONS, infinite: 'null' }).map(({ row, column }) => [row, column])).toEqual([[1, 't'], [1, 'n']]);
    batch.release();
  });

  test('decimals with more digits than their column', () => {
    for (const [precision, unscaled] of [[9, 10n ** 9n], [18, -(10n ** 18n)], [38, 10n ** 38n], [38, -(10n ** 38n)], [20, 10n ** 20n]] as const) {
      const type: LogicalType = { kind: 'decimal', precision, scale: 0 };
      const arena = new Arena();
      const width = precision <= 18 ? 8 : 16;
      const data = viewBytes(arena.allocate(width * 2), width * 2);
      const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
      [unscaled, unscaled > 0n ? unscaled - 1n : unscaled + 1n].forEach((value, i) => {
        view.setBigInt64(i * width, BigInt.asIntN(64, value), true);
        if (width === 16) view.setBigInt64(i * width + 8, value >> 64n, true);
      });
      const batch = new Batch({
        stream: 's', schema: { fields: [field('d', type)], key: [] }, length: 2,
        columns: [{ type, length: 2, validity: undefined, data, offsets: undefined, children: [] }],
      }, [arena]);
      expect(parquet.check(batch, DEFAULT_FORMAT_OPTIONS).map(({ row }) => row)).toEqual([0]);
      batch.release();
    }
  });

  test('a null that was not taken out stops the file', async () => {
    await expect(readBack([field('n', { kind: 'int32' }, false)], [{ n: null }])).rejects.toThrow('a null in a column that has none');
  });
});

describe('hyparquet reads', () => {
  test('infinite dates as null or text', async () => {
    const fields = [field('d', { kind: 'date' })];
    const rows = [{ d: '2026-01-01' }, { d: 'infinity' }];
    expect(await readBack(fields, rows, { infinite: 'null' })).toEqual([{ d: new Date('2026-01-01') }, { d: null }]);
    expect(await readBack(fields, rows, { infinite: 'text' })).toEqual([{ d: '2026-01-01' }, { d: 'infinity' }]);
  });

  test('intervals as parts or text', async () => {
    const fields = [field('i', { kind: 'interval' })];
    expect(await readBack(fields, [{ i: 'P1M2DT3.5S' }], { interval: 'struct' })).toEqual([{ i: { months: 1, days: 2, micros: 3500000n } }]);
    expect(await readBack(fields, [{ i: 'P1M2DT3.5S' }])).toEqual([{ i: 'P1M2DT3.5S' }]);
  });

  test('snappy of everything from one byte to many blocks', async () => {
    for (const n of [1, 15, 16, 17, 65_535, 65_536, 65_537, 400_000]) {
      const x = Uint8Array.from({ length: n }, (_, i) => (i * i) >> (i % 1000 > 500 ? 0 : 12));
      const rows = await readBack([field('x', { kind: 'bytes' })], [{ x }]);
      expect(Buffer.compare(Buffer.from((rows[0] as { x: Uint8Array }).x), x)).toBe(0);
    }
  });
});

test('plan says what becomes of a column', () => {
  expect(parquet.mapColumn(field('d', { kind: 'list', element: { kind: 'date' } }), DEFAULT_FORMAT_OPTIONS)).toMatchObject({ to: 'LIST(DATE)', outcome: 'checked' });
  expect(parquet.mapColumn(field('d', { kind: 'decimal', precision: 18, scale: 2 }), DEFAULT_FORMAT_OPTIONS)).toMatchObject({ to: 'DECIMAL(18, 2)', outcome: 'exact' });
  expect(() => formatOf('orc')).toThrow('There is no file format orc.');
});

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { batchOf, memoryInUse, type Field, type LogicalType, type Schema, type Value } from '#batch';
import { describe, expect, test } from 'vitest';
import { DEFAULT_FORMAT_OPTIONS, parquet, type FormatOptions } from '../format.ts';

const db = await DuckDBInstance.create(':memory:');
const connection = await db.connect();
const folder = mkdtempSync(join(tmpdir(), 'parquet-'));
let files = 0;

async function query(sql: string): Promise<readonly Record<string, unknown>[]> {
  const result = await connection.runAndReadAll(sql);
  return result.getRowObjectsJson();
}

interface Written {
  readonly path: string;
  readonly bytes: Buffer;
}
async function write(fields: readonly Field[], values: readonly Record<string, Value>[], options: Partial<FormatOptions> & { batch?: number } = {}): Promise<Written> {
  const schema: Schema = { fields, key: [] };
  const pieces: Buffer[] = [];
  const before = memoryInUse();
  const writer = parquet.open(schema, { ...DEFAULT_FORMAT_OPTIONS, ...options }, { write: async (bytes) => void pieces.push(Buffer.from(bytes)) });
  const size = options.batch ?? 1000;
  for (let i = 0; i < values.length; i += size) await writer.accept(batchOf('s', schema, values.slice(i, i + size).map((row) => ({ values: row }))));
  const { bytes } = await writer.finish();
  expect(memoryInUse()).toBe(before);
  const file = Buffer.concat(pieces);
  expect(bytes).toBe(file.length);
  const path = join(folder, `${++files}.parquet`);
  writeFileSync(path, file);
  return { path, bytes: file };
}
const field = (name: string, type: LogicalType, nullable = true): Field => ({ name, type, nullable });

const mixed: Field[] = [
  field('id', { kind: 'int64' }, false), field('note', { kind: 'text' }), field('country', { kind: 'text' }, false),
  field('score', { kind: 'float64' }), field('active', { kind: 'bool' }), field('at', { kind: 'timestamptz' }),
  field('amount', { kind: 'decimal', precision: 18, scale: 2 }), field('small', { kind: 'decimal', precision: 7, scale: 3 }),
];
const mixedRows = (n: number): Record<string, Value>[] => Array.from({ length: n }, (_, i) => ({
  id: BigInt(i), note: i % 10 === 0 ? null : `note about order ${i}`, country: ['US', 'DE', 'GB'][i % 3] ?? '', score: i % 7 === 0 ? null : i * 0.5,
  active: i % 3 === 0 ? null : i % 2 === 0, at: new Date(i * 1000).toISOString(), amount: `${i}.25`, small: i % 5 === 0 ? null : `-${i % 1000}.125`,
}));

describe('DuckDB reads what is written', () => {
  test.each(['none', 'snappy', 'zstd'] as const)('flat columns, %s', async (compression) => {
    const n = 50_000;
    const { path } = await write(mixed, mixedRows(n), { compression, rowGroupBytes: 1 << 20 });
    const [all] = await query(`select count(*) n, sum(id) ids, count(note) notes, count(distinct note) distinct_notes, sum(score) scores,
      count(*) filter (where active) active, max("at") latest, sum(amount) amount, sum(small) small from '${path}'`);
    expect(all).toMatchObject({
      n: String(n), ids: String(n * (n - 1) / 2), notes: '45000', distinct_notes: '45000', amount: '1249987500.00',
      active: String(mixedRows(n).filter((row) => row['active'] === true).length),
      scores: mixedRows(n).reduce((sum, row) => sum + Number(row['score'] ?? 0), 0),
    });
    const groups = await query(`select count(distinct row_group_id) n from parquet_metadata('${path}')`);
    expect(Number(groups[0]?.['n'])).toBeGreaterThan(1);
    for (const [where, count] of [
      ['id = 33333', 1], ['id > 49990', 9], ["note = 'note about order 777'", 1], ["country = 'DE'", 16667], ["country > 'DE' and country < 'UA'", 16666],
      ['amount = 777.25', 1], ['small < -999', 50], [`"at" >= '1970-01-01 13:53:19+00'`, 1], ['score is null', 7143],
    ] as const) {
      const [row] = await query(`select count(*) n from '${path}' where ${where}`);
      expect(`${where}: ${String(row?.['n'])}`).toBe(`${where}: ${count}`);
    }
  });

  test('four files of 1,600 columns at once lie in less than half of the column memory', async () => {
    const fields = Array.from({ length: 1600 }, (_, i) => field(`c${i}`, { kind: 'text' }));
    const schema: Schema = { fields, key: [] };
    const [before, pieces] = [memoryInUse(), [] as Buffer[]];
    const writers = [0, 1, 2, 3].map((file) =>
      parquet.open(schema, DEFAULT_FORMAT_OPTIONS, { write: async (bytes) => void (file === 0 && pieces.push(Buffer.from(bytes))) }));
    let most = 0;
    const rows = Array.from({ length: 100 }, (_, i) => ({ values: Object.fromEntries(fields.map(({ name }, c) => [name, c % 2 === 0 ? `text ${i * c}` : 'the same'])) }));
    for (let round = 0; round < 3; round++) {
      for (const writer of writers) {
        await writer.accept(batchOf('s', schema, rows));
        most = Math.max(most, memoryInUse() - before);
      }
    }
    for (const writer of writers) await writer.finish();
    expect(most).toBeLessThan(2 ** 29);
    const path = join(folder, 'wide.parquet');
    writeFileSync(path, Buffer.concat(pieces));
    expect(await query(`select count(*) n, count(distinct c1598) d, min(c1599) m, max(c2) x from '${path}'`)).toEqual([{ n: '300', d: '100', m: 'the same', x: 'text 98' }]);
  });

  test('long texts that repeat themselves, until the dictionary is given up, never lie in memory as often as they come', async () => {
    const long = (i: number): string => `${'long '.repeat(8000)}${i}`;
    const schema: Schema = { fields: [field('t', { kind: 'text' }), field('l', { kind: 'list', element: { kind: 'text' } })], key: [] };
    const [before, pieces] = [memoryInUse(), [] as Buffer[]];
    const writer = parquet.open(schema, { ...DEFAULT_FORMAT_OPTIONS, compression: 'zstd' }, { write: async (bytes) => void pieces.push(Buffer.from(bytes)) });
    let most = 0;
    for (let from = 0; from < 3000; from += 100) {
      const ids = Array.from({ length: 100 }, (_, i) => (from + i < 2900 ? i % 3 : from + i));
      await writer.accept(batchOf('s', schema, ids.map((i) => ({ values: { t: long(i), l: [long(i)] } }))));
      most = Math.max(most, memoryInUse() - before);
    }
    await writer.finish();
    expect(most).toBeLessThan(2 ** 26);
    const path = join(folder, 'long.parquet');
    writeFileSync(path, Buffer.concat(pieces));
    expect(await query(`select count(*) n, count(distinct t) t, count(distinct l[1]) l from '${path}'`)).toEqual([{ n: '3000', t: '103', l: '103' }]);
  });

  test('no rows', async () => {
    const { path } = await write(mixed, []);
    expect(await query(`select count(*) n from '${path}'`)).toEqual([{ n: '0' }]);
  });
});

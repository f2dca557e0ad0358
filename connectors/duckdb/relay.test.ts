import { batchOf, memoryInUse, type ChangeRow, type Field, type Value } from '#batch';
import { installFailpoints } from '#sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { RowTarget } from '../_shared/sql/dialect.ts';
import { DuckdbFile, type DuckdbSession } from './connection.ts';
import { scratch, type Scratch } from './helper.ts';
import { hardlyRepeats } from './sample.ts';

const FIELDS: readonly Field[] = [{ name: 'id', type: { kind: 'int64' }, nullable: true }, { name: 'day', type: { kind: 'timestamp' }, nullable: true }, { name: 'name', type: { kind: 'text' }, nullable: true }];
const INTO: RowTarget = {
  table: { schema: 'main', table: 'loaded' },
  columns: FIELDS.map(({ name, type }, index) => ({ name, type: ['BIGINT', 'TIMESTAMP', 'VARCHAR'][index] ?? '', from: { kind: 'field', index, type } })),
};
const BATCHES = 9;
const ROWS = 30_000; // row groups of 122,880 and chunks of 2,048 end within batches

let place: Scratch;
let file: DuckdbFile;
let session: DuckdbSession;
let before: number;
beforeEach(async () => {
  before = memoryInUse();
  place = scratch();
  file = new DuckdbFile({ path: place.path, settings: {} });
  session = await file.connect();
  await session.query('create table loaded (id bigint, day timestamp, name varchar)');
});
afterEach(async () => {
  installFailpoints(undefined);
  await file[Symbol.asyncDispose]();
  expect(memoryInUse(), 'every batch is released').toBe(before);
  place.remove();
});

async function write(batches = BATCHES, value: (row: number) => Record<string, Value> = plain): Promise<void> {
  await session.begin();
  for (let index = 0; index < batches; index++) {
    const batch = batchOf('s', { fields: FIELDS, key: [] }, Array.from({ length: ROWS }, (_, row): ChangeRow => ({ values: value(index * ROWS + row) })));
    try {
      await session.writer.write(INTO, batch);
    } finally {
      batch.release();
    }
  }
}

const plain = (row: number): Record<string, Value> => ({ id: BigInt(row), day: row % 3 === 0 ? null : '2026-11-21T12:00:00', name: row % 7 === 0 ? null : `the name of row ${row}` });
const SUMS = "select count(*) as n, bool_and(rowid = id) as ordered, count(day) as dates, sum(length(name)) as letters, bool_and(name is null or name = 'the name of row ' || id) as right from loaded";
const tables = async () => (await session.query("select table_name from duckdb_tables() where schema_name = 'main' order by 1")).map((row) => row['table_name']);

test('rule 11: rows of many batches lie in the load\'s table after the commit, in order, written once', async () => {
  await write();
  expect(await file.connect().then((other) => other.query('select count(*) as n from loaded'))).toEqual([{ n: 0n }]);
  await session.writer.finish();
  await session.commit();
  const rows = BATCHES * ROWS;
  expect(await session.query(SUMS)).toMatchObject([{ n: BigInt(rows), ordered: true, dates: BigInt(rows - Math.ceil(rows / 3)), right: true }]);
  expect(await tables()).toEqual(['loaded']);
});

test('texts that hardly repeat spare DuckDB its dictionaries; texts that do, long ones and few are left to it', () => {
  const name = INTO.columns[2];
  if (!name) throw new Error('no column');
  const judged = (rows: number, text: (row: number) => string | null): boolean => {
    const batch = batchOf('s', { fields: FIELDS, key: [] }, Array.from({ length: rows }, (_, row): ChangeRow => ({ values: { id: 1n, day: null, name: text(row) } })));
    try {
      return hardlyRepeats(name, batch);
    } finally {
      batch.release();
    }
  };
  expect(judged(3_000, (row) => `row ${row}`)).toBe(true);
  expect(judged(6_000, (row) => (row % 2 === 0 ? null : `row ${row}`))).toBe(true);
  expect(judged(3_000, (row) => `row ${row % 1_000}`)).toBe(false);
  expect(judged(3_000, () => '')).toBe(false);
  expect(judged(3_000, () => null)).toBe(false);
  expect(judged(1_000, (row) => `row ${row}`)).toBe(false);
  expect(judged(3_000, (row) => `${'long '.repeat(60)}${row}`)).toBe(false);
});

test('both ways of compressing keep every row, also what comes later and repeats', async () => {
  const value = (row: number): Record<string, Value> => ({ id: BigInt(row), day: null, name: row < 200_000 ? `the name of row ${row}` : `one of ${row % 3}` });
  await write(BATCHES, value);
  await session.writer.finish();
  await session.commit();
  await session.query('checkpoint');
  expect(await session.query("select count(*) filter (where name = 'the name of row ' || id) as own, count(*) filter (where name = 'one of ' || id % 3) as shared from loaded")).toEqual([{ own: 200_000n, shared: BigInt(BATCHES * ROWS - 200_000) }]);
});

test('rows join those that a commit before has brought; other columns keep their defaults', async () => {
  await session.query('alter table loaded add column deleted boolean default false');
  for (let commits = 0; commits < 2; commits++) {
    await write(2);
    await session.writer.finish();
    await session.commit();
  }
  expect(await session.query('select count(*) as n, count(distinct id) as ids, bool_or(deleted) as deleted from loaded')).toEqual([{ n: 120_000n, ids: 60_000n, deleted: false }]);
  expect(await tables()).toEqual(['loaded']);
});

test('batches that one statement takes together keep every value and every NULL at its row', async () => {
  const fields: readonly Field[] = [
    { name: 'id', type: { kind: 'int64' }, nullable: false }, { name: 'price', type: { kind: 'decimal', precision: 9, scale: 2 }, nullable: true }, { name: 'ok', type: { kind: 'bool' }, nullable: true },
    { name: 'seen', type: { kind: 'timestamptz' }, nullable: true }, { name: 'note', type: { kind: 'text' }, nullable: true },
    { name: 'pair', type: { kind: 'struct', fields: [{ name: 'a', type: { kind: 'text' }, nullable: true }, { name: 'b', type: { kind: 'int32' }, nullable: true }] }, nullable: true },
  ];
  const listed: Field = { name: 'tags', type: { kind: 'list', element: { kind: 'text' } }, nullable: true };
  const values = (row: number): Record<string, Value> => ({
    id: BigInt(row), price: row % 5 === 0 ? null : (row / 100).toFixed(2), ok: row % 2 === 0, seen: row < 20_000 ? '2026-11-21T12:00:00Z' : null,
    note: row % 11 === 0 ? null : row % 3 === 0 ? 'short' : `a note that is long enough ${row}`, pair: row % 7 === 0 ? null : { a: row % 13 === 0 ? null : `pair of ${row}`, b: row },
    tags: row % 17 === 0 ? null : Array.from({ length: row % 4 }, (_, index) => `tag ${row} ${index}`),
  });
  for (const [table, columns, size] of [['flat', fields, 16_320], ['uneven', fields, 9_999], ['lists', [...fields, listed], 16_320]] as const) {
    const types = ['bigint', 'decimal(9, 2)', 'boolean', 'timestamptz', 'varchar', 'struct(a varchar, b integer)', 'varchar[]'];
    await session.query(`create table ${table} (${columns.map(({ name }, index) => `${name} ${types[index] ?? ''}`).join(', ')})`);
    const into: RowTarget = { table: { schema: 'main', table }, columns: columns.map(({ name, type }, index) => ({ name, type: types[index] ?? '', from: { kind: 'field', index, type } })) };
    await session.begin();
    for (let index = 0; index < 6; index++) {
      const batch = batchOf('s', { fields: columns, key: [] }, Array.from({ length: size }, (_, row): ChangeRow => ({ values: Object.fromEntries(columns.map(({ name }) => [name, values(index * size + row)[name] ?? null])) })));
      await session.writer.write(into, batch);
      batch.release();
    }
    await session.writer.finish();
    await session.commit();
    const tags = columns.length > fields.length ? ", bool_and(tags is not distinct from case when id % 17 <> 0 then list_transform(range(id % 4), i -> 'tag ' || id || ' ' || i) end) as tags" : '';
    expect(await session.query(`select count(*) as n, bool_and(id = rowid) as ids, bool_and(price is not distinct from case when id % 5 <> 0 then (id * 0.01)::decimal(9, 2) end) as prices, bool_and(ok = (id % 2 = 0)) as oks,
      bool_and(seen is not distinct from case when id < 20000 then timestamptz '2026-11-21 12:00:00+00' end) as ats,
      bool_and(note is not distinct from case when id % 11 = 0 then null when id % 3 = 0 then 'short' else 'a note that is long enough ' || id end) as notes,
      bool_and(pair is not distinct from case when id % 7 <> 0 then {a: case when id % 13 <> 0 then 'pair of ' || id end, b: id::int} end) as pairs${tags} from ${table}`))
      .toEqual([{ n: BigInt(6 * size), ids: true, prices: true, oks: true, ats: true, notes: true, pairs: true, ...(tags === '' ? {} : { tags: true }) }]);
  }
});

test('rule 2: what was not committed is gone with the session, and with a commit that was rolled back', async () => {
  await write();
  await session.close();
  session = await file.connect();
  expect(await tables()).toEqual(['loaded']);
  await write();
  await session.writer.finish();
  await session.rollback();
  expect(await session.query('select count(*) as n from loaded')).toEqual([{ n: 0n }]);
  expect(await tables()).toEqual(['loaded']);
});

test('rule 10: nobody waits for a session that is still reading', async () => {
  await write();
  const other = await file.connect();
  await other.query('create table another (v int)');
  expect(await other.query("select table_name from duckdb_tables() where schema_name = 'main' order by 1")).toEqual([{ table_name: 'another' }, { table_name: 'loaded' }]);
  await session.writer.finish();
  await session.commit();
  expect(await session.query('select count(*) as n from loaded')).toEqual([{ n: BigInt(BATCHES * ROWS) }]);
});

test('a value that DuckDB can\'t hold stops the load by name, also in a late batch', async () => {
  const late = (BATCHES - 1) * ROWS + 5;
  await write(BATCHES, (row) => ({ ...plain(row), day: row === late ? '-290308-12-21T23:00:00' : null }));
  await expect(session.writer.finish()).rejects.toMatchObject({ code: 'ETL-DUCK-010', message: expect.stringContaining('Column day of s') as string });
  await session.rollback();
  expect(await tables()).toEqual(['loaded']);
});

test('a table that was dropped under the session is a conflict, and nothing stays', async () => {
  await write();
  const other = await file.connect();
  await other.query('drop table loaded');
  await expect(session.writer.finish()).rejects.toMatchObject({ code: expect.stringMatching(/^ETL-DUCK-/) as string });
  await session.rollback();
  expect(await tables()).toEqual([]);
});

test('what a process left that died between the two transactions is removed when the file is opened', async () => {
  await write();
  let died = false;
  installFailpoints((name) => {
    if (name !== 'duckdb.relayed') return;
    died = true;
    throw new Error('the process dies here');
  });
  await expect(session.writer.finish()).rejects.toThrow('the process dies here');
  installFailpoints(undefined);
  expect(died).toBe(true);
  expect((await tables()).length).toBe(2);
  await file[Symbol.asyncDispose](); // as a death leaves it: no rollback, nothing dropped
  file = new DuckdbFile({ path: place.path, settings: {} });
  session = await file.connect();
  expect(await tables()).toEqual(['loaded']);
  expect(await session.query('select count(*) as n from loaded')).toEqual([{ n: 0n }]);
});

import { afterEach, expect, test } from 'vitest';
import { batchOf, concat, gather, memoryInUse, rows, UNAVAILABLE_VALUE, type RowInput, type Schema } from '#batch';

const schema: Schema = {
  key: ['id'],
  fields: [
    { name: 'id', nullable: false, type: { kind: 'int64' } },
    { name: 'amount', nullable: true, type: { kind: 'decimal', precision: 38, scale: 4 } },
    { name: 'note', nullable: true, type: { kind: 'text' } },
    { name: 'at', nullable: true, type: { kind: 'timestamptz' } },
    { name: 'tags', nullable: true, type: { kind: 'list', element: { kind: 'text' } } },
    { name: 'place', nullable: true, type: { kind: 'struct', fields: [{ name: 'x', nullable: true, type: { kind: 'float32' } }] } },
    { name: 'raw', nullable: true, type: { kind: 'bytes' } },
    { name: 'uid', nullable: true, type: { kind: 'uuid' } },
    { name: 'lasts', nullable: true, type: { kind: 'interval' } },
  ],
};
const change = (id: bigint, more: RowInput['values'] = {}): RowInput['values'] => ({
  id, amount: null, note: null, at: null, tags: null, place: null, raw: null, uid: null, lasts: null, ...more,
});
const given: RowInput[] = [
  { op: 'insert', seq: 1n, values: change(1n, { amount: '-99999999999999999999.5', note: 'é', tags: ['a', null, ''], place: { x: 0.1 } }) },
  { op: 'update', seq: 2n, oldKey: { id: 1n }, values: change(2n, { note: UNAVAILABLE_VALUE, at: '2026-03-08T02:30:00.000001Z' }) },
  { op: 'delete', seq: 3n, values: change(3n, { raw: new Uint8Array([0, 255]), uid: '0b9c0a3e-7c43-4f6a-9f5d-111213141516', lasts: 'P1M2DT3.5S', tags: [] }) },
];

let before = memoryInUse();
afterEach(() => {
  expect(memoryInUse()).toBe(before);
  before = memoryInUse();
});

test('rows come back as they were given', () => {
  const batch = batchOf('s', schema, given);
  expect([...rows(batch)]).toEqual(given);
  batch.release();
});

test('gathered rows keep values, ops, old keys and order', () => {
  const batch = batchOf('s', schema, given);
  const taken = gather(batch, [2, 0, 1, 1]);
  expect([...rows(taken)]).toEqual([given[2], given[0], given[1], given[1]]);
  batch.release();
  taken.release();
});

test('batches put together keep everything, whichever parts they lack', () => {
  const batch = batchOf('s', schema, given);
  const plain = batchOf('s', schema, [{ values: change(9n, { tags: ['z'] }) }]);
  const joined = concat([plain, batch]);
  expect([...rows(joined)]).toEqual([{ op: 'snapshot', seq: 0n, values: change(9n, { tags: ['z'] }) }, ...given]);
  for (const each of [batch, plain, joined]) each.release();
});

test('a value that does not fit is refused with stream, row and column', () => {
  expect(() => batchOf('s', schema, [{ values: { id: 1n } }, { values: { id: 2n ** 63n } }])).toThrow(/Row 2 of s: the value of column id/);
});

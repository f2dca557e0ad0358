import { afterEach, expect, test } from 'vitest';
import { batchOf, memoryInUse, rows, UNAVAILABLE_VALUE, vectorOf, Arena, Batch, type ChangeRow, type Schema } from '#batch';
import { createNormalizer, hashValue, maskingProblems, targetSchema, type NormalizeSpec, type Normalizer } from './index.ts';

export const spec = (more: Partial<NormalizeSpec> = {}): NormalizeSpec => ({
  stream: 'public.s',
  target: { stream: 'public.s', table: 's', write: 'merge', key: ['id'], deletes: 'hard', unavailable: 'error', addedColumns: [], evolve: { tables: true, columns: true, types: true }, shared: false, options: {} },
  columns: {}, others: 'keep', naming: 'as_is', contract: { columns: 'evolve', types: 'widen' }, checks: [], badRows: 'quarantine', badText: 'strip', maxNameBytes: 63,
  caseSensitiveNames: true, ...more,
});
const key = { id: 'k1', master: new Uint8Array(32).fill(7) };
const text = { kind: 'text' } as const;
const schema: Schema = { key: ['id'], fields: [
  { name: 'id', nullable: false, type: { kind: 'int32' } }, { name: 'Email', nullable: true, type: text }, { name: 'amount', nullable: true, type: text }] };

function send(normalizer: Normalizer, given: readonly ChangeRow[], of: Schema = schema): ChangeRow[] {
  const out: ChangeRow[] = [];
  for (const message of normalizer.apply({ type: 'batch', stream: 'public.s', batch: batchOf('public.s', of, given) })) {
    if (message.type !== 'batch') continue;
    out.push(...rows(message.batch));
    message.batch.release();
  }
  return out;
}
const values = (given: readonly ChangeRow[]) => given.map((row) => row.values);

afterEach(() => expect(memoryInUse()).toBe(0));

test('an untouched stream shares every column', () => {
  const normalizer = createNormalizer([spec()]);
  const batch = batchOf('public.s', schema, [{ values: { id: 1, Email: 'a', amount: '1' } }]);
  const [, message] = normalizer.apply({ type: 'batch', stream: 'public.s', batch });
  if (message?.type !== 'batch') throw new Error('no batch');
  message.batch.columns.forEach((vector, i) => expect(vector).toBe(batch.columns[i]));
  message.batch.release();
});

test('columns are dropped, named, cast, and hashed keys go for old keys too', () => {
  const normalizer = createNormalizer([spec({ naming: 'snake', columns: {
    id: { rename: 'key', hash: { method: 'hmac-sha256', key } }, Email: { drop: true }, amount: { cast: { kind: 'decimal', precision: 10, scale: 2 } } } })]);
  const h = (id: number) => hashValue({ method: 'hmac-sha256', key, domain: 'public.s.id' }, String(id), { kind: 'int64' });
  expect(send(normalizer, [{ op: 'update', oldKey: { id: 1 }, values: { id: 2, amount: '1.50' } }])).toEqual([{ op: 'update', oldKey: { key: h(1) }, values: { key: h(2), amount: '1.5' } }]);
  const target = targetSchema(spec({ columns: { id: { hash: { method: 'hmac-sha256', key } } } }), schema);
  expect(target.schema.fields[0]).toEqual({ name: 'id', nullable: false, type: { kind: 'text', maxLength: 64 }, hash: { keyId: 'k1', domain: 'public.s.id' } });
});

test('rule 31: a row that can\'t be cast is rejected by name under an id that a replay repeats, and masked values stay out', () => {
  const columns = { amount: { cast: { kind: 'int32' } as const }, Email: { redact: '***' } };
  const ids = [1, 2].map(() => {
    const normalizer = createNormalizer([spec({ columns })]);
    expect(values(send(normalizer, [{ values: { id: 1, Email: 'a@x', amount: '1.5' } }, { values: { id: 2, Email: null, amount: '7' } }]))).toEqual([{ id: 2, Email: null, amount: 7 }]);
    const [rejection, ...others] = normalizer.takeRejections();
    expect(others).toEqual([]);
    expect(normalizer.takeRejections()).toEqual([]);
    expect(normalizer.counts.get('public.s')).toEqual({ rows: 2, rejected: 1, repairedText: 0 });
    expect(rejection).toMatchObject({ code: 'ETL-NRM-010', column: 'amount', key: { id: '1' }, row: { id: '1', Email: '***', amount: '1.5' } });
    return rejection?.id;
  });
  expect(ids[0]).toBe(ids[1]);
});

test('bad_rows: fail stops at the first bad row, naming its key', () => {
  expect(() => send(createNormalizer([spec({ badRows: 'fail', columns: { amount: { cast: { kind: 'int32' } } } })]), [{ values: { id: 4, amount: 'x' } }])).toThrow(/key {"id":"4"}/);
});

test('masks, cuts and redactions keep NULL and unavailable, and count characters', () => {
  const wide: Schema = { key: [], fields: [{ name: 'a', nullable: true, type: text }, { name: 'b', nullable: true, type: text }, { name: 'c', nullable: true, type: { kind: 'int64' } }] };
  const normalizer = createNormalizer([spec({ columns: { a: { mask: { keepFirst: 1, keepLast: 2, with: '…' } }, b: { truncate: 2 }, c: { redact: 'x' } } })]);
  expect(values(send(normalizer, [{ values: { a: '😀bcdé', b: '😀é!', c: 1n } }, { values: { a: 'abc', b: null, c: UNAVAILABLE_VALUE } }], wide)))
    .toEqual([{ a: '😀…dé', b: '😀é', c: 'x' }, { a: '…', b: null, c: UNAVAILABLE_VALUE }]);
});

test('an allowlist keeps new columns out', () => {
  const normalizer = createNormalizer([spec({ others: 'drop', columns: { id: {} } })]);
  expect(values(send(normalizer, [{ values: { id: 1, Email: 'x', amount: 'y' } }]))).toEqual([{ id: 1 }]);
});

const wider: Schema = { ...schema, fields: [...schema.fields, { name: 'fresh', nullable: true, type: text }] };
const row = (id: number, fresh: string | null) => ({ values: { id, Email: null, amount: null, fresh } });

test('the contract: evolve, freeze, discard_row and discard_value of a new column', () => {
  const start = (columns: NormalizeSpec['contract']['columns']) => {
    const normalizer = createNormalizer([spec({ contract: { columns, types: 'widen' } })]);
    send(normalizer, [{ values: { id: 0 } }]);
    return normalizer;
  };
  expect(values(send(start('evolve'), [row(1, 'x')], wider))).toEqual([{ id: 1, Email: null, amount: null, fresh: 'x' }]);
  expect(() => send(start('freeze'), [row(1, 'x')], wider)).toThrow(/the column fresh is new/);
  expect(values(send(start('discard_value'), [row(1, 'x')], wider))).toEqual([{ id: 1, Email: null, amount: null }]);
  const discarding = start('discard_row');
  expect(values(send(discarding, [row(1, 'x'), row(2, null)], wider))).toEqual([{ id: 2, Email: null, amount: null }]);
  expect(discarding.takeRejections()).toMatchObject([{ code: 'ETL-NRM-014', column: 'fresh' }]);
});

const typed = (type: Schema['fields'][number]['type']): Schema => ({ key: ['id'], fields: [{ name: 'id', nullable: false, type: { kind: 'int32' } }, { name: 'v', nullable: true, type }] });

test('the contract: a type widens, a narrower one is held at the wider, any other change stops or is rejected row by row', () => {
  const normalizer = createNormalizer([spec()]);
  send(normalizer, [{ values: { id: 1, v: 5 } }], typed({ kind: 'int16' }));
  expect(values(send(normalizer, [{ values: { id: 1, v: 5n } }], typed({ kind: 'int64' })))).toEqual([{ id: 1, v: 5n }]);
  expect(values(send(normalizer, [{ values: { id: 1, v: -5 } }], typed({ kind: 'int16' })))).toEqual([{ id: 1, v: -5n }]);
  expect(() => send(normalizer, [{ values: { id: 1, v: 'x' } }], typed(text))).toThrow(/the column v was int64 and is text/);
  const discarding = createNormalizer([spec({ contract: { columns: 'evolve', types: 'discard_row' } })]);
  send(discarding, [{ values: { id: 1, v: 5 } }], typed({ kind: 'int16' }));
  expect(values(send(discarding, [{ values: { id: 1, v: 5n } }, { values: { id: 2, v: 2n ** 40n } }], typed({ kind: 'int64' })))).toEqual([{ id: 1, v: 5 }]);
});

test('checks reject rows but never a delete, whose other columns may be missing', () => {
  const normalizer = createNormalizer([spec({ checks: [
    { check: 'not_null', column: 'Email' }, { check: 'matches', column: 'Email', pattern: '^[a-z]+$' }, { check: 'range', column: 'id', min: '1', max: '10' }, { check: 'in', column: 'amount', values: ['1', '2'] }] })]);
  const out = send(normalizer, [
    { op: 'insert', values: { id: 1, Email: 'a', amount: '1' } }, { op: 'delete', values: { id: 2 } }, { op: 'insert', values: { id: 3 } },
    { op: 'insert', values: { id: 4, Email: 'A', amount: null } }, { op: 'insert', values: { id: 11, Email: 'a', amount: null } }, { op: 'insert', values: { id: 6, Email: 'a', amount: '3' } }]);
  expect(out.map((each) => each.values['id'])).toEqual([1, 2]);
  expect(normalizer.takeRejections().map((rejection) => rejection.reason)).toEqual(['not_null(Email)', 'Email matches ^[a-z]+$', '1 <= id <= 10', 'amount in [1, 2]'].map((check) => `The check ${check} does not hold.`));
});

test('a rejected row has all its reasons, but no check of a value that could not be changed', () => {
  const normalizer = createNormalizer([spec({ columns: { amount: { cast: { kind: 'int32' } } }, checks: [
    { check: 'not_null', column: 'amount' }, { check: 'matches', column: 'Email', pattern: '@' }, { check: 'in', column: 'Email', values: ['b'] }] })]);
  send(normalizer, [{ values: { id: 1, Email: 'a', amount: '1.5' } }]);
  expect(normalizer.takeRejections()).toMatchObject([{ code: 'ETL-NRM-012', column: 'Email', row: { Email: 'a', amount: '1.5' },
    reason: 'The check Email matches @ does not hold. The check Email in [b] does not hold. A value of column amount is not of the type int32.' }]);
});

/** A batch with one text column of these raw bytes. */
function rawBatch(values_: readonly (string | number[])[], kind: 'text' | 'json' = 'text'): Batch {
  const arena = new Arena();
  const bytes = vectorOf({ kind: 'bytes' }, values_.map((value) => Uint8Array.from(typeof value === 'string' ? Buffer.from(value) : value)), arena);
  return new Batch({ stream: 'public.s', schema: { key: [], fields: [{ name: 't', nullable: true, type: { kind } }] }, length: values_.length, columns: [{ ...bytes, type: { kind } }] }, [arena]);
}

test('bad text is stripped, replaced, rejected, or kept, and always counted', () => {
  const bad = ['gut é😀', 'a\0b', [0x61, 0xff, 0x62], [0x61, 0xed, 0xa0, 0x80], [0xe2, 0x82], ''];
  const run = (policy: NormalizeSpec['badText'], kind: 'text' | 'json' = 'text', list: readonly (string | number[])[] = bad) => {
    const normalizer = createNormalizer([spec({ badText: policy })]);
    const out = normalizer.apply({ type: 'batch', stream: 'public.s', batch: rawBatch(list, kind) }).flatMap((message) => {
      if (message.type !== 'batch') return [];
      const texts = [...rows(message.batch)].map((each) => each.values['t']);
      message.batch.release();
      return texts;
    });
    return { out, bad: normalizer.counts.get('public.s')?.repairedText, rejected: normalizer.takeRejections().length };
  };
  expect(run('strip')).toEqual({ out: ['gut é😀', 'ab', 'ab', 'a', '', ''], bad: 4, rejected: 0 });
  expect(run('replace')).toEqual({ out: ['gut é😀', 'a\ufffdb', 'a\ufffdb', 'a\ufffd', '\ufffd\ufffd', ''], bad: 4, rejected: 0 });
  expect(run('quarantine')).toEqual({ out: ['gut é😀', ''], bad: 4, rejected: 4 });
  expect(run('keep').bad).toBe(4);
  expect(() => run('fail')).toThrow(/Column t holds a NUL/);
  const json = [String.raw`"a\u0000b"`, String.raw`"a\\u0000b"`, String.raw`"\\\u0000"`];
  expect(run('strip', 'json', json)).toEqual({ out: ['"ab"', json[1], String.raw`"\\"`], bad: 2, rejected: 0 });
  expect(run('quarantine', 'json', json), 'as it came').toEqual({ out: json, bad: 0, rejected: 0 });
  const halves = [String.raw`"\ud83d\uDE00 \\ud800"`, String.raw`"a\ud800"`, String.raw`"\ude00b"`, String.raw`"\ud800\ud83d\ude00"`, String.raw`"\ud83dx"`];
  expect(run('quarantine', 'json', halves)).toEqual({ out: [halves[0]], bad: 4, rejected: 4 });
  expect(run('strip', 'json', halves).out).toEqual([halves[0], '"a"', '"b"', String.raw`"\ud83d\ude00"`, '"x"']);
  expect(run('replace', 'json', halves).out).toEqual([halves[0], String.raw`"a\ufffd"`, String.raw`"\ufffdb"`, String.raw`"\ufffd\ud83d\ude00"`, String.raw`"\ufffdx"`]);
  expect(run('quarantine', 'json', [[0x22, 0xff, 0x22]]).rejected).toBe(1);
  expect(run('replace', 'json', json).out).toEqual([String.raw`"a\ufffdb"`, json[1], String.raw`"\\\ufffd"`]);
});

test('the source\'s rejections come under target names, without what must not leave', () => {
  const normalizer = createNormalizer([spec({ columns: { Email: { hash: { method: 'hmac-sha256', key } }, amount: { drop: true }, id: { rename: 'nr' } } })]);
  normalizer.apply({ type: 'schema', stream: 'public.s', schema });
  normalizer.apply({ type: 'rejected', stream: 'public.s', rejections: [{ id: 'abc', stream: 'public.s', code: 'X', reason: 'a@x is bad', column: 'Email', key: { id: '1' }, row: { id: '1', Email: 'a@x', amount: '2' } }] });
  expect(normalizer.takeRejections()).toEqual([{ id: 'abc', stream: 'public.s', code: 'X', reason: 'Column Email: X.', column: 'Email', key: { nr: '1' }, row: { nr: '1' } }]);
});

test('a masked cursor is refused, a hashed key is told of, a masked or dropped key refused', () => {
  const hashed = spec({ columns: { id: { hash: { method: 'hmac-sha256', key } }, Email: { redact: '' } } });
  expect(maskingProblems(hashed, { key: ['id'], cursor: { column: 'Email' } }).map((each) => [each.level, each.column])).toEqual([['error', 'Email'], ['warning', 'id']]);
  expect(targetSchema(spec({ columns: { id: { truncate: 1 } } }), schema).problems).toMatchObject([{ level: 'error', column: 'id' }]);
  expect(targetSchema(spec({ columns: { id: { drop: true } } }), schema).problems).toMatchObject([{ level: 'error', column: 'id' }]);
});

test('a check on a column that is not read is refused', () => {
  const problems = targetSchema(spec({ columns: { Email: { drop: true } }, checks: [{ check: 'not_null', column: 'Email' }] }), schema).problems;
  expect(problems).toMatchObject([{ level: 'error', column: 'Email' }]);
});

test('text that becomes JSON is searched for escaped NULs', () => {
  const normalizer = createNormalizer([spec({ columns: { amount: { cast: { kind: 'json' } } } })]);
  expect(values(send(normalizer, [{ values: { id: 1, Email: null, amount: String.raw`"a\u0000"` } }]))).toEqual([{ id: 1, Email: null, amount: '"a"' }]);
});

test('the old row is changed as the new one is', () => {
  const normalizer = createNormalizer([spec({ columns: { Email: { redact: 'x' }, amount: { cast: { kind: 'int32' } } } })]);
  expect(send(normalizer, [{ op: 'update', values: { id: 1, Email: 'a', amount: '1' }, before: { id: 1, Email: 'b', amount: 'no number' } }]))
    .toEqual([{ op: 'update', values: { id: 1, Email: 'x', amount: 1 }, before: { id: 1, Email: 'x', amount: null } }]);
});

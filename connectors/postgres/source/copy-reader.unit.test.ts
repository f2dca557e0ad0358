import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena, canonicalText, memoryInUse, viewBytes } from '#batch';
import { copyKinds } from '#kernels';
import { EtlError } from '#sdk';
import { Columns, type ColumnPlan } from './columns.ts';
import { CopyReader } from './copy-reader.ts';
import { CopySocket } from './socket.ts';

const PLANS: readonly ColumnPlan[] = [
  { type: { kind: 'int32' }, kind: copyKinds.int32 },
  { type: { kind: 'text' }, kind: copyKinds.bytes },
  { type: { kind: 'decimal', precision: 12, scale: 3 }, kind: copyKinds.decimal64 },
  { type: { kind: 'decimal', precision: 38, scale: 10 }, kind: copyKinds.decimal128 },
  { type: { kind: 'number' }, kind: copyKinds.number },
  { type: { kind: 'list', element: { kind: 'text' } }, kind: copyKinds.list, element: { type: { kind: 'text' }, kind: copyKinds.bytes } },
  { type: { kind: 'list', element: { kind: 'int64' } }, kind: copyKinds.list, element: { type: { kind: 'int64' }, kind: copyKinds.int64 } },
];

interface Row { i: number | null; t: string | null; d: bigint | null; e: bigint | null; n: { digits: string; scale: number } | null; ta: (string | null)[] | null; ia: (bigint | null)[] | null }

// ── the twin: what a server would send, and the texts that must come of it ───────────────────────────────────────────

const int16 = (value: number): Buffer => { const b = Buffer.alloc(2); b.writeInt16BE(value); return b; };
const int32 = (value: number): Buffer => { const b = Buffer.alloc(4); b.writeInt32BE(value); return b; };
const int64 = (value: bigint): Buffer => { const b = Buffer.alloc(8); b.writeBigInt64BE(value); return b; };
const field = (bytes: Buffer | null): Buffer => (bytes === null ? int32(-1) : Buffer.concat([int32(bytes.length), bytes]));

/** A decimal as numeric_send would: base 10000, zeros at both ends left out. */
function numeric(unscaled: bigint, scale: number): Buffer {
  const sign = unscaled < 0n ? 0x4000 : 0;
  const text = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const whole = text.slice(0, text.length - scale);
  const fraction = text.slice(text.length - scale);
  const padded = whole.padStart(Math.ceil(whole.length / 4) * 4, '0') + fraction.padEnd(Math.ceil(scale / 4) * 4, '0');
  const groups = (padded.match(/.{4}/g) ?? []).map(Number);
  let weight = Math.ceil(whole.length / 4) - 1;
  while (groups.length > 0 && groups[0] === 0) { groups.shift(); weight--; }
  while (groups.length > 0 && groups.at(-1) === 0) groups.pop();
  if (groups.length === 0) weight = 0;
  return Buffer.concat([int16(groups.length), int16(weight), Buffer.from([sign >> 8, 0]), int16(scale), ...groups.map(int16)]);
}

function decimalText(unscaled: bigint, scale: number): string {
  const text = (unscaled < 0n ? -unscaled : unscaled).toString().padStart(scale + 1, '0');
  const fraction = text.slice(text.length - scale).replace(/0+$/, '');
  const whole = text.slice(0, text.length - scale);
  const joined = scale > 0 && fraction ? `${whole}.${fraction}` : whole;
  return unscaled < 0n ? `-${joined}` : joined;
}

function array(elements: readonly (Buffer | null)[] | null): Buffer | null {
  if (elements === null) return null;
  if (elements.length === 0) return Buffer.concat([int32(0), int32(0), int32(25)]);
  return Buffer.concat([int32(1), int32(elements.includes(null) ? 1 : 0), int32(25), int32(elements.length), int32(1), ...elements.map(field)]);
}

const text = (value: string | null): Buffer | null => (value === null ? null : Buffer.from(value));
const nOf = (n: { digits: string; scale: number }): readonly [bigint, number] => [BigInt(n.digits), n.scale];

function encode(row: Row): Buffer {
  return Buffer.concat([int16(7), field(row.i === null ? null : int32(row.i)), field(text(row.t)), field(row.d === null ? null : numeric(row.d, 3)), field(row.e === null ? null : numeric(row.e, 10)),
    field(row.n === null ? null : numeric(...nOf(row.n))), field(array(row.ta && row.ta.map(text))), field(array(row.ia && row.ia.map((each) => (each === null ? null : int64(each)))))]);
}

function expected(row: Row): (string | null)[] {
  return [row.i === null ? null : String(row.i), row.t, row.d === null ? null : decimalText(row.d, 3), row.e === null ? null : decimalText(row.e, 10), row.n === null ? null : decimalText(...nOf(row.n)),
    row.ta && JSON.stringify(row.ta), row.ia && `[${row.ia.map(String).join(',')}]`];
}

const message = (type: string, body: Buffer): Buffer => Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
const HEADER = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');

function stream(rows: readonly Row[]): Buffer {
  const [first, ...rest] = [...rows.map(encode), int16(-1)];
  return Buffer.concat([message('H', Buffer.from([1, 0, 0])), message('d', Buffer.concat([HEADER, first ?? int16(-1)])), ...rest.map((each) => message('d', each)),
    message('c', Buffer.alloc(0)), message('C', Buffer.from('COPY 1\0')), message('Z', Buffer.from('T'))]);
}

async function read(bytes: Buffer, chunk: number): Promise<(string | null)[][]> {
  let at = 0;
  const socket = new Duplex({
    // as a socket does: once it reads, chunk comes after chunk until somebody has enough
    read() {
      while (at <= bytes.length) {
        const end = at === bytes.length;
        const more = this.push(end ? null : bytes.subarray(at, at + chunk));
        at = end ? at + 1 : Math.min(bytes.length, at + chunk);
        if (!more) return;
      }
    },
    write(_bytes, _encoding, done) { done(); },
  });
  const wire = CopySocket.over(socket);
  const reader = new CopyReader(wire, { sql: '', plans: PLANS, maxRowBytes: 1 << 20 });
  const rows: (string | null)[][] = [];
  try {
    for (;;) {
      const next = await reader.next();
      if (!next) return rows;
      for (let i = 0; i < next.length; i++) rows.push(next.vectors.map((vector) => canonicalText(vector, i)));
      next.arena.release();
    }
  } finally {
    reader.close();
    socket.destroy();
    await wire.closed;
  }
}

const nullable = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { nil: null, freq: 5 });
const within = (digits: number): fc.Arbitrary<bigint> => fc.bigInt({ min: -(10n ** BigInt(digits)) + 1n, max: 10n ** BigInt(digits) - 1n });
const words = fc.string({ unit: 'grapheme', maxLength: 100 });
const row: fc.Arbitrary<Row> = fc.record({
  i: nullable(fc.integer()), t: nullable(words), d: nullable(within(12)), e: nullable(within(38)),
  n: nullable(fc.record({ digits: fc.bigInt({ min: -(10n ** 60n), max: 10n ** 60n }).map(String), scale: fc.integer({ min: 0, max: 70 }) })),
  ta: nullable(fc.array(nullable(words), { maxLength: 8 })), ia: nullable(fc.array(nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })), { maxLength: 8 })),
});

test('the kernel reads what its twin wrote, however it is cut', async () => {
  const before = memoryInUse();
  await fc.assert(fc.asyncProperty(fc.array(row, { maxLength: 30 }), fc.integer({ min: 1, max: 3000 }), async (rows, chunk) => {
    expect(await read(stream(rows), chunk)).toEqual(rows.map(expected));
  }), { numRuns: 300 });
  expect(memoryInUse()).toBe(before);
});

test('damaged bytes end in a typed error or in other values, never in a write elsewhere', async () => {
  const guards = new Arena();
  const places = Array.from({ length: 12 }, (_, index) => guards.allocate(1000 * 4 ** (index % 6))).map((pointer, index) => viewBytes(pointer, 1000 * 4 ** (index % 6)).fill(0x5a));
  const clean = Buffer.alloc(1000 * 4 ** 5, 0x5a);
  const before = memoryInUse();
  const damage = fc.array(fc.record({ at: fc.nat(), to: fc.integer({ min: 0, max: 255 }) }), { minLength: 1, maxLength: 6 });
  await fc.assert(fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 10 }), damage, async (rows, changes) => {
    const bytes = stream(rows);
    for (const { at, to } of changes) bytes[at % bytes.length] = to;
    const outcome = await read(bytes, 4096).catch((error: unknown) => error);
    if (outcome instanceof Error) expect(outcome instanceof EtlError || 'severity' in outcome || outcome.message === 'unknown').toBe(true);
    expect(places.every((place) => Buffer.compare(place, clean.subarray(0, place.length)) === 0)).toBe(true);
  }), { numRuns: 1500 });
  expect(memoryInUse()).toBe(before);
  guards.release();
});

test('a server that ends in the middle of a COPY is no end', async () => {
  const bytes = stream([{ i: 1, t: 'a', d: null, e: null, n: null, ta: null, ia: null }]);
  await expect(read(bytes.subarray(0, bytes.length - 20), 4096)).rejects.toMatchObject({ code: 'ETL-PG-001', kind: 'transient' });
});

test('the columns of a wide table share the memory of a batch', () => {
  const taken = (count: number): number => {
    const before = memoryInUse();
    const columns = new Columns(Array.from({ length: count }, (_, i): ColumnPlan => PLANS[i % PLANS.length] ?? { type: { kind: 'text' }, kind: copyKinds.bytes }));
    columns.begin();
    const taken = memoryInUse() - before;
    columns.release();
    return taken;
  };
  expect(taken(1600)).toBeLessThan(taken(64) * 1.1);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena, viewBytes, viewInt32, viewInt64 } from '#batch';
import { copyDescriptor, copyKinds, copyReasons, copyState, copyStatus, kernels } from '#kernels';

interface Numeric { readonly digits: readonly number[]; readonly weight: number; readonly negative: boolean }
interface Column { readonly precision: number; readonly scale: number }

/** The value by whole numbers: exact, or why it has no place. */
function expected({ digits, weight, negative }: Numeric, { precision, scale }: Column): bigint | 'range' {
  const unscaled = digits.reduce((sum, digit) => sum * 10_000n + BigInt(digit), 0n);
  const exponent = 4 * (weight - digits.length + 1) + scale;
  const down = 10n ** BigInt(Math.max(-exponent, 0));
  const value = (unscaled * 10n ** BigInt(Math.max(exponent, 0))) / down;
  if (value * down !== unscaled * 10n ** BigInt(Math.max(exponent, 0)) || value >= 10n ** BigInt(precision)) return 'range';
  return negative ? -value : value;
}

/** A COPY message with one numeric field. */
function message({ digits, weight, negative }: Numeric): Buffer {
  const bytes = Buffer.alloc(5 + 2 + 4 + 8 + 2 * digits.length);
  bytes.write('d', 0, 'latin1');
  bytes.writeInt32BE(bytes.length - 1, 1);
  bytes.writeInt16BE(1, 5);
  bytes.writeInt32BE(8 + 2 * digits.length, 7);
  bytes.writeInt16BE(digits.length, 11);
  bytes.writeInt16BE(weight, 13);
  bytes.writeUInt16BE(negative ? 0x4000 : 0, 15);
  digits.forEach((digit, i) => bytes.writeInt16BE(digit, 19 + 2 * i));
  return bytes;
}

function read(numeric: Numeric, { precision, scale }: Column): bigint | 'range' | 'other' {
  const arena = new Arena();
  try {
    const bytes = message(numeric);
    const [from, data, validity] = [arena.allocate(bytes.length), arena.allocate(16), arena.allocate(1)];
    viewBytes(from, bytes.length).set(bytes);
    const words = viewInt32(arena.allocate(4 * copyDescriptor.words), copyDescriptor.words).fill(0);
    words[copyDescriptor.kind] = precision <= 18 ? copyKinds.decimal64 : copyKinds.decimal128;
    words[copyDescriptor.data] = data;
    words[copyDescriptor.validity] = validity;
    words[copyDescriptor.scale] = scale;
    viewInt64(words.byteOffset + 4 * copyDescriptor.limit, 2).set([BigInt.asIntN(64, 10n ** BigInt(precision)), 10n ** BigInt(precision) >> 64n]);
    const state = viewInt32(arena.allocate(4 * copyState.words), copyState.words).fill(0);
    state[copyState.header] = 1;
    const status = kernels().copyRows(from, from + bytes.length, words.byteOffset, 1, state.byteOffset, 10);
    if (status === copyStatus.rejected) return state[copyState.reason] === copyReasons.range ? 'range' : 'other';
    if (status !== copyStatus.more || state[copyState.rows] !== 1) return 'other';
    const [low = 0n, high = 0n] = viewInt64(data, 2);
    return precision <= 18 ? low : (high << 64n) | BigInt.asUintN(64, low);
  } finally {
    arena.release();
  }
}

const digit = fc.oneof({ weight: 3, arbitrary: fc.nat(9999) }, fc.constantFrom(0, 1, 9, 10, 100, 1000, 5000, 9990, 9900, 9000, 9999));
const numeric: fc.Arbitrary<Numeric> = fc.record({ digits: fc.array(digit, { maxLength: 12 }), weight: fc.integer({ min: -12, max: 12 }), negative: fc.boolean() });
const column: fc.Arbitrary<Column> = fc.integer({ min: 1, max: 38 }).chain((precision) => fc.record({ precision: fc.constant(precision), scale: fc.nat(precision) }));

test('a numeric becomes the decimal that whole numbers say, or is refused', () => {
  fc.assert(fc.property(numeric, column, (value, of) => {
    expect(read(value, of)).toBe(expected(value, of));
  }), { numRuns: 20_000 });
});

test('numbers that fit are exact in every precision and scale', () => {
  const fitting = column.chain((of) => fc.record({ of: fc.constant(of), value: fc.bigInt({ min: 0n, max: 10n ** BigInt(of.precision) - 1n }), negative: fc.boolean() }));
  fc.assert(fc.property(fitting, ({ of, value, negative }) => {
    const places = 4 * Math.ceil(of.scale / 4);
    const text = (value * 10n ** BigInt(places - of.scale)).toString();
    const padded = text.padStart(4 * Math.ceil(text.length / 4), '0');
    const digits = (padded.match(/.{4}/g) ?? []).map(Number);
    expect(read({ digits, weight: digits.length - 1 - places / 4, negative }, of)).toBe(negative ? -value : value);
  }), { numRuns: 20_000 });
});

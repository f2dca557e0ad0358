import type { BatchParts, Vector } from './batch.ts';
import { Arena } from './memory.ts';
import { toTextVector } from './text.ts';
import { NULL, PRESENT } from './types.ts';

const MASK = (1n << 64n) - 1n;

/** Two halves of 32 bits with different seeds: a 64-bit hash without bigints on the way. */
export class RowHash {
  private high = 0;
  private low = 0;

  reset(): void {
    this.high = 0x9e37_79b9 | 0;
    this.low = 0x85eb_ca6b | 0;
  }

  byte(value: number): void {
    this.high = Math.imul(this.high ^ value, 0x0100_0193);
    this.high = Math.imul(this.high ^ (this.high >>> 15), 0x2c1b_3c6d);
    this.low = Math.imul(this.low ^ value, 0x85eb_ca77);
    this.low = (this.low << 13) | (this.low >>> 19);
  }

  /** A text with its length, so that no two rows of texts read the same; a text that is not there is a mark of its own. */
  text(vector: Vector, i: number): void {
    const valid = vector.validity?.[i] ?? PRESENT;
    this.byte(valid);
    if (valid !== PRESENT) return;
    const start = vector.offsets?.[i] ?? 0;
    const end = vector.offsets?.[i + 1] ?? start;
    for (let at = start; at < end; at++) this.byte(vector.data[at] ?? 0);
    const length = end - start;
    this.byte(length & 255);
    this.byte((length >>> 8) & 255);
    this.byte(length >>> 16);
  }

  digest(): bigint {
    return (BigInt(mix(this.high ^ mix(this.low))) << 32n) | BigInt(mix(this.low + mix(this.high) | 0));
  }
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x21f0_aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a_2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

export interface ColumnSum {
  readonly sum: bigint;
  readonly nulls: number;
}
export type Checksums = Readonly<Record<string, ColumnSum>>;

/**
 * Per column the sum modulo 2^64 of a 64-bit hash of each row's key text and value text: order and splitting do not matter,
 * and a NULL counts with its key. A stream without a key sums the values alone.
 */
export function checksum(batch: BatchParts): Checksums {
  const arena = new Arena();
  try {
    const texts = batch.columns.map((vector) => toTextVector(vector, arena));
    const keys = batch.schema.key.flatMap((name) => texts[batch.schema.fields.findIndex((field) => field.name === name)] ?? []);
    return Object.fromEntries(batch.schema.fields.map((field, column) => [field.name, columnSum(keys, texts[column])]));
  } finally {
    arena.release();
  }
}

function columnSum(keys: readonly Vector[], values: Vector | undefined): ColumnSum {
  const hash = new RowHash();
  let sum = 0n;
  let nulls = 0;
  for (let i = 0; i < (values?.length ?? 0); i++) {
    hash.reset();
    for (const key of keys) hash.text(key, i);
    if (values) hash.text(values, i);
    if (values?.validity?.[i] === NULL) nulls++;
    sum = (sum + hash.digest()) & MASK;
  }
  return { sum, nulls };
}

/** The checksums of two sets of rows together. */
export function addChecksums(a: Checksums, b: Checksums): Checksums {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, {
    sum: ((a[name]?.sum ?? 0n) + (b[name]?.sum ?? 0n)) & MASK, nulls: (a[name]?.nulls ?? 0) + (b[name]?.nulls ?? 0),
  }]));
}

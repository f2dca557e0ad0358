import { kernels } from '../kernels/index.ts';
import { varVector, type Arena, type Vector } from '../batch/index.ts';
import type { NormalizeSpec } from './spec.ts';

export type BadTextPolicy = NormalizeSpec['badText'];

export interface Scanned {
  readonly vector: Vector;
  /** Rows that hold bad text, whatever became of it. */
  readonly bad: readonly number[];
}

/** Finds the bad texts of a column, those inside lists and structs too, and repairs them where the policy says so. */
export function scanColumn(vector: Vector, policy: BadTextPolicy, arena: Arena): Scanned {
  switch (vector.type.kind) {
    case 'text': case 'json': case 'number': return scanTexts(vector, policy, arena);
    case 'list': {
      const children = vector.children.map((child) => scanColumn(child, policy, arena));
      return { vector: withChildren(vector, children), bad: rowsOfElements(vector, children[0]?.bad ?? []) };
    }
    case 'struct': {
      const children = vector.children.map((child) => scanColumn(child, policy, arena));
      return { vector: withChildren(vector, children), bad: [...new Set(children.flatMap((child) => child.bad))].sort((a, b) => a - b) };
    }
    default: return { vector, bad: [] };
  }
}

function withChildren(vector: Vector, children: readonly Scanned[]): Vector {
  return children.every((child, i) => child.vector === vector.children[i]) ? vector : { ...vector, children: children.map((child) => child.vector) };
}

function rowsOfElements(vector: Vector, elements: readonly number[]): number[] {
  const rows = new Set<number>();
  let row = 0;
  for (const element of elements) {
    while ((vector.offsets?.[row + 1] ?? Infinity) <= element) row++;
    rows.add(row);
  }
  return [...rows];
}

function scanTexts(vector: Vector, policy: BadTextPolicy, arena: Arena): Scanned {
  if (!vector.offsets || vector.length === 0) return { vector, bad: [] };
  const marks = arena.bytes(vector.length);
  const repairs = policy === 'strip' || policy === 'replace';
  // An escaped NUL is JSON as it came, and arrives so but where repairs are asked for; half a surrogate pair makes whole files unreadable.
  const json = vector.type.kind === 'json' ? (repairs ? 2 : 1) : 0;
  const found = kernels().scanText(vector.data.byteOffset, vector.offsets.byteOffset, vector.length, json, marks.byteOffset);
  if (found === 0) return { vector, bad: [] };
  const bad: number[] = [];
  for (let i = marks.indexOf(1); i >= 0; i = marks.indexOf(1, i + 1)) bad.push(i);
  return { vector: repairs ? repair(vector, bad, policy === 'replace', arena) : vector, bad };
}

/** The column with these values repaired, all others copied as they are. */
function repair(vector: Vector, bad: readonly number[], replace: boolean, arena: Arena): Vector {
  const offsets = vector.offsets ?? new Int32Array(1);
  const repaired = bad.map((row) => repairBytes(vector.data.subarray(offsets[row], offsets[row + 1]), vector.type.kind === 'json', replace));
  const grown = repaired.reduce((sum, bytes, i) => sum + bytes.length - ((offsets[(bad[i] ?? 0) + 1] ?? 0) - (offsets[bad[i] ?? 0] ?? 0)), 0);
  const whole = varVector(vector.type, vector.length, (offsets[vector.length] ?? 0) + grown, arena);
  let row = 0;
  let at = 0;
  const copyTo = (end: number): void => {
    const start = offsets[row] ?? 0;
    whole.data.set(vector.data.subarray(start, offsets[end]), at);
    for (; row < end; row++) whole.offsets[row + 1] = at + (offsets[row + 1] ?? 0) - start;
    at = whole.offsets[end] ?? at;
  };
  bad.forEach((badRow, i) => {
    copyTo(badRow);
    const bytes = repaired[i] ?? new Uint8Array(0);
    whole.data.set(bytes, at);
    at += bytes.length;
    whole.offsets[badRow + 1] = at;
    row = badRow + 1;
  });
  copyTo(vector.length);
  return { ...whole, validity: vector.validity };
}

const REPLACEMENT = Buffer.from('\ufffd');
const JSON_REPLACEMENT = Buffer.from(String.raw`\ufffd`);

/** Without NUL and what is no UTF-8, or with U+FFFD for each such part. Half a surrogate pair in three bytes is one part. */
export function repairBytes(bytes: Uint8Array, json: boolean, replace: boolean): Uint8Array {
  const parts: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  while (at < bytes.length) {
    const escape = json && bytes[at] === 0x5c;
    const good = escape ? escapeLength(bytes, at) : characterLength(bytes, at);
    if (good > 0) {
      at += good;
      continue;
    }
    parts.push(bytes.subarray(from, at));
    if (replace) parts.push(escape ? JSON_REPLACEMENT : REPLACEMENT);
    at += escape ? 6 : isSurrogate(bytes, at) ? 3 : 1;
    from = at;
  }
  parts.push(bytes.subarray(from, Math.max(from, bytes.length)));
  return Buffer.concat(parts);
}

/** The unit that an escape stands for: `\\u0041`. */
function unitAt(bytes: Uint8Array, at: number): number | undefined {
  const digits = /^\\u([0-9a-f]{4})$/i.exec(Buffer.from(bytes.subarray(at, at + 6)).toString('latin1'))?.[1];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** Length of the escape that begins here; 0 where it is of a NUL or of half a surrogate pair. */
function escapeLength(bytes: Uint8Array, at: number): number {
  const unit = unitAt(bytes, at);
  if (unit === undefined) return 2;
  if (unit === 0) return 0;
  if (unit < 0xd800 || unit > 0xdfff) return 6;
  const next = unitAt(bytes, at + 6) ?? 0;
  return unit < 0xdc00 && next >= 0xdc00 && next <= 0xdfff ? 12 : 0;
}

function isSurrogate(bytes: Uint8Array, at: number): boolean {
  return bytes[at] === 0xed && ((bytes[at + 1] ?? 0) & 0xe0) === 0xa0 && isContinuation(bytes[at + 2]);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

/** Length of the well-formed character that begins here, or 0. */
function characterLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return first === 0 ? 0 : 1;
  const length = first < 0xc2 || first > 0xf4 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let i = 1; i < length; i++) if (!isContinuation(bytes[at + i])) return 0;
  const second = bytes[at + 1] ?? 0;
  const outside = (first === 0xe0 && second < 0xa0) || (first === 0xed && second > 0x9f) || (first === 0xf0 && second < 0x90) || (first === 0xf4 && second > 0x8f);
  return outside ? 0 : length;
}

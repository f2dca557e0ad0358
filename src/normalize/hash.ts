import { createHmac, hkdfSync } from 'node:crypto';
import { Arena, canonicalText, isInteger, toTextVector, valueOfText, varVector, vectorOf, type IntegerKind, type LogicalType, type Vector } from '../batch/index.ts';
import { kernels } from '../kernels/index.ts';
import type { Changed } from './cast.ts';
import type { HashKey, HashRule } from './spec.ts';
import { mapTexts } from './texts.ts';

const SALT = 'etl/hash/v1';

/** The key of one domain: values of two domains can't be linked, even by who sees both. */
export function domainKey(key: HashKey, domain: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key.master, SALT, domain, 32));
}

type TaggedKind = Exclude<LogicalType['kind'], IntegerKind>;
const TAGS: Readonly<Record<TaggedKind, string>> = {
  bool: 'b', float32: 'f', float64: 'f', decimal: 'n', number: 'n', text: 's', bytes: 'x', uuid: 'u', date: 'd', time: 'c', timestamp: 't',
  timestamptz: 'z', interval: 'v', json: 'j', list: 'l', struct: 'o',
};

/** One letter that stands before the canonical text: the same for all integers, so that a wider column keeps its hashes. */
export function typeTag(type: LogicalType): string {
  return isInteger(type.kind) ? 'i' : TAGS[type.kind];
}

/** The form of a text that its hash is made of, or null when it has none. */
export function normalForm(text: string, normalizer: HashRule['normalizer']): string | null {
  if (normalizer === 'email') return text.trim().normalize('NFKC').toLowerCase();
  return normalizer === 'phone' ? phoneNumber(text) : text;
}

/** E.164: `+` and 8 to 15 digits. A number without its country's code could be anybody's. */
function phoneNumber(text: string): string | null {
  const digits = text.normalize('NFKC').trim().replace(/^00/, '+').replace(/\(0\)/, '').replace(/[\s().\-/\u2010-\u2015\u00a0]/g, '');
  return /^\+[1-9]\d{7,14}$/.test(digits) ? digits : null;
}

/** The hash of one canonical text: what `etl hash` prints, and what the column holds. Null: it is no value of the type, or has no normal form. */
export function hashValue(rule: HashRule & { readonly domain: string }, text: string, type: LogicalType): string | null {
  const canonical = canonicalOf(text, type);
  const normal = canonical === null ? null : normalForm(canonical, rule.normalizer);
  return normal === null ? null : createHmac('sha256', domainKey(rule.key, rule.domain)).update(typeTag(type) + normal).digest('hex');
}

/** `007` is the integer 7, and only that is hashed; null: the text is no value of the type. */
function canonicalOf(text: string, type: LogicalType): string | null {
  const value = valueOfText(type, text);
  if (value === undefined) return type.kind === 'list' || type.kind === 'struct' ? text : null;
  const arena = new Arena();
  try {
    return canonicalText(vectorOf(type, [value], arena), 0);
  } finally {
    arena.release();
  }
}

const DIGEST: LogicalType = { kind: 'text', maxLength: 64 };

/** Hashes a column; made once per column, since deriving the key takes time. */
export function createHasher(rule: HashRule, domain: string, type: LogicalType): (vector: Vector, arena: Arena) => Changed {
  const key = domainKey(rule.key, domain);
  const tag = typeTag(type).charCodeAt(0);
  return (vector, arena) => {
    const { vector: texts, failed } = normalTexts(toTextVector(vector, arena), rule.normalizer, arena);
    return { vector: hashTexts(texts, key, tag, arena), failed };
  };
}

function hashTexts(texts: Vector, key: Uint8Array, tag: number, arena: Arena): Vector {
  const { length, validity } = texts;
  const states = arena.bytes(96);
  states.set(key, 64);
  const inner = states.byteOffset;
  kernels().hmacStates(inner + 64, key.length, inner, inner + 32);
  const hashes = varVector(DIGEST, length, length * 64, arena);
  kernels().hmacHex(
    texts.data.byteOffset, texts.offsets?.byteOffset ?? 0, validity?.byteOffset ?? 0, length, tag, inner, inner + 32,
    hashes.data.byteOffset, hashes.offsets.byteOffset,
  );
  // What the slab is used for next must not find the key in it.
  states.fill(0);
  return { ...hashes, data: hashes.data.subarray(0, hashes.offsets[length]), validity };
}

/** The texts in the form that is hashed; rows without one are named. */
function normalTexts(texts: Vector, normalizer: HashRule['normalizer'], arena: Arena): Changed {
  if (normalizer === undefined) return { vector: texts, failed: [] };
  if (normalizer === 'email') {
    const lowered = varVector(texts.type, texts.length, texts.offsets?.[texts.length] ?? 0, arena);
    const bytes = kernels().lowerAscii(texts.data.byteOffset, texts.offsets?.byteOffset ?? 0, texts.length, lowered.data.byteOffset, lowered.offsets.byteOffset);
    if (bytes >= 0) return { vector: { ...lowered, data: lowered.data.subarray(0, bytes), validity: texts.validity }, failed: [] };
  }
  return mapTexts(texts, (text) => normalForm(text, normalizer), texts.type, arena);
}

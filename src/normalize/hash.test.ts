import { createHmac, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Arena, toTextVector, UNAVAILABLE_VALUE, valueAt, vectorOf, type LogicalType, type Value } from '#batch';
import { createHasher, domainKey, hashValue, normalForm, typeTag } from './hash.ts';
import type { HashRule } from './spec.ts';

const rule: HashRule = { method: 'hmac-sha256', key: { id: 'k', master: new Uint8Array(32).fill(1) } };

function hashes(type: LogicalType, values: readonly Value[], more: Partial<HashRule> = {}): { out: Value[]; failed: readonly number[] } {
  const arena = new Arena();
  const { vector, failed } = createHasher({ ...rule, ...more }, 'd', type)(vectorOf(type, values, arena), arena);
  const out = values.map((_, i) => valueAt(vector, i));
  arena.release();
  return { out, failed };
}
const expected = (message: string): string => createHmac('sha256', Buffer.from(hkdfSync('sha256', rule.key.master, 'etl/hash/v1', 'd', 32))).update(message).digest('hex');

test('the kernel agrees with node:crypto at every length and whatever lengths lie beside each other', () => {
  const texts = Array.from({ length: 301 }, (_, length) => 'é€x'.repeat(length).slice(0, length));
  const lists: readonly (readonly Value[])[] = [texts, texts.toReversed(), texts.flatMap((text): Value[] => [text, null, '', UNAVAILABLE_VALUE])];
  for (const list of lists) {
    expect(hashes({ kind: 'text' }, list).out).toEqual(list.map((text) => (typeof text === 'string' ? expected(`s${text}`) : text)));
  }
  fc.assert(fc.property(fc.array(fc.option(fc.string({ maxLength: 260 })), { maxLength: 12 }), (list) => {
    expect(hashes({ kind: 'text' }, list).out).toEqual(list.map((text) => text === null ? null : expected(`s${text}`)));
  }));
});

test('all integers of one value have one hash, and no other type shares it', () => {
  expect(hashes({ kind: 'int16' }, [7]).out).toEqual(hashes({ kind: 'uint64' }, [7n]).out);
  expect(hashes({ kind: 'int16' }, [7]).out).not.toEqual(hashes({ kind: 'text' }, ['7']).out);
  expect(hashes({ kind: 'decimal', precision: 9, scale: 2 }, ['7.50']).out).toEqual(hashes({ kind: 'number' }, ['7.5']).out);
});

test('two domains share no hash', () => {
  expect(domainKey(rule.key, 'a')).not.toEqual(domainKey(rule.key, 'b'));
});

test('e-mails and phone numbers are hashed in their normal form, and what has none is named', () => {
  const emails = [' Ada@Example.COM\n', 'ada@example.com'];
  expect(new Set(hashes({ kind: 'text' }, emails, { normalizer: 'email' }).out).size).toBe(1);
  expect(new Set(hashes({ kind: 'text' }, [...emails, '\u00a0ａDA@example.com'], { normalizer: 'email' }).out).size).toBe(1);
  expect(hashes({ kind: 'text' }, ['STRASSE@É.de'], { normalizer: 'email' }).out).toEqual([expected('sstrasse@é.de')]);
  const phones = hashes({ kind: 'text' }, ['+49 (0)30 / 901-820', '0049 30 901820', '030 901820', null, 'call me'], { normalizer: 'phone' });
  expect(phones.out[0]).toBe(expected('s+4930901820'));
  expect(phones.out[1]).toBe(phones.out[0]);
  expect(phones.failed).toEqual([2, 4]);
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom('a', 'Z', '@', '[', ' ', '\t', '\u00e9', '\u212b') }), (text) => {
    expect(hashes({ kind: 'text' }, [text], { normalizer: 'email' }).out).toEqual([expected(`s${normalForm(text, 'email') ?? ''}`)]);
  }));
});

test('the hash of one value is the column\'s', () => {
  for (const [type, text] of [[{ kind: 'int32' }, '-12'], [{ kind: 'date' }, '2026-03-08'], [{ kind: 'bytes' }, '00ff'], [{ kind: 'float64' }, '0.1']] as const) {
    const arena = new Arena();
    const vector = vectorOf(type, [hashedValue(type, text)], arena);
    expect(valueAt(toTextVector(vector, arena), 0)).toBe(text);
    expect(hashes(type, [hashedValue(type, text)]).out[0]).toBe(hashValue({ ...rule, domain: 'd' }, text, type));
    arena.release();
  }
  expect(hashValue({ ...rule, domain: 'd' }, '007', { kind: 'int64' })).toBe(expected('i7'));
  expect(hashValue({ ...rule, domain: 'd' }, 'x', { kind: 'int64' })).toBeNull();
});
function hashedValue(type: LogicalType, text: string): Value {
  if (type.kind === 'bytes') return Uint8Array.from(Buffer.from(text, 'hex'));
  return type.kind === 'date' ? text : Number(text);
}

test('the published vectors hold', () => {
  const page = readFileSync(new URL('../../docs/hashing.md', import.meta.url), 'utf8');
  const vectors = [...page.matchAll(/^\| `([^`]*)` \| (\w+) \| (\w*) \| `([^`]*)` \| `([\da-f]{64})` \|$/gm)];
  expect(vectors.length).toBeGreaterThan(10);
  const master = Uint8Array.from({ length: 32 }, (_, i) => i);
  for (const [, text = '', kind = '', normalizer, domain = '', digest] of vectors) {
    const type = (kind === 'decimal' ? { kind, precision: 18, scale: 2 } : { kind }) as LogicalType;
    const normal = normalizer === 'email' || normalizer === 'phone' ? { normalizer } as const : {};
    expect(hashValue({ method: 'hmac-sha256', key: { id: 'k', master }, domain, ...normal }, text, type), `${typeTag(type)}${text}`).toBe(digest);
  }
});

import { createRequire } from 'node:module';
import { expect, test } from 'vitest';

interface PgCrypto {
  randomBytes(length: number): Uint8Array;
  md5(data: string): Promise<string>;
  hashByName(name: string, data: Uint8Array): Promise<ArrayBuffer>;
  sha256(data: Uint8Array): Promise<ArrayBuffer>;
  hmacSha256(key: Uint8Array, data: string): Promise<ArrayBuffer>;
  deriveKey(password: string, salt: Uint8Array, iterations: number): Promise<ArrayBuffer>;
  postgresMd5PasswordHash(user: string, password: string, salt: Uint8Array): Promise<string>;
}

const require = createRequire(import.meta.url);
const ours = require('./pg-crypto.cjs') as PgCrypto;
const theirs = require('pg/lib/crypto/utils') as PgCrypto;
const hex = async (bytes: Promise<ArrayBuffer>) => Buffer.from(await bytes).toString('hex');

test.each(['secret', 'p\u00e4$$w\u00f6rd', '', 'x'.repeat(200)])('the bundle logs in as pg does: %j', async (password) => {
  const salt = Buffer.from('0123456789abcdef');
  for (const iterations of [1, 4096]) expect(await hex(ours.deriveKey(password, salt, iterations))).toBe(await hex(theirs.deriveKey(password, salt, iterations)));
  expect(await hex(ours.hmacSha256(salt, password))).toBe(await hex(theirs.hmacSha256(salt, password)));
  expect(await hex(ours.sha256(Buffer.from(password)))).toBe(await hex(theirs.sha256(Buffer.from(password))));
  for (const name of ['SHA-256', 'SHA-384', 'SHA-512']) expect(await hex(ours.hashByName(name, salt))).toBe(await hex(theirs.hashByName(name, salt)));
  expect(await ours.md5(password)).toBe(await theirs.md5(password));
  expect(await ours.postgresMd5PasswordHash('me', password, salt)).toBe(await theirs.postgresMd5PasswordHash('me', password, salt));
  expect(ours.randomBytes(18)).toHaveLength(18);
});

test('all that pg asks for is there', () => {
  expect(Object.keys(ours).toSorted()).toEqual(Object.keys(theirs).toSorted());
});

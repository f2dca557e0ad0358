/** docs/protocol.md, the code and the tests tell the same story: every rule stands in all three. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));
/** Rules of routes that are not here yet: outbox, REST, raw prefixes of an object store, Kafka. */
const LATER = new Set([20, 21, 25, 27]);

function cited(folders: readonly string[], wanted: (file: string) => boolean): Set<number> {
  const texts = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|md)$/.test(entry.name) && wanted(join(entry.parentPath, entry.name)))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')));
  const lists = texts.flatMap((text) => [...text.matchAll(/\brules? ((?:\d+)(?:(?:, | and |, and |–)\d+)*)/g)].map((match) => match[1] ?? ''));
  return new Set(lists.flatMap((list) => {
    const range = /^(\d+)–(\d+)$/.exec(list);
    if (range) return Array.from({ length: Number(range[2]) - Number(range[1]) + 1 }, (_, i) => Number(range[1]) + i);
    return list.split(/\D+/).map(Number);
  }));
}

const isTest = (file: string): boolean => file.includes('.test.ts') || file.includes('/testing/') || file.includes('/test/');
const rules = [...readFileSync(join(root, 'docs/protocol.md'), 'utf8').matchAll(/^(\d+)\. /gm)].map((match) => Number(match[1])).filter((rule) => !LATER.has(rule));

test('the docs hold the rules', () => {
  expect(rules.length).toBe(28);
});

test('every rule is cited at the code that keeps it', () => {
  const code = cited(['src', 'connectors'], (file) => !isTest(file) && file.endsWith('.ts'));
  expect(rules.filter((rule) => !code.has(rule))).toEqual([]);
});

test('every rule is named by a test', () => {
  const tests = cited(['src', 'connectors', 'test'], (file) => isTest(file) && file.endsWith('.ts'));
  expect(rules.filter((rule) => !tests.has(rule))).toEqual([]);
});

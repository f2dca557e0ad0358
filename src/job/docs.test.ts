import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { jobJsonSchema } from './json-schema.ts';

const page = readFileSync(new URL('../../docs/job.md', import.meta.url), 'utf8');
const LATER = 'not available in this version';

/** Every key that may stand somewhere in a job, but those that this version refuses. */
function keysOf(schema: unknown, into = new Set<string>()): Set<string> {
  if (typeof schema !== 'object' || schema === null) return into;
  for (const [name, value] of Object.entries(schema)) {
    if (name === 'properties' && typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) if ((inner as { description?: string }).description !== LATER) into.add(key);
    }
    keysOf(value, into);
  }
  return into;
}

const known = keysOf(jobJsonSchema());

test('docs/job.md names every key of a job', () => {
  const missing = [...known].filter((key) => !new RegExp(`\`[^\`]*(?<![\\w-])${key}(?![\\w-])[^\`]*\``).test(page));
  expect(missing).toEqual([]);
});

test('docs/job.md names no key that a job can not have', () => {
  const cells = page.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split('|')[1] ?? '');
  const named = cells.flatMap((cell) => [...cell.matchAll(/`([\w.]+)`/g)].map((match) => match[1] ?? ''));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((key) => !known.has(key))).toEqual([]);
});

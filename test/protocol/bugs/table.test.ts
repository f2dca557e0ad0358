import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { LIMIT_SECONDS } from './harness.ts';
import { NAMES, PLANTED } from './planted.ts';
import { foundBefore, plantedRows } from './table.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));

test('every mistake that the harness is trusted by is planted, under its name', () => {
  expect(NAMES.filter((name) => !PLANTED.some((bug) => bug.name === name || bug.name.startsWith(`${name} `) || bug.name.startsWith(`${name}, `)))).toEqual([]);
});

test('what a mistake changes stands in the code, once', () => {
  const wrong = PLANTED.flatMap(({ name, edits }) => edits.map(({ file, find }) => ({ name, file, find, times: readFileSync(join(root, file), 'utf8').split(find).length - 1 })));
  expect(wrong.filter(({ times }) => times !== 1)).toEqual([]);
});

test('docs/testing.md has a row for each mistake that is planted, found in under five minutes', () => {
  expect(plantedRows()).toEqual(PLANTED.map(({ name, edits }) => `${name} | ${[...new Set(edits.map((edit) => edit.file))].join(', ')}`));
  const found = foundBefore();
  expect([...found].filter(([, { seconds }]) => seconds >= LIMIT_SECONDS)).toEqual([]);
});

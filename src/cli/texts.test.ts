import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allTexts } from './texts.ts';

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.includes('.test.') && !entry.parentPath.includes('testing'))
    .map((entry) => join(entry.parentPath, entry.name));
}

test('every code that the source uses has a text', async () => {
  const texts = await allTexts();
  const missing = ['src', 'connectors'].flatMap(sources).flatMap((file) => {
    const text = readFileSync(file, 'utf8').replaceAll(/\/\*\*[\s\S]*?\*\//g, '');
    const codes = new Set(text.match(/(?<=['"`])ETL-[A-Z]+-(?:\d{3}|[A-Z]+)(?=['"`])/g) ?? []);
    return [...codes].filter((code) => !Object.hasOwn(texts, code)).map((code) => `${file}: ${code}`);
  });
  expect(missing).toEqual([]);
});

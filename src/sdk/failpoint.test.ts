import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

test('docs/testing.md lists the failpoints that there are', () => {
  const names = ['src', 'connectors'].flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.includes('.test.'))
    .flatMap((entry) => [...readFileSync(join(entry.parentPath, entry.name), 'utf8').matchAll(/failpoint\('([^']+)'/g)].map((match) => match[1] ?? '')));
  const listed = [...readFileSync(join(root, 'docs/testing.md'), 'utf8').matchAll(/^- `([^`]+)`$/gm)].map((match) => match[1]);
  expect(listed).toEqual([...new Set(names)].sort());
});

/** The house's rules that no linter knows: who may import whom. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../', import.meta.url));

/** What each room may import besides itself, `errors` and node:. A connector: see below. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  kernels: ['batch'],
  batch: ['kernels'],
  sdk: ['batch', 'kernels'],
  normalize: ['batch', 'kernels', 'sdk'],
  job: ['batch', 'sdk', 'normalize'],
  plan: ['batch', 'sdk', 'job', 'normalize'],
  state: ['batch', 'sdk'],
  observe: ['batch', 'sdk'],
  pipeline: ['batch', 'sdk', 'normalize', 'state', 'observe'],
  engine: ['batch', 'sdk', 'job', 'plan', 'pipeline', 'normalize', 'state', 'observe'],
  cli: ['batch', 'sdk', 'job', 'plan', 'pipeline', 'engine', 'normalize', 'state', 'observe', 'connectors/registry.ts'],
};
const ALIASES: Readonly<Record<string, string>> = { '#sdk': 'src/sdk/index.ts', '#batch': 'src/batch/index.ts', '#kernels': 'src/kernels/index.ts', '#testing': 'src/sdk/testing/index.ts' };

function files(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.d.ts') && !entry.parentPath.includes('kernels/as'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = [...text.matchAll(/(?:^|\n)(?:import|export)\s[^;]*?from '([^']+)'|import\('([^']+)'\)/g)].map((match) => match[1] ?? match[2] ?? '');
  return found.map((target) => ALIASES[target] ?? (target.startsWith('.') ? relative(root, resolve(root, dirname(file), target)) : target));
}

const roomOf = (file: string): string => (file.startsWith('src/') ? (file.split('/')[1] ?? '') : file.split('/').slice(0, 2).join('/'));
const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.startsWith('src/sdk/testing/');

test('src imports only what its room may', () => {
  const wrong = files('src').filter((file) => !isTest(file)).flatMap((file) => {
    const room = roomOf(file);
    const allowed = ALLOWED[room];
    return importsOf(file)
      .filter((target) => target.startsWith('src/') || target.startsWith('connectors/') || target.startsWith('test/'))
      .filter((target) => roomOf(target) !== room && roomOf(target) !== 'errors' && !allowed?.includes(roomOf(target)) && !allowed?.includes(target))
      .map((target) => `${file} → ${target}`);
  });
  expect(wrong).toEqual([]);
});

test('a connector imports the SDK, what connectors share, and its own driver', () => {
  const wrong = files('connectors').filter((file) => !isTest(file) && file !== 'connectors/registry.ts').flatMap((file) =>
    importsOf(file)
      .filter((target) => target.startsWith('src/') || target.startsWith('connectors/') || target.startsWith('test/'))
      .filter((target) => !Object.values(ALIASES).includes(target) && roomOf(target) !== roomOf(file) && roomOf(target) !== 'connectors/_shared')
      .map((target) => `${file} → ${target}`));
  expect(wrong).toEqual([]);
});

test('the only barrel that gathers rooms is the SDK', () => {
  const barrels = files('src').filter((file) => file.endsWith('/index.ts') && !isTest(file) && readFileSync(join(root, file), 'utf8').includes("from '../") && roomOf(file) !== 'cli');
  expect(barrels.filter((file) => file !== 'src/sdk/index.ts' && file !== 'src/kernels/index.ts')).toEqual([]);
});

/** What a start rests on: the form of the program that the build has compiled, which must never be another program's. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'etl-start-'));
  for (const name of ['bin', 'dist/bundle', 'package.json']) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
});
afterEach(() => { rmSync(folder, { recursive: true, force: true }); });

const run = (...argv: string[]): string => execFileSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const refused = (): string => run('-p', "require('./bin/load.js').scripts.get('etl.cjs').script.cachedDataRejected").trim();

test('the compiled form is the one that runs', () => {
  expect(refused()).toBe('false');
});

test('a compiled form of another build, a cut one and none at all are passed over', () => {
  const file = join(folder, 'dist/bundle/src/cli/etl.cjs.compiled');
  const whole = readFileSync(file);
  const explain = run('bin/etl.js', 'explain', 'ETL-PG-001');
  const other = Buffer.from(whole);
  other.write(whole.toString('latin1', 3, 4) === '0' ? '1' : '0', 3); // the first digit of its mark
  for (const data of [other, whole.subarray(0, whole.length >> 1), whole.subarray(0, 72), Buffer.alloc(0)]) {
    writeFileSync(file, data);
    expect(refused()).not.toBe('false');
    expect(run('bin/etl.js', 'explain', 'ETL-PG-001')).toBe(explain);
  }
  rmSync(file);
  expect(run('bin/etl.js', 'explain', 'ETL-PG-001')).toBe(explain);
});

test('standard input is left to who reads it: no argument is taken from there', () => {
  const count = execFileSync('sh', ['-c', `printf 'a\\nb\\n' | { "$0" bin/etl.js run nothing.yaml 2>/dev/null; cat; }`, process.execPath], { cwd: folder, encoding: 'utf8' });
  expect(count).toBe('a\nb\n');
});

test('without its optional driver DuckDB alone is missing, by name', () => {
  rmSync(join(folder, 'node_modules'));
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) if (name !== '@duckdb') symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  writeFileSync(join(folder, 'job.yaml'), `{ version: 1, name: x, connections: { s: { type: postgres, url: "postgres://u@127.0.0.1:1/d" }, d: { type: duckdb, path: a.duckdb } }, source: s, target: d, streams: { public.a: {} } }`);
  expect(run('bin/etl.js', 'connectors', 'list')).toContain('duckdb');
  expect(run('bin/etl.js', 'explain')).toContain('ETL-DUCK-004');
  expect(spawnSync(process.execPath, ['bin/etl.js', 'lint', 'job.yaml'], { cwd: folder }).status).toBe(0);
  const { status, stderr } = spawnSync(process.execPath, ['bin/etl.js', 'run', 'job.yaml'], { cwd: folder, encoding: 'utf8' });
  expect(stderr).toContain('ETL-DUCK-004');
  expect(stderr).toContain('npm install @duckdb/node-api');
  expect(status).toBe(2);
});

/** The example of docs/writing-connectors.md, as a user runs it: twice, the second time with one new file. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Far from the package: `from 'etl'` must be found from there, too. */
const folder = mkdtempSync(join(tmpdir(), 'etl-example-'));
afterAll(() => { rmSync(folder, { recursive: true, force: true }); });

interface Summary { readonly ok: boolean; readonly summary: unknown; readonly result: { readonly streams: readonly { readonly written: number }[] } }

async function run(...more: string[]): Promise<Summary> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'bin/etl.js'), 'run', join(folder, 'job.yaml'), '--json', ...more], { timeout: 60_000 });
  return JSON.parse(stdout) as Summary;
}

const rowsOf = ({ result }: Summary): readonly number[] => result.streams.map((stream) => stream.written);

test('a connector from a file named in the job runs, goes on, and is rebuilt', async () => {
  cpSync(join(root, 'examples/connector'), folder, { recursive: true });
  expect(rowsOf(await run())).toEqual([2]);
  writeFileSync(join(folder, 'data/2026-01-02.json'), '[{ "id": 2, "customer": "Grace", "total": "8.00", "placed_at": "2026-01-02T08:00:00Z" }]');
  expect(rowsOf(await run())).toEqual([1]);
  expect(rowsOf(await run())).toEqual([0]);
  expect(rowsOf(await run('--full-refresh'))).toEqual([3]);
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const connection = await (await DuckDBInstance.create(join(folder, 'orders.duckdb'))).connect();
  const reader = await connection.runAndReadAll('select id::text, customer, total::text from orders order by id');
  expect(reader.getRows()).toEqual([['1', 'Ada', '12.50'], ['2', 'Grace', '8.00']]);
  connection.closeSync();
});

test('the package as it is published holds the types: tsc checks the example with the settings of the guide', async () => {
  const stranger = join(folder, 'stranger');
  mkdirSync(join(stranger, 'node_modules/etl'), { recursive: true });
  const { stdout } = await promisify(execFile)('npm', ['pack', '--ignore-scripts', '--pack-destination', stranger], { cwd: root });
  await promisify(execFile)('tar', ['-xzf', join(stranger, stdout.trim()), '-C', join(stranger, 'node_modules/etl'), '--strip-components=1']);
  for (const name of ['zod', '@types']) symlinkSync(join(root, 'node_modules', name), join(stranger, 'node_modules', name));
  writeFileSync(join(stranger, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(stranger, 'tsconfig.json'), /```json\n(.*)\n```/.exec(readFileSync(join(root, 'docs/writing-connectors.md'), 'utf8'))?.[1] ?? '');
  cpSync(join(root, 'examples/connector/my-source.ts'), join(stranger, 'my-source.ts'));
  const check = (): Promise<unknown> => promisify(execFile)(process.execPath, [join(root, 'node_modules/typescript/bin/tsc')], { cwd: stranger });
  await check();
  writeFileSync(join(stranger, 'wrong.ts'), readFileSync(join(stranger, 'my-source.ts'), 'utf8').replace("'int64'", "'boolean'"));
  await expect(check()).rejects.toMatchObject({ stdout: expect.stringMatching(/^wrong\.ts\(\d+,\d+\): error TS2322: .*"boolean"/) as string });
});

test('the guide shows the example as it is', () => {
  const guide = readFileSync(join(root, 'docs/writing-connectors.md'), 'utf8');
  expect(guide).toContain(`\`\`\`ts\n${readFileSync(join(root, 'examples/connector/my-source.ts'), 'utf8')}\`\`\``);
  expect(guide).toContain(`\`\`\`yaml\n${readFileSync(join(root, 'examples/connector/job.yaml'), 'utf8')}\`\`\``);
});

/**
 * `npm test`: all that this machine has runtimes for, one stage after the other, then a line `N passed, N failed`.
 * What was left out is said loudly at the end; with CI=true it is a failure.
 */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'etl-test-'));
chmodSync(scratch, 0o755); // as root, Postgres runs as another user
let passed = 0;
let failed = 0;
const leftOut: string[] = [];

function run(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', () => { resolve(127); });
    child.once('exit', (code) => { resolve(code ?? 1); });
  });
}

function count(stage: string, code: number): void {
  if (code === 0) passed++;
  else failed++;
  process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'}: ${stage}\n`);
}

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[] }[];
}

/** Vitest's own counts, so that the last line tells tests and not stages. */
async function vitest(project: string): Promise<void> {
  const report = join(scratch, `${project}.json`);
  const code = await run('npx', ['vitest', 'run', '--project', project, '--reporter=default', '--reporter=json', `--outputFile=${report}`]);
  const counts = JSON.parse(readFileSync(report, 'utf8')) as Report;
  passed += counts.numPassedTests;
  failed += counts.numFailedTests + (code !== 0 && counts.numFailedTests === 0 ? 1 : 0);
  for (const { status, fullName } of counts.testResults.flatMap((file) => file.assertionResults)) if (status === 'skipped' || status === 'pending') leftOut.push(`${project}: ${fullName}`);
}

/** The same plan each time, so that a red run can be looked at; other seeds are drawn by campaigns. */
async function crash(): Promise<void> {
  const routes = ['postgres-parquet', 'postgres-duckdb', 'postgres-postgres'];
  const codes = await Promise.all(routes.map((route) => run(process.execPath, ['dist/test/crash/main.js', '--route', route, '--kills', '50', '--seed', '8'])));
  for (const [index, route] of routes.entries()) count(`50 kills on ${route}`, codes[index] ?? 1);
}

/** Python reads Parquet back through pyarrow, which its ordinary client installs into a folder of ours. */
async function python(): Promise<string | undefined> {
  const venv = join(tmpdir(), `etl-pyarrow-${process.getuid?.() ?? 0}`);
  const interpreter = join(venv, 'bin', 'python');
  if ((await run(interpreter, ['-c', 'import pyarrow'])) === 0) return interpreter;
  if ((await run('python3', ['-m', 'venv', venv])) !== 0) return undefined;
  return (await run(interpreter, ['-m', 'pip', 'install', '--quiet', 'pyarrow'])) === 0 ? interpreter : undefined;
}

const interpreter = await python();
if (interpreter) process.env['ETL_TEST_PYTHON'] = interpreter;
else leftOut.push('Parquet read back by pyarrow: no python3 with venv and pip here');

count('generated files', await run(process.execPath, ['src/cli/pages.mjs', '--check']));
count('dead code', await run('npx', ['knip', '--no-progress']));
count('lint', await run('npx', ['oxlint', '--type-aware']));
await vitest('unit');
await vitest('service');
// as on a fresh machine: what an earlier checkout left in its folder belongs to its own user
for (const time of ['quickstart', 'quickstart, the second time']) count(time, await run(process.execPath, ['dist/test/quickstart.js'], { TMPDIR: scratch }));
await crash();
rmSync(scratch, { recursive: true, force: true });

for (const what of leftOut) process.stdout.write(`\nLEFT OUT: ${what}\n`);
if (process.env['CI'] === 'true') failed += leftOut.length;
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;

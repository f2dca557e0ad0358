import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';
import type { WriteMode } from '#sdk';

/** One place where a mistake is put in: `find` must stand there exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What must fail once the mistake is in. */
export type Catcher =
  /** `npm run rounds` into this destination. */
  | { readonly rounds: string; readonly write?: WriteMode }
  /** A test file, or those of its tests whose names begin so; the names of the failing ones are the answer. */
  | { readonly suite: string; readonly project: 'unit' | 'service'; readonly only?: string }
  /** `npm run crash` on this route. */
  | { readonly crash: string; readonly seed: number };

export interface PlantedBug {
  readonly name: string;
  readonly edits: readonly Edit[];
  readonly catcher: Catcher;
}

export interface Verdict {
  readonly bug: PlantedBug;
  /** What failed, in a line; undefined: nothing did. */
  readonly caughtBy: string | undefined;
  readonly seconds: number;
}

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const LIMIT_SECONDS = 300;

function copyOf(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'etl-bug-'));
  for (const part of ['src', 'connectors', 'test', 'docs', 'package.json', 'vitest.config.ts']) cpSync(join(root, part), join(folder, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** The sources as they are now: all mistakes are put into copies of these, whatever is edited meanwhile. */
const pristine = copyOf(ROOT);
process.once('exit', () => { rmSync(pristine, { recursive: true, force: true }); });

/** A copy of the sources with the mistake in it: the product never holds one. */
function plant(bug: PlantedBug): string {
  const folder = copyOf(pristine);
  for (const { file, find, replace } of bug.edits) {
    const path = join(folder, file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2) throw new Error(`${bug.name}: what it changes stands ${parts.length - 1} times in ${file}: ${find}`);
    writeFileSync(path, parts.join(replace));
  }
  return folder;
}

const controls = new Map<string, Promise<string | undefined>>();
const CONTROL_SECONDS = 40;

/** A catcher that fails without a mistake catches nothing: each is asked once. */
async function mustPassAlone(catcher: Catcher): Promise<void> {
  const name = 'crash' in catcher ? catcher.crash : JSON.stringify(catcher);
  const control = controls.get(name) ?? look(catcher, { folder: pristine, edits: [], seconds: CONTROL_SECONDS });
  controls.set(name, control);
  const failed = await control;
  if (failed !== undefined) throw new Error(`without a mistake it fails too: ${failed}`);
}

/** Puts the mistake in and lets its catcher look for it. */
export async function hunt(bug: PlantedBug): Promise<Verdict> {
  await mustPassAlone(bug.catcher);
  const started = performance.now();
  const folder = plant(bug);
  try {
    const caughtBy = await look(bug.catcher, { folder, edits: bug.edits, seconds: LIMIT_SECONDS - 30 });
    return { bug, caughtBy, seconds: Math.round((performance.now() - started) / 1000) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Place { readonly folder: string; readonly edits: readonly Edit[]; readonly seconds: number }

function look(catcher: Catcher, place: Place): Promise<string | undefined> {
  if ('rounds' in catcher) return byRounds(place.folder, catcher, place.seconds);
  return 'crash' in catcher ? byCrash(catcher, place) : bySuite(place.folder, catcher);
}

async function byRounds(folder: string, { rounds: destination, write }: { readonly rounds: string; readonly write?: WriteMode }, seconds: number): Promise<string | undefined> {
  const { output, code } = await run(folder, ['--conditions=etl-source', '--import', join(folder, 'test/helpers/run-ts.mjs'), join(folder, 'test/protocol/rounds-cli.ts'),
    '--destination', destination, '--rounds', '100000', '--seconds', String(seconds), ...(write ? ['--write', write] : [])]);
  const [, seed] = /, seed (\d+) \(/.exec(output) ?? [];
  if (code === 0) return undefined;
  if (seed === undefined) throw new Error(`the rounds did not run:\n${output.slice(-2000)}`);
  const reason = /^(lost|doubled|wrong|unexpected|out of order): .*$/m.exec(output)?.[1] ?? output.split('\n')[0]?.replace(/^.*\): /, '') ?? '';
  return `rounds into ${destination}, seed ${seed}: ${reason}`;
}

interface SuiteReport {
  readonly testResults: readonly { readonly message: string; readonly assertionResults: readonly { readonly status: string; readonly title: string }[] }[];
}

async function bySuite(folder: string, { suite, project, only }: { readonly suite: string; readonly project: string; readonly only?: string }): Promise<string | undefined> {
  const report = join(folder, 'report.json');
  const { output, code } = await run(folder, [join(folder, 'node_modules/vitest/vitest.mjs'), 'run', '--project', project, suite, '--reporter', 'json', '--outputFile', report, ...(only === undefined ? [] : ['-t', only])]);
  if (code === 0) return undefined;
  const { testResults } = JSON.parse(readFileSync(report, 'utf8')) as SuiteReport;
  const failed = testResults.flatMap(({ assertionResults }) => assertionResults.filter((test) => test.status === 'failed').map((test) => test.title));
  if (failed.length === 0) throw new Error(`the suite did not run:\n${testResults.map((file) => file.message).join('\n')}\n${output.slice(-2000)}`);
  return `${suite}: ${failed[0]}${failed.length > 1 ? ` and ${failed.length - 1} more` : ''}`;
}

/** Real processes run what was built: only what was edited is compiled again. */
async function byCrash({ crash: route, seed }: { readonly crash: string; readonly seed: number }, { folder, edits, seconds }: Place): Promise<string | undefined> {
  for (const part of ['bin', 'dist']) cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  for (const file of new Set(edits.map((edit) => edit.file))) {
    const { code } = await transform(readFileSync(join(folder, file), 'utf8'), { loader: 'ts', target: 'es2022', tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } } });
    writeFileSync(join(folder, 'dist', file.replace(/ts$/, 'js')), code.replaceAll(/((?:from |import\()"\.[^"]*)\.ts"/g, '$1.js"'));
  }
  const built = await run(folder, [join(folder, 'src/cli/bundle.mjs')]);
  if (built.code !== 0) throw new Error(`it could not be built:\n${built.output.slice(-2000)}`);
  const { output } = await run(folder, [join(folder, 'dist/test/crash/main.js'), '--route', route, '--kills', '10000', '--seed', String(seed), '--failures', '1', '--seconds', String(seconds)]);
  if (!output.includes(' breaks in ')) throw new Error(`the campaign did not run:\n${output.slice(-2000)}`);
  const fault = /FAILED: (.*)/.exec(output)?.[1];
  const [, breaks] = / (\d+) breaks survived/.exec(output) ?? [];
  return fault === undefined ? undefined : `crash on ${route}, seed ${seed}, after ${breaks} breaks: ${fault.slice(0, 160)}`;
}

function run(folder: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  return new Promise((resolve) => { child.once('exit', (code) => { resolve({ code, output }); }); });
}

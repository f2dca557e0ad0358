import { EXIT, exitOfKind } from './exit.ts';
import { asEtlError, printError } from './command.ts';
import { run } from './oclif.ts';
import { Output } from './output.ts';
import { etlPlugin } from './plugin.ts';

/** What a connector in a file imports as `etl`: of this copy of the program, so that its errors are known as ours. */
export const sdk = () => import('../sdk/index.ts');

/** Everything behind bin/etl.js but the pre-generated help. `root` is the folder of package.json. */
export async function main(argv: readonly string[], root: string): Promise<void> {
  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });
  try {
    const plugin = etlPlugin(root);
    await run([...argv], { root, pjson: plugin.pjson, plugins: new Map([[plugin.name, plugin]]) });
  } catch (error) {
    fail(error);
  }
}

/** The end of the process: what was said is out, and what a driver left open holds nothing up. */
export async function leave(): Promise<never> {
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(process.exitCode ?? EXIT.ok);
}

/** What no command has caught. */
function fail(error: unknown): void {
  const known = asEtlError(error);
  printError(known, new Output({ env: process.env, quiet: false, verbose: false, json: false }));
  process.exitCode = exitOfKind(known.kind);
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

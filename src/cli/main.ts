import { EXIT, exitOfKind } from './exit.ts';
import { asEtlError, printError } from './command.ts';
import { Output } from './output.ts';
import { commandOf } from './command-table.ts';

/** What a connector in a file imports as `etl`: of this copy of the program, so that its errors are known as ours. */
export const sdk = () => import('../sdk/etl.ts');

/** Everything behind bin/etl.js but the pre-generated help. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const { name, load, rest } = commandOf(argv);
    await (await load()).default.run(name, rest);
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
  printError(known, new Output({ env: process.env, quiet: false, verbose: false, json: false, debug: false }));
  process.exitCode = exitOfKind(known.kind);
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

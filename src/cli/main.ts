import { run } from '@oclif/core';
import { EXIT, exitOfKind } from './exit.ts';
import { asEtlError, printError } from './command.ts';
import { Output } from './output.ts';

/** Everything behind bin/etl.js but the pre-generated help. Never hangs on what a driver left open. */
export async function main(argv: readonly string[], root: string): Promise<void> {
  try {
    await run([...argv], root);
  } catch (error) {
    const known = asEtlError(error);
    printError(known, new Output({ env: process.env, quiet: false, verbose: false, json: false }));
    process.exitCode = exitOfKind(known.kind);
  }
  await Promise.all([drained(process.stdout), drained(process.stderr)]);
  process.exit(process.exitCode ?? EXIT.ok);
}

function drained(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()));
}

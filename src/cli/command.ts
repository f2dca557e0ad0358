import type * as z from 'zod';
import { Flags, parse, type ArgInput, type FlagInput, type Input, type ParserOutput, type Values } from './oclif.ts';
import { EtlError, type SourceLocation } from '../errors/error.ts';
import { THROWN, type ReportedError } from '../engine/events.ts';
import { exact } from '../observe/redact.ts';
import { explainCommand } from './connectors.ts';
import type { envelopeSchema } from './envelope.ts';
import { EXIT, exitOfKind } from './exit.ts';
import { Output } from './output.ts';
import { leftOf } from './strays.ts';
import type { Diagnostic } from '../job/diagnostics.ts';

/** What a command hands back: its words for people are printed by then. */
export interface Outcome {
  readonly summary: string;
  readonly result: unknown;
  readonly exitCode?: number;
  /** The command did not reach its end, though it has a result: a failed run. */
  readonly error?: ErrorEnvelope;
}

type Envelope = z.infer<typeof envelopeSchema>;
export type ErrorEnvelope = NonNullable<Envelope['error']>;

export const baseFlags = {
  json: Flags.boolean({ description: 'One JSON object on stdout, everything else on stderr.', helpGroup: 'GLOBAL' }),
  quiet: Flags.boolean({ char: 'q', description: 'Errors only.', helpGroup: 'GLOBAL' }),
  verbose: Flags.boolean({ char: 'v', description: 'More words.', helpGroup: 'GLOBAL' }),
  debug: Flags.boolean({ description: 'Stacks of errors.', helpGroup: 'GLOBAL', env: 'ETL_DEBUG' }),
};

export type CommandClass = (new (name: string, argv: readonly string[]) => EtlCommand) & typeof EtlCommand;

/**
 * What all commands share: one way of printing, one envelope, one mapper of exit codes. The static parts are what oclif's parser and its
 * help, which the build prints, know of a command.
 */
export abstract class EtlCommand {
  static summary = '';
  static examples: readonly string[] = [];
  static usage: string | undefined;
  /** False: arguments that are not declared are taken too. */
  static strict = true;
  static args: ArgInput = {};
  static flags: FlagInput = {};
  static readonly baseFlags = baseFlags;

  readonly output: Output;
  readonly #name: string;
  readonly #argv: readonly string[];

  constructor(name: string, argv: readonly string[]) {
    this.#name = name;
    this.#argv = argv;
    this.output = new Output({ env: process.env, quiet: this.#has('--quiet', '-q'), verbose: this.#has('--verbose', '-v'), json: this.#has('--json'), debug: this.#has('--debug') || (process.env['ETL_DEBUG'] ?? '') !== '' });
    this.output.takeConsole();
  }

  abstract execute(): Promise<Outcome>;

  /** Runs it to its end, which is in `process.exitCode`. */
  static async run(this: new (name: string, argv: readonly string[]) => EtlCommand, name: string, argv: readonly string[]): Promise<void> {
    const command = new this(name, argv);
    process.on('uncaughtException', (stray) => {
      const error = leftOf(stray);
      if (error === undefined) return;
      command.#failed(error);
      process.exit();
    });
    process.once('beforeExit', () => { command.#failed(neverEnded()); });
    try {
      command.#succeeded(await command.execute());
    } catch (error) {
      command.#failed(error);
    }
  }

  protected parse<F extends Values, B extends Values, A extends Values>(command: Input<F, B, A>): Promise<ParserOutput<F, B, A>> {
    return parse([...this.#argv], { ...command, flags: { ...command.baseFlags, ...command.flags } });
  }

  #succeeded(outcome: Outcome): void {
    if (this.output.options.json) this.#envelope({ ok: (outcome.exitCode ?? 0) === EXIT.ok, summary: outcome.summary, result: outcome.result, error: outcome.error ?? null });
    process.exitCode = outcome.exitCode ?? EXIT.ok;
  }

  #failed(error: unknown): void {
    const known = asEtlError(error, this.#name);
    printError(known, this.output);
    if (this.output.options.json) this.#envelope({ ok: false, summary: known.message, result: null, error: envelopeOf(known) });
    process.exitCode = exitOfKind(known.kind);
  }

  #has(...names: string[]): boolean {
    const end = this.#argv.indexOf('--');
    return (end < 0 ? this.#argv : this.#argv.slice(0, end)).some((argument) => names.includes(argument));
  }

  #envelope(fields: Omit<Envelope, 'command'>): void {
    const envelope: Envelope = { command: this.#name, ...fields };
    this.output.data(JSON.stringify(envelope, exact, 2));
  }
}

/** Node ends a process where nothing is left to wait for, with 0 unless somebody objects. */
function neverEnded(): EtlError {
  return new EtlError({
    kind: 'internal', code: 'ETL-CLI-011', message: 'The command waits for something that nothing is left to bring about.',
    hint: 'A connector waits for a promise that nobody settles: look at its discover, identity and create. Running the job again is safe.',
  });
}

/** Of all that can be thrown: ours, oclif's parser, or a bug. */
export function asEtlError(error: unknown, command = ''): EtlError {
  if (error instanceof EtlError) return error;
  if (error instanceof Error && isParserError(error)) {
    return new EtlError({ kind: 'config', code: 'ETL-CLI-001', message: firstLines(error.message), hint: command === '' ? 'etl --help lists the commands' : `etl ${command} --help lists its flags`, cause: error });
  }
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new EtlError({ kind: 'internal', code: 'ETL-CLI-000', message: message.split('\n', 1)[0] ?? message, hint: 'this is a bug in etl: run again with --debug and report it; running the job again is safe', cause: error });
}

function isParserError(error: Error): boolean {
  return 'oclif' in error && !error.message.startsWith('EEXIT');
}

/** What oclif says, without its advice: "Missing 1 required arg: job  A job file". */
function firstLines(message: string): string {
  const lines = message.split('\n').map((line) => line.trim()).filter((line) => line !== '' && !/^(?:See more help|Note:|Alternatively)/.test(line));
  return lines.join('; ').replaceAll(':; ', ': ');
}

export function envelopeOf(error: { readonly code: string; readonly message: string; readonly hint?: string | undefined; readonly location?: SourceLocation | undefined }): ErrorEnvelope {
  return {
    code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.location === undefined ? {} : { location: error.location }), docs: explainCommand(error.code),
  };
}

/** The cause in one line, where, what is safe now, what to do. */
export function printError(error: Pick<EtlError, 'code' | 'message' | 'hint' | 'location' | 'configPath' | 'kind'> & Pick<ReportedError, typeof THROWN>, output: Output, safe = safeAfter(error)): void {
  const place = error.location ? `${error.location.file}:${error.location.line}:${error.location.column}` : undefined;
  output.raw(`${output.paint('red', 'error')} ${output.paint('dim', error.code)} ${output.paint('bold', error.message)}\n`);
  const where = [place, error.configPath].filter((part) => part !== undefined);
  if (where.length > 0) output.raw(`  ${output.paint('cyan', 'where:')} ${where.join('  ')}\n`);
  if (safe !== '') output.raw(`  ${output.paint('cyan', 'safe:')}  ${safe}\n`);
  output.raw(`  ${output.paint('cyan', 'next:')}  ${error.hint ?? explainCommand(error.code)}\n`);
  if (output.options.debug) output.raw(`${stacks(error[THROWN] ?? error)}\n`);
  output.annotate({ severity: 'error', kind: error.kind, code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }), ...(error.location ? { location: error.location } : {}) } satisfies Diagnostic);
}

/** A command that fails before a run began has written nothing. */
function safeAfter(error: Pick<EtlError, 'kind'>): string {
  if (error.kind === 'config' || error.kind === 'unsupported' || error.kind === 'auth' || error.kind === 'not_found') return 'nothing was written';
  if (error.kind === 'locked' || error.kind === 'fenced') return 'the other run goes on; this one changed nothing';
  return 'what was committed before stays as it is';
}

function stacks(error: unknown): string {
  const parts: string[] = [];
  for (let current = error; current instanceof Error && parts.length < 8; current = current.cause) parts.push(current.stack ?? String(current));
  return parts.join('\ncaused by ');
}

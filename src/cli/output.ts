import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { Redactor } from '../observe/redact.ts';
import { EXIT } from './exit.ts';
import type { Diagnostic } from '../job/diagnostics.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';
const CODES: Readonly<Record<Style, readonly [number, number]>> = { bold: [1, 22], dim: [2, 22], red: [31, 39], green: [32, 39], yellow: [33, 39], cyan: [36, 39] };

const ESC = String.fromCharCode(27);
const CONTROLS = new RegExp(`${ESC}(?!\\[[0-9;]*m)|[\\0-\\x08\\x0b-\\x1a\\x1c-\\x1f\\x7f-\\x9f]`, 'g');

export interface OutputOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly json: boolean;
  /** Stacks of errors. */
  readonly debug: boolean;
}

/** The only way out of the process: redacted, coloured where a person looks on, silent about closed pipes. */
export class Output {
  readonly redactor = new Redactor();
  /** A person looks at a screen that can be redrawn. */
  readonly live: boolean;
  /** The job's rows go to stdout: what goes wrong there is the connector's to report. */
  rowsOnStdout = false;
  readonly #colour: boolean;
  readonly #dataColour: boolean;
  readonly #github: boolean;

  constructor(readonly options: OutputOptions) {
    const { env } = options;
    const forced = env['FORCE_COLOR'];
    const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb';
    const coloured = (stream: NodeJS.WriteStream): boolean => (forced === undefined ? !plain && stream.isTTY : forced !== '0' && forced !== 'false');
    this.#dataColour = coloured(process.stdout);
    this.#colour = coloured(process.stderr);
    this.live = process.stderr.isTTY === true && env['TERM'] !== 'dumb' && !isCi(env);
    this.#github = env['GITHUB_ACTIONS'] === 'true';
    process.stdout.on('error', (error: NodeJS.ErrnoException) => this.#onDataLost(error));
    process.stderr.on('error', () => undefined); // nobody listens: the work goes on, its result is in .etl/runs
  }

  /** What connectors in files and drivers print by `console` is no data: on stdout it would stand between the rows, or break the JSON. */
  takeConsole(): void {
    const into = (print: (text: string) => void) => new Writable({ decodeStrings: false, write: (text: string, _encoding, done) => { print(text); done(); } });
    const quietable = (text: string): void => { if (!this.options.quiet) this.raw(text); };
    Object.assign(console, new Console({ stdout: into(quietable), stderr: into((text) => this.raw(text)) }));
  }

  /** `etl discover | head` closes the pipe early: that is no error. Rows of a run that nobody took are one, and their connector says so. */
  #onDataLost(error: NodeJS.ErrnoException): void {
    if (this.rowsOnStdout) return;
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    this.raw(`${this.paint('red', 'error')} ${this.paint('dim', 'ETL-CLI-008')} standard output can not be written: ${error.message}\n  ${this.paint('cyan', 'next:')}  make room, or send the output elsewhere\n`);
    process.exit(EXIT.environment);
  }

  /** Data: what the command was asked for. */
  data(text: string): void {
    const redacted = this.redactor.text(text);
    process.stdout.write(`${process.stdout.isTTY ? harmless(redacted) : redacted}\n`);
  }

  /** Everything else. */
  say(text = ''): void {
    if (!this.options.quiet) this.raw(`${text}\n`);
  }

  detail(text: string): void {
    if (this.options.verbose) this.say(this.paint('dim', text));
  }

  /** Said even when quiet. */
  raw(text: string): void {
    process.stderr.write(harmless(this.redactor.text(text)));
  }

  /** Takes back the last lines of a screen. */
  erase(lines: number): void {
    process.stderr.write(`\u001b[${lines}A\u001b[0J`);
  }

  /** For what is said. */
  paint(style: Style, text: string): string {
    return this.#colour ? painted(style, text) : text;
  }

  /** For data: standard output may be a file while a person looks at the rest. */
  paintData(style: Style, text: string): string {
    return this.#dataColour ? painted(style, text) : text;
  }

  diagnostic(diagnostic: Diagnostic): void {
    const place = diagnostic.location ? `${diagnostic.location.file}:${diagnostic.location.line}:${diagnostic.location.column}` : undefined;
    const warning = diagnostic.severity === 'warning';
    if (warning && this.options.quiet) return;
    this.raw(`${place === undefined ? '' : `${this.paint('bold', place)}: `}${this.paint(warning ? 'yellow' : 'red', diagnostic.severity)} ${this.paint('dim', diagnostic.code)} ${diagnostic.message}\n`);
    if (diagnostic.hint !== undefined) this.raw(`  ${this.paint('cyan', 'next:')} ${diagnostic.hint}\n`);
    this.annotate(diagnostic);
  }

  /** GitHub Actions shows these beside the line of the file. */
  annotate(diagnostic: Diagnostic): void {
    if (!this.#github) return;
    const { location } = diagnostic;
    const properties = [...(location ? [`file=${property(location.file)}`, `line=${location.line}`, `col=${location.column}`] : []), `title=${property(diagnostic.code)}`].join(',');
    const text = diagnostic.hint === undefined ? diagnostic.message : `${diagnostic.message} (${diagnostic.hint})`;
    this.raw(`::${diagnostic.severity} ${properties}::${text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')}\n`);
  }
}

/** Names and values come from elsewhere: what would move a terminal's cursor or rename its window is shown as what it is. Colours may pass. */
function harmless(text: string): string {
  return text.replace(CONTROLS, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function painted(style: Style, text: string): string {
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

export function isCi(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env['CI'] ?? '') !== '' && env['CI'] !== 'false' && env['CI'] !== '0';
}

function property(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A').replaceAll(':', '%3A').replaceAll(',', '%2C');
}


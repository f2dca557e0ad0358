import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EtlError } from '../errors/error.ts';

/** A variable, and whether it was read from a file (then it is a secret by its nature). */
export interface Variable {
  readonly value: string;
  readonly fromFile: boolean;
}

/** Looks a name up: the real environment, then `NAME_FILE`, then the `.env` beside the job. */
export interface Environment {
  get(name: string): Variable | undefined;
  readonly names: readonly string[];
}

/** @throws the file system's error when a `NAME_FILE` names a file that can't be read. */
export function environmentOf(real: Readonly<Record<string, string | undefined>>, directory: string): Environment {
  const dotenv = readDotenv(directory);
  return {
    get(name) {
      const value = real[name];
      if (value !== undefined) return { value, fromFile: false };
      const file = real[`${name}_FILE`] ?? dotenv[`${name}_FILE`];
      if (file !== undefined) return { value: readSecretFile(file), fromFile: true };
      const written = dotenv[name];
      return written === undefined ? undefined : { value: written, fromFile: false };
    },
    names: [...new Set([...Object.keys(real), ...Object.keys(dotenv)])],
  };
}

/** Editors and `echo` leave a newline at the end, which never belongs to a secret. */
export function readSecretFile(path: string): string {
  return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
}

function readDotenv(directory: string): Record<string, string> {
  const file = join(directory, '.env');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return {};
    throw new EtlError({ kind: 'config', code: 'ETL-JOB-010', message: `${file} can't be read: ${error instanceof Error ? error.message : String(error)}`, hint: 'check its rights, or remove it', cause: error });
  }
  return parseDotenv(text, file);
}

const LINE = /^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|((?!\s)[^#"'\r\n][^#\r\n]*))?\s*(?:#.*)?$/;

const NOTHING = /^\s*(?:#.*)?$/;

/** `NAME=value`, `export NAME=value`, quotes, comments. Nothing is expanded in it. Says nothing of a line but its number: it may hold a secret. */
export function parseDotenv(text: string, file: string): Record<string, string> {
  const values: Record<string, string> = Object.create(null);
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (NOTHING.test(line)) continue;
    const match = LINE.exec(line);
    const name = match?.[1];
    if (match === null || name === undefined) {
      throw new EtlError({
        kind: 'config', code: 'ETL-JOB-051', message: `line ${index + 1} of ${file} is not NAME=value`, location: { file, line: index + 1, column: 1 },
        hint: 'write NAME=value, or NAME="a value with \\n for its ends of lines"; a longer secret goes into a file of its own: NAME_FILE=path',
      });
    }
    const quoted = match[2]?.replace(/\\(.)/g, (_, escaped: string) => ({ n: '\n', r: '\r', t: '\t' })[escaped] ?? escaped);
    values[name] = quoted ?? match[3] ?? match[4]?.trim() ?? '';
  }
  return values;
}

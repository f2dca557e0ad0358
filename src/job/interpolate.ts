import { spawnSync } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import type { Complaint } from './diagnostics.ts';
import { didYouMean } from './diagnostics.ts';
import { readSecretFile, type Environment } from './environment.ts';

export interface Interpolation {
  readonly environment: Environment;
  /** Folder of the job file. */
  readonly directory: string;
  /** The project's etl.yaml says `allow: { exec: true }`. */
  readonly allowExec: boolean;
  /** Lint runs where the secrets are not: a missing variable is then a warning, and its value stays open. */
  readonly missing: 'error' | 'warning';
  onSecret(value: string): void;
}

export interface Interpolated {
  readonly text: string;
  /** The same for people: what is a secret is not in it, however short. */
  readonly shown: string;
  /** Something was put in: the value is not repeated in messages. */
  readonly changed: boolean;
  /** A variable is missing (lint only): nothing is known about the value. */
  readonly open: boolean;
  readonly complaints: readonly Complaint[];
}

/** Stands where a secret would. */
export const HIDDEN = '***';

const NAME = /^(?:env:)?([A-Za-z_]\w*)(?:(:-|:\?)([\s\S]*))?$/;
const SECRET_NAME = /PASS|SECRET|TOKEN|PWD|CREDENTIAL|PRIVATE|API_?KEY|_KEY$|^KEY$/i;

/** Fills `${…}` in one parsed scalar. What it puts in is never read again, so a value can't add keys or references. */
export function interpolate(text: string, context: Interpolation): Interpolated {
  if (!text.includes('${')) return { text, shown: text, changed: false, open: false, complaints: [] };
  const complaints: Complaint[] = [];
  let result = '';
  let shown = '';
  let changed = false;
  let open = false;
  let from = 0;
  for (;;) {
    const start = text.indexOf('${', from);
    if (start < 0) break;
    if (text[start - 1] === '$' && start > from) {
      // `$${` is the escape: a literal `${`.
      result += `${text.slice(from, start - 1)}\${`;
      shown += `${text.slice(from, start - 1)}\${`;
      from = start + 2;
      continue;
    }
    const end = closingBrace(text, start + 2);
    if (end < 0) {
      complaints.push({ code: 'ETL-JOB-009', message: '`${` without its `}`', hint: 'close it, or write `$${` for a literal `${`' });
      break;
    }
    let secret = false;
    const onSecret = (value: string): void => {
      secret = true;
      context.onSecret(value);
    };
    const filled = resolveReference(text.slice(start + 2, end), { ...context, onSecret });
    complaints.push(...filled.complaints);
    result += text.slice(from, start) + filled.text;
    shown += text.slice(from, start) + (secret ? HIDDEN : filled.shown);
    changed = true;
    open ||= filled.open;
    from = end + 1;
  }
  return { text: result + text.slice(from), shown: shown + text.slice(from), changed, open, complaints };
}

/** Braces nest, since a default may hold a reference of its own. */
function closingBrace(text: string, from: number): number {
  let depth = 1;
  for (let index = from; index < text.length; index++) {
    if (text[index] === '{') depth++;
    else if (text[index] === '}' && --depth === 0) return index;
  }
  return -1;
}

function resolveReference(reference: string, context: Interpolation): Interpolated {
  const scheme = /^(file|secret|exec):([\s\S]*)$/.exec(reference);
  if (scheme) {
    const [, name, rest = ''] = scheme;
    if (name === 'file') return fromFile(rest, context);
    if (name === 'exec') return fromCommand(rest, context);
    return fromProvider(rest, context);
  }
  const match = NAME.exec(reference);
  const name = match?.[1];
  if (match === null || name === undefined) {
    return failed({ code: 'ETL-JOB-009', message: `\`\${${reference}}\` is not a reference`, hint: 'write ${NAME}, ${NAME:-default}, ${NAME:?message}, ${file:path}, ${secret:provider/path#key}, or $${ for a literal ${' });
  }
  return fromVariable(name, match[2], match[3] ?? '', context);
}

function fromVariable(name: string, operator: string | undefined, operand: string, context: Interpolation): Interpolated {
  let variable;
  try {
    variable = context.environment.get(name);
  } catch (error) {
    return failed({ code: 'ETL-JOB-010', message: `the file named by ${name}_FILE can't be read: ${reasonOf(error)}`, hint: 'check the path and its rights' });
  }
  if (variable !== undefined && !(variable.value === '' && operator !== undefined)) {
    if (variable.fromFile || SECRET_NAME.test(name)) context.onSecret(variable.value);
    return filled(variable.value);
  }
  if (operator === ':-') return interpolate(operand, context);
  const near = didYouMean(name, context.environment.names);
  const message = operand === '' ? `${name} is not set` : `${name} is not set: ${operand}`;
  const hint = near === undefined ? `set it in the environment or in .env beside the job: ${name}=…, or name a file: ${name}_FILE=…` : `did you mean ${near}? Otherwise set ${name} in the environment or in .env beside the job`;
  return failed({ code: 'ETL-JOB-008', message, hint, severity: context.missing }, context.missing === 'warning');
}

function fromFile(path: string, context: Interpolation): Interpolated {
  try {
    const value = readSecretFile(isAbsolute(path) ? path : join(context.directory, path));
    context.onSecret(value);
    return filled(value);
  } catch (error) {
    const hint = 'the path begins at the folder of the job file; check it and its rights';
    return failed({ code: 'ETL-JOB-010', message: `\${file:${path}} can't be read: ${reasonOf(error)}`, hint, severity: context.missing }, context.missing === 'warning');
  }
}

function fromProvider(reference: string, context: Interpolation): Interpolated {
  const match = /^([\w-]+)\/([^#]+)(?:#(.*))?$/.exec(reference);
  const provider = match?.[1];
  const path = match?.[2];
  if (match === null || provider === undefined || path === undefined) {
    return failed({ code: 'ETL-JOB-009', message: `\`\${secret:${reference}}\` is not a reference`, hint: 'write ${secret:provider/path#key}' });
  }
  if (provider === 'env') {
    const found = fromVariable(path, undefined, '', context);
    if (found.complaints.length === 0) context.onSecret(found.text);
    return found;
  }
  if (provider !== 'file') {
    return failed({ code: 'ETL-JOB-011', kind: 'unsupported', message: `the secret provider \`${provider}\` is not available in this version`, hint: 'use ${secret:file/path#key}, ${secret:env/NAME}, ${file:path} or a variable' });
  }
  const file = fromFile(path.startsWith('/') ? path : `./${path}`, context);
  const key = match[3];
  if (key === undefined || file.complaints.length > 0) return file;
  return fromJsonKey(file.text, path, key, context);
}

function fromJsonKey(text: string, path: string, key: string, context: Interpolation): Interpolated {
  let value: unknown;
  try {
    const parsed: unknown = JSON.parse(text);
    value = typeof parsed === 'object' && parsed !== null && Object.hasOwn(parsed, key) ? Reflect.get(parsed, key) : undefined;
  } catch {
    return failed({ code: 'ETL-JOB-010', message: `${path} is not a JSON object, so it has no key`, hint: `write \${file:${path}} for the whole file` });
  }
  if (typeof value !== 'string') return failed({ code: 'ETL-JOB-010', message: `${path} has no text under the key \`${key}\``, hint: 'check the name of the key' });
  context.onSecret(value);
  return filled(value);
}

function fromCommand(command: string, context: Interpolation): Interpolated {
  if (!context.allowExec) {
    return failed({ code: 'ETL-JOB-012', message: '${exec:…} is not allowed in this project', hint: 'a job file that runs commands must be trusted: write `allow: { exec: true }` in etl.yaml beside the job' });
  }
  const done = spawnSync(command, { shell: true, cwd: context.directory, encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'inherit'] });
  if (done.status !== 0) {
    const why = done.error ? reasonOf(done.error) : `exit ${done.status ?? done.signal ?? '?'}`;
    return failed({ code: 'ETL-JOB-012', message: `\${exec:…} failed: ${why}`, hint: 'run the command by itself in the folder of the job file' });
  }
  const value = done.stdout.replace(/\r?\n$/, '');
  context.onSecret(value);
  return filled(value);
}

function filled(text: string): Interpolated {
  return { text, shown: text, changed: true, open: false, complaints: [] };
}

function failed(complaint: Complaint, open = false): Interpolated {
  return { text: '', shown: '', changed: true, open, complaints: [complaint] };
}

function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) {
    return { ENOENT: 'no such file', EACCES: 'no right to read it', EISDIR: 'it is a folder' }[String(error.code)] ?? String(error.code);
  }
  return error instanceof Error ? error.message : String(error);
}

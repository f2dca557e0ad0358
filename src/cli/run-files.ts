import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Output } from './output.ts';
import { exact } from '../observe/redact.ts';

/** Writes the summary of a run, also of a failed one: `.etl/runs/<run id>.json`, for its owner only, redacted. */
export function writeRunFile(directory: string, runId: string, content: unknown, output: Output): string | undefined {
  const folder = join(directory, '.etl', 'runs');
  const file = join(folder, `${runId}.json`);
  const temporary = join(folder, `.${runId}.tmp`);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const handle = openSync(temporary, 'wx', 0o600);
    try {
      writeSync(handle, `${output.redactor.text(JSON.stringify(content, exact, 2))}\n`);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(temporary, file);
    return file;
  } catch (error) {
    // The rows are where they belong: a full disk here must not turn a good run into a failed one.
    output.say(`${output.paint('yellow', 'warning')} the run's summary could not be written to ${file}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

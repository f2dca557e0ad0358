import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { EtlError } from '../errors/error.ts';
import type { JobState, Lease, QuarantinedRow } from '../sdk/contract.ts';

/** What a state file holds. Its format is versioned; an older version is migrated when read, a newer one refused. */
export interface StoredState {
  readonly version: 1;
  readonly state: JobState;
  readonly lease?: Lease;
  readonly quarantine: readonly QuarantinedRow[];
}

export interface StateFile {
  read(): Promise<StoredState>;
  /** Read, change and replace under a lock; other processes wait. */
  update(change: (stored: StoredState) => StoredState): Promise<StoredState>;
}

export const emptyState: StoredState = { version: 1, state: { runEpoch: 0, streams: {}, loads: [] }, quarantine: [] };

export function createStateFile(path: string): StateFile {
  return {
    read: () => readState(path),
    async update(change) {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((error: unknown) => { throw notWritable(dirname(path), error); });
      const lock = await takeLock(`${path}.lock`);
      try {
        const next = change(await readState(path));
        await replaceFile(path, next);
        return next;
      } finally {
        await lock.close();
        await rm(`${path}.lock`, { force: true });
      }
    },
  };
}

/** A file that nobody can have twice. A lock whose process is gone is taken over. */
async function takeLock(path: string): Promise<{ close(): Promise<void> }> {
  for (let attempt = 0; ; attempt++) {
    try {
      const handle = await open(path, 'wx', 0o600);
      await handle.writeFile(String(process.pid));
      return handle;
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      const holder = Number(await readFile(path, 'utf8').catch(() => ''));
      if (holder > 0 && !isAlive(holder)) await rm(path, { force: true });
      else if (attempt > 200) throw new EtlError({ kind: 'locked', code: 'ETL-STATE-007', message: `The state file's lock ${path} is held by process ${holder}.`, hint: 'Let that process end, or remove the lock file when it is no etl process.' });
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return !isCode(error, 'ESRCH');
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && (error as NodeJS.ErrnoException).code === code;
}

function notWritable(folder: string, cause: unknown): EtlError {
  return new EtlError({
    kind: 'not_found', code: 'ETL-STATE-008', message: `The folder of the state, ${folder}, can't be made: ${cause instanceof Error ? cause.message : String(cause)}`, cause,
    hint: 'Correct the rights of the folder that the job file lies in, or put the job file where it may be written beside.',
  });
}

async function readState(path: string): Promise<StoredState> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (text === undefined) return emptyState;
  const damaged = (why: string) => new EtlError({ kind: 'state_lost', code: 'ETL-STATE-001', message: `The state file ${path} ${why}.`, hint: `Restore it from a backup, or remove it knowingly to start anew (rows may come twice).` });
  const newline = text.indexOf('\n');
  const body = text.slice(newline + 1);
  if (createHash('sha256').update(body).digest('hex') !== text.slice(0, newline)) throw damaged('is truncated or was changed by hand');
  const stored = JSON.parse(body) as StoredState;
  if (stored.version !== 1) throw damaged(`is of version ${String(stored.version)}, which this etl does not know`);
  return stored;
}

/** Temporary file, fsync, rename, fsync of the folder: the old state stays whole until the new one is. */
async function replaceFile(path: string, stored: StoredState): Promise<void> {
  const body = JSON.stringify(stored);
  const temporary = `${path}.${process.pid}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(`${createHash('sha256').update(body).digest('hex')}\n${body}`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

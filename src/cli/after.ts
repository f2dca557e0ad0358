import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stopping } from './signals.ts';

export interface AfterOptions {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stopping: Pick<Stopping, 'stop' | 'abort'>;
}

/**
 * Runs the job's `after` command, waits for it, and gives its exit code; what it prints goes to stderr. Its processes are told to end by
 * the first signal, are killed when grace is over, and never outlive this one.
 */
export async function runAfter(command: string, { directory, env, stopping: { stop, abort } }: AfterOptions): Promise<number> {
  const child = spawn(command, { shell: true, detached: true, cwd: directory, env: { ...process.env, ...env }, stdio: ['ignore', 2, 2] });
  const tell = (signal: NodeJS.Signals | 0): boolean => child.pid !== undefined && tellGroup(child.pid, signal);
  const ask = (): void => void tell('SIGTERM');
  const kill = (): void => void tell('SIGKILL');
  stop.addEventListener('abort', ask);
  abort.addEventListener('abort', kill);
  process.on('exit', kill);
  try {
    const [code, signal] = await once(child, 'exit') as [number | null, NodeJS.Signals | null];
    while (stop.aborted && !abort.aborted && tell(0)) await sleep(50); // a shell dies before what it started
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch {
    return 127; // there is no shell, or no such folder
  } finally {
    stop.removeEventListener('abort', ask);
    abort.removeEventListener('abort', kill);
    process.removeListener('exit', kill);
  }
}

/** Signals all processes of the group that `detached` gave it; false when none is left. */
function tellGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-leader, signal);
  } catch {
    return false;
  }
}

/** How a command ended, for a person. Shells tell a signal by 128 and its number. */
export function endOf(exitCode: number): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === exitCode - 128)?.[0];
  return signal === undefined ? `ended with ${exitCode}` : `was ended by ${signal} (${exitCode})`;
}

/** Also when it is another user's. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

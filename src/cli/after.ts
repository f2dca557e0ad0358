import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stopping } from './signals.ts';

export interface AfterOptions {
  readonly directory: string;
  readonly env: Readonly<Record<string, string>>;
  readonly stopping: Pick<Stopping, 'stop' | 'abort'>;
  /** Takes what it prints, line by line. */
  say(line: string): void;
}

/** What runs on in the background holds the output open. */
const LAST_LINES_MS = 1000;

/**
 * Runs the job's `after` command, waits for it, and gives its exit code. Its processes are told to end by the first signal, are killed
 * when grace is over, and never outlive this one. What it leaves in the background is not waited for.
 */
export async function runAfter(command: string, { directory, env, stopping: { stop, abort }, say }: AfterOptions): Promise<number> {
  const child = spawn(command, { shell: true, detached: true, cwd: directory, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const outputs = [child.stdout, child.stderr].map((output) => byLine(output, say));
  const closed = new Promise((resolve) => void child.once('close', resolve));
  const tell = (signal: NodeJS.Signals | 0): boolean => child.pid !== undefined && tellGroup(child.pid, signal);
  const ask = (): void => void tell('SIGTERM');
  const kill = (): void => void tell('SIGKILL');
  stop.addEventListener('abort', ask);
  abort.addEventListener('abort', kill);
  process.on('exit', kill);
  try {
    const [code, signal] = await once(child, 'exit') as [number | null, NodeJS.Signals | null];
    while (stop.aborted && !abort.aborted && tell(0)) await sleep(50); // a shell dies before what it started
    await Promise.race([closed, sleep(LAST_LINES_MS)]);
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch {
    return 127; // there is no shell, or no such folder
  } finally {
    for (const end of outputs) end();
    stop.removeEventListener('abort', ask);
    abort.removeEventListener('abort', kill);
    process.removeListener('exit', kill);
  }
}

/** Gives each line to `say`; what it returns ends that, with a last line that has no end. */
function byLine(output: Readable, say: (line: string) => void): () => void {
  let rest = '';
  output.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) say(line.replace(/\r$/, ''));
  });
  return () => {
    output.destroy();
    if (rest !== '') say(rest);
  };
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

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** A run takes about a second; what takes so long waits for something that does not come. */
const HANG_MS = 30_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly hung: boolean;
  readonly ms: number;
  readonly output: string;
  /** Failpoints that were passed, in order. */
  readonly hits: readonly string[];
  /** Where it killed or stopped itself. */
  readonly diedAt: string | undefined;
}

export interface StartOptions {
  readonly folder: string;
  readonly takeOver?: boolean;
  readonly at?: number;
  readonly signal?: 'SIGKILL' | 'SIGSTOP';
  readonly env?: Readonly<Record<string, string>>;
}

let started = 0;

/** One `etl run job.yaml` with its failpoints traced. */
export class Child {
  readonly ended: Promise<Ended>;
  private readonly process: ChildProcess;
  private readonly trace: string;
  private output = '';

  constructor(options: StartOptions) {
    this.trace = join(options.folder, `trace-${started++}`);
    const since = performance.now();
    this.process = spawn(process.execPath, ['--import', join(ROOT, 'dist/test/crash/preload.js'), join(ROOT, 'bin/etl.js'), 'run', 'job.yaml', '--progress', 'none', '--grace', '5s', ...(options.takeOver === false ? [] : ['--take-over'])], {
      cwd: options.folder, stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env, NO_COLOR: '1', CRASH_TRACE: this.trace, CRASH_AT: String(options.at ?? 0), CRASH_SIGNAL: options.signal ?? 'SIGKILL' },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (chunk: Buffer) => { this.output = (this.output + chunk.toString()).slice(-6000); });
    this.ended = this.wait(since);
  }

  private async wait(since: number): Promise<Ended> {
    const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => void this.process.once('close', (code, signal) => resolve({ code, signal })));
    let hung = false;
    let ticks = 0;
    // A stopped process is not one that hangs: its time begins anew when it goes on.
    const watch = setInterval(() => {
      ticks = this.stopped() ? 0 : ticks + 1;
      if (ticks * 500 === HANG_MS) this.kill('SIGUSR2');
      if (ticks * 500 <= HANG_MS + 500) return;
      hung = true;
      this.kill('SIGKILL');
    }, 500);
    const { code, signal } = await closed;
    clearInterval(watch);
    const lines = this.lines();
    rmSync(this.trace, { force: true });
    const hits = lines.filter((line) => !line.startsWith('!') && !line.startsWith('?'));
    const resources = lines.filter((line) => line.startsWith('?')).join('\n');
    return { code, signal, hung, ms: performance.now() - since, output: resources === '' ? this.output : `${this.output}\nactive: ${resources}\nlast: ${hits.slice(-5).join(' ')}`, hits, diedAt: lines.find((line) => line.startsWith('!'))?.slice(1) };
  }

  lines(): readonly string[] {
    return existsSync(this.trace) ? readFileSync(this.trace, 'utf8').split('\n').filter((line) => line !== '') : [];
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  stopped(): boolean {
    try {
      return /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.process.pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }

  /** True when it has stopped itself, false when it ended before. */
  async untilStopped(): Promise<boolean> {
    let over = false;
    void this.ended.then(() => { over = true; });
    while (!over) {
      if (this.stopped()) return true;
      await sleep(10);
    }
    return false;
  }
}

export async function runChild(options: StartOptions): Promise<Ended> {
  return new Child(options).ended;
}

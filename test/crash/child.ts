import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** No failpoint passed and no word said for so long: it waits for something that does not come. */
const HANG_MS = 60_000;
const LOOK_MS = 500;
const REPORT_MS = 20_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly hung: boolean;
  /** From its first failpoint, where it had one, to its end. */
  readonly liveMs: number;
  readonly output: string;
  /** Failpoints that were passed, in order. */
  readonly hits: readonly string[];
}

export interface StartOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Waits for a silent lease like a job without the flag. */
  readonly polite?: boolean;
  /** Kills or stops itself when it passes this failpoint for the `nth` time. */
  readonly at?: { readonly failpoint: string; readonly nth: number; readonly signal: 'SIGKILL' | 'SIGSTOP' };
}

let started = 0;

/** One `etl run job.yaml` with its failpoints traced. */
export class Child {
  readonly ended: Promise<Ended>;
  readonly startedAt = performance.now();
  private readonly process: ChildProcess;
  private readonly folder: string;
  private readonly trace: string;
  private output = '';
  private over = false;
  private liveSince: number | undefined;

  constructor({ folder, env, polite, at }: StartOptions) {
    this.folder = folder;
    this.trace = join(folder, `trace-${started++}`);
    const reports = ['--report-on-signal', '--report-signal=SIGUSR2', `--report-directory=${folder}`, '--report-exclude-network'];
    const args = ['run', 'job.yaml', '--progress', 'none', '--grace', '5s', ...(polite ? [] : ['--take-over'])];
    this.process = spawn(process.execPath, [...reports, '--import', join(ROOT, 'dist/test/crash/preload.js'), join(ROOT, 'bin/etl.js'), ...args], {
      cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, NO_COLOR: '1', CRASH_TRACE: this.trace, CRASH_AT: at ? `${at.failpoint}#${at.nth}#${at.signal}` : '' },
    });
    for (const stream of [this.process.stdout, this.process.stderr]) stream?.on('data', (chunk: Buffer) => { this.output = (this.output + chunk.toString()).slice(-6000); });
    this.ended = this.wait();
  }

  private async wait(): Promise<Ended> {
    const closed = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => void this.process.once('close', (code, signal) => resolve({ code, signal })));
    const watch = this.watchForHang(closed);
    const { code, signal } = await closed;
    this.over = true;
    const report = await watch;
    const hits = this.hits();
    rmSync(this.trace, { force: true });
    return { code, signal, hung: report !== undefined, liveMs: performance.now() - (this.liveSince ?? this.startedAt), output: report === undefined ? this.output : `${this.output}\n${report}\nlast: ${hits.slice(-5).join(' ')}`, hits };
  }

  /** Ends a process that makes no progress; resolves with where it stood. A stopped one is not one that hangs: its time begins anew when it goes on. */
  private async watchForHang(closed: Promise<unknown>): Promise<string | undefined> {
    let seen = '';
    let since = performance.now(); // less the time that it waited for a processor: a busy machine is no hang
    while (!this.over) {
      await Promise.race([sleep(LOOK_MS), closed]);
      const now = `${this.hits().length} ${this.output.length}`;
      if (now !== seen || this.stopped()) since = performance.now() - this.starvedMs();
      seen = now;
      if (performance.now() - this.starvedMs() - since < HANG_MS) continue;
      this.kill('SIGUSR2'); // Node writes where it stands: stacks, handles, sockets
      for (let waited = 0; this.reports().length === 0 && waited < REPORT_MS; waited += LOOK_MS) await sleep(LOOK_MS);
      const where = `${readFileSync(`/proc/${this.process.pid}/stat`, 'utf8').split(' ').slice(2, 15).join(' ')}; for a processor it waited ${Math.round(this.starvedMs())} ms`;
      this.kill('SIGKILL');
      return `${where}\n${this.report()}`;
    }
    return undefined;
  }

  private reports(): string[] {
    return readdirSync(this.folder).filter((name) => name.startsWith('report.') && name.endsWith('.json'));
  }

  private starvedMs(): number {
    try {
      return Number(readFileSync(`/proc/${this.process.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
    } catch {
      return 0;
    }
  }

  private report(): string {
    const last = this.reports().toSorted().at(-1);
    const text = last === undefined ? '' : readFileSync(join(this.folder, last), 'utf8');
    if (!text.trimEnd().endsWith('}')) return 'no report, or half of one';
    const { javascriptStack, libuv } = JSON.parse(text) as { javascriptStack: unknown; libuv: readonly { type: string; is_active: boolean; is_referenced: boolean }[] };
    const handles = libuv.filter((handle) => handle.is_active && handle.is_referenced).map((handle) => JSON.stringify(handle));
    return `stack: ${JSON.stringify(javascriptStack)}\nhandles:\n${handles.join('\n')}`;
  }

  /** Failpoints passed so far. */
  hits(): readonly string[] {
    return existsSync(this.trace) ? readFileSync(this.trace, 'utf8').split('\n').filter((line) => line !== '') : [];
  }

  /** Resolves at its first failpoint, with true, or at its end. */
  async untilLive(): Promise<boolean> {
    while (!this.over) {
      if (existsSync(this.trace)) {
        this.liveSince ??= performance.now();
        return true;
      }
      await sleep(3);
    }
    return false;
  }

  /** True when it has stopped itself, false when it ended before. */
  async untilStopped(): Promise<boolean> {
    while (!this.over) {
      if (this.stopped()) return true;
      await sleep(10);
    }
    return false;
  }

  get isOver(): boolean {
    return this.over;
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  private stopped(): boolean {
    try {
      return /^\d+ \(.*\) T/.test(readFileSync(`/proc/${this.process.pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }
}

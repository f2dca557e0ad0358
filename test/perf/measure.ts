import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';

/** What one run of a command cost, with all its child processes. */
export interface Cost {
  readonly wallSeconds: number;
  /** User and system time of the whole tree. */
  readonly cpuSeconds: number;
  /** The largest resident size that any process of the tree reached. */
  readonly peakMegabytes: number;
}

export interface Command {
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output goes to nowhere instead of the log. */
  readonly discard?: boolean;
}

/**
 * Settings of the shell that change how Node starts, and would be measured with it: reading a file of certificate authorities takes longer
 * than all the rest of `node -e 0`.
 */
const UNSET = ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'];

function environment(own: Command['env']): NodeJS.ProcessEnv {
  return { ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !UNSET.includes(name))), ...own };
}

/** `times` of a shell counts what its children used, to the millisecond, without a tool that a machine may lack. */
const METERED = '"$@"; code=$?; times >&3; exit $code';

/** Runs a command to its end. Throws with the end of its log if it fails. */
export async function measure(command: Command, logFile: string, timeoutSeconds = 300): Promise<Cost> {
  const log = openSync(logFile, 'w');
  const started = performance.now();
  const child = spawn('sh', ['-c', METERED, 'sh', ...command.argv], {
    detached: true, env: environment(command.env), stdio: ['ignore', command.discard ? 'ignore' : log, log, 'pipe'],
  });
  closeSync(log);
  const session = child.pid ?? 0;
  let times = '';
  child.stdio[3]?.on('data', (chunk: Buffer) => { times += chunk.toString(); });
  let peak = 0;
  const watch = setInterval(() => { peak = Math.max(peak, peakOfSession(session)); }, 40);
  const limit = setTimeout(() => process.kill(-session, 'SIGKILL'), timeoutSeconds * 1000);
  let wallSeconds = 0;
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => { wallSeconds = (performance.now() - started) / 1000; });
    child.once('close', resolve);
  }).finally(() => { clearInterval(watch); clearTimeout(limit); });
  if (code !== 0) throw new Error(`${command.argv.slice(0, 3).join(' ')} ended with ${code}: ${readFileSync(logFile, 'utf8').slice(-600)}`);
  return { wallSeconds, cpuSeconds: cpuOf(times), peakMegabytes: (peak * 1024) / 1e6 };
}

/** The second line of `times`: user and system time of the children, as `0m1.234s 0m0.056s`. */
function cpuOf(times: string): number {
  const parts = (times.trim().split('\n')[1] ?? '').trim().split(/\s+/);
  return parts.reduce((sum, part) => {
    const found = /^(\d+)m([\d.]+)s$/.exec(part);
    return sum + (found ? Number(found[1]) * 60 + Number(found[2]) : 0);
  }, 0);
}

/** The kernel keeps each process's high-water mark, so that a late look misses nothing but the last moment. */
function peakOfSession(session: number): number {
  let peak = 0;
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3]) !== session) continue;
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0));
    } catch {
      // it ended while we looked
    }
  }
  return peak;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

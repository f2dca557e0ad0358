import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child, runChild, type Ended } from './child.ts';
import { compare, contentHash, loadsDelivered } from './oracle.ts';
import { COMMIT_FAULTS, type CommitProxy } from './proxy.ts';
import type { Random } from './random.ts';
import { ChangingSource, type SourceTable } from './source.ts';
import { count, type RouteTally } from './tally.ts';
import { modesOf, openTarget, type Mode, type Route, type TargetReader } from './targets.ts';

export const BREAKS = ['kill-failpoint', 'kill-time', 'zombie', 'second-start', 'sigterm', 'commit-reply'] as const;
export type BreakKind = (typeof BREAKS)[number];
const WEIGHTS: Readonly<Record<BreakKind, number>> = { 'kill-failpoint': 9, 'kill-time': 4, zombie: 2, 'second-start': 2, sigterm: 1, 'commit-reply': 3 };

export interface RoundOptions {
  readonly route: Route;
  readonly random: Random;
  readonly folder: string;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly proxy: CommitProxy;
  readonly breaks: number;
  readonly tally: RouteTally;
  readonly say: (line: string) => void;
}

/** What the oracle found: the round ends there. */
export class RoundFailed extends Error {}

/** Two tables, one job, some breaks, and after them a clean run and a comparison. */
export class Round {
  private readonly options: RoundOptions;
  private readonly modes: readonly Mode[];
  private readonly tables: readonly SourceTable[];
  private readonly source: ChangingSource;
  private readonly target: TargetReader;
  private readonly env: Readonly<Record<string, string>>;
  /** Of the last run that ended by itself: what the next break is drawn from. */
  private usual = { ms: 800, hits: 20, commits: 8 };
  private smallest: number[] = [];
  private readonly loads: number[] = [0, 0];

  constructor(options: RoundOptions) {
    this.options = options;
    const { random, route, folder, targetUrl } = options;
    this.modes = [random.pick(modesOf(route)), random.pick(modesOf(route))];
    this.tables = this.modes.map((mode, index) => ({ name: index === 0 ? 'large' : 'small', rows: index === 0 ? 18_000 + random.below(18_000) : 1_500, deletes: mode.write === 'replace' }));
    this.source = new ChangingSource(options.sourceUrl, this.tables);
    mkdirSync(folder, { recursive: true });
    this.target = openTarget(route, folder, targetUrl);
    const proxied = new URL(targetUrl);
    proxied.port = String(options.proxy.port);
    this.env = { SOURCE_URL: options.sourceUrl, TARGET_URL: proxied.href };
  }

  get title(): string {
    return this.modes.map(({ sync, write }) => `${sync}/${write}`).join(' + ');
  }

  async run(): Promise<void> {
    const { random, breaks } = this.options;
    try {
      await this.source.create();
      this.writeJob();
      await this.goOn('first run');
      await this.source.startWriters(random.fork());
      for (let done = 0; done < breaks;) {
        const kind = this.draw();
        const broke = await this.break(kind);
        if (broke) {
          done++;
          this.options.tally.kills++;
          count(this.options.tally.kinds, broke);
        }
        if (random.chance(0.5)) continue;
        if (random.chance(0.6)) await this.goOn(`after ${kind}`);
        else {
          await this.settle(`after ${kind}`);
          await this.source.startWriters(random.fork());
        }
      }
      await this.settle('end of the round');
    } finally {
      await this.source.stopWriters().catch(() => undefined);
      await this.target.close();
      await this.source.close();
    }
  }

  private writeJob(): void {
    const { connection, options } = this.target;
    const streams = this.tables.map(({ name }, index) => {
      const mode = this.modes[index];
      return `  public.${name}: { sync: ${mode?.sync}, write: ${mode?.write}, ${mode?.sync === 'incremental' ? 'cursor: updated_at, ' : ''}key: id, target: { table: ${name}${options === '' ? '' : `, ${options}`} } }`;
    });
    writeFileSync(join(this.options.folder, 'job.yaml'), `version: 1
name: crash
connections:
  here: { type: postgres, url: "\${SOURCE_URL}" }
  there: ${connection}
source: here
target: { use: there }
commit: { interval: 20ms, bytes: 65536 }
retry: { attempts: 4, initial_delay: 50ms, max_delay: 200ms }
limits: { concurrency: 2 }
streams:
${streams.join('\n')}
`);
  }

  private draw(): BreakKind {
    const kinds = BREAKS.filter((kind) => kind !== 'commit-reply' || this.options.route === 'postgres-postgres');
    return this.options.random.pick(kinds.flatMap((kind) => Array<BreakKind>(WEIGHTS[kind]).fill(kind)));
  }

  /** The name that it is counted under, or undefined where the run ended before it broke. */
  private async break(kind: BreakKind): Promise<string | undefined> {
    const { random, tally, folder, proxy } = this.options;
    const start = { folder, env: this.env };
    const at = 1 + random.below(Math.ceil(this.usual.hits * 1.1));
    const time = random.next() * this.usual.ms * 1.1;
    const other = random.next();
    if (kind === 'zombie') return this.zombie(at);
    if (kind === 'second-start') return this.secondStart(time * 0.7, other < 0.6);
    if (kind === 'commit-reply') {
      const fault = COMMIT_FAULTS[Math.floor(other * COMMIT_FAULTS.length)] ?? 'swallowed';
      proxy.arm(fault, 1 + Math.floor(random.next() * this.usual.commits));
      const ended = await this.child(new Child(start));
      const broken = proxy.broken;
      proxy.disarm();
      this.allow(ended, [0, 3], `commit ${fault}`);
      if (ended.code === 0) await this.truthful(ended);
      return broken > 0 ? `commit-${fault}` : undefined;
    }
    const child = new Child({ ...start, ...(kind === 'kill-failpoint' ? { at } : {}) });
    if (kind !== 'kill-failpoint') void sleep(time).then(() => child.kill(kind === 'sigterm' ? 'SIGTERM' : 'SIGKILL'));
    const ended = await this.child(child);
    if (ended.diedAt !== undefined) count(tally.failpoints, ended.diedAt);
    if (ended.signal === 'SIGKILL') return kind;
    if (kind === 'sigterm') this.allow(ended, ended.signal === 'SIGTERM' ? [null] : [0, 6], kind); // before node listens, the signal ends it
    else this.allow(ended, [0], kind);
    if (ended.code === 0) this.remember(ended);
    return kind === 'sigterm' && ended.code !== 0 ? kind : undefined;
  }

  /** Stops itself at a failpoint, wakes when its successor has ended: it must find itself fenced and change nothing. */
  private async zombie(at: number): Promise<string | undefined> {
    const { folder, tally, route } = this.options;
    const zombie = new Child({ folder, env: this.env, at, signal: 'SIGSTOP' });
    if (!(await zombie.untilStopped())) {
      this.allow(await zombie.ended, [0], 'a run that was not stopped');
      return undefined;
    }
    const passed = zombie.lines();
    const stoppedAt = passed.at(-1)?.slice(1) ?? '';
    count(tally.failpoints, `${stoppedAt} (stopped)`);
    const locked = route === 'postgres-duckdb' && stoppedAt !== 'duckdb.close';
    try {
      const successor = await runChild({ folder, env: this.env });
      this.allow(successor, locked ? [5, 0] : route === 'postgres-duckdb' ? [0, 5] : [0], `successor of a process stopped at ${stoppedAt}`);
    } catch (error) {
      zombie.kill('SIGKILL');
      throw error;
    }
    const before = this.target.shared ? await this.hashes() : undefined;
    zombie.kill('SIGCONT');
    const ended = await zombie.ended;
    const claimed = passed.slice(0, -1).some((name) => name === 'sql.claimed' || name === 'file.claim.recorded');
    const after = this.target.shared ? await this.hashes() : undefined;
    if (route === 'postgres-duckdb') this.allow(ended, [0], `zombie that holds the file since ${stoppedAt}`);
    else this.allow(ended, claimed && before !== after ? [5] : [5, 0], `zombie of ${stoppedAt}`);
    if (claimed && before !== after) throw new RoundFailed(`a zombie that was stopped at ${stoppedAt} changed the target after its successor had ended`);
    count(tally.kinds, `  zombie ended ${ended.code}`);
    return 'zombie';
  }

  private async secondStart(delay: number, takeOver: boolean): Promise<string> {
    const { folder } = this.options;
    const first = new Child({ folder, env: this.env });
    await sleep(delay);
    const second = new Child({ folder, env: this.env, takeOver });
    const [one, two] = await Promise.all([this.child(first), second.ended]);
    this.allow(one, [0, 5], 'first of two');
    this.allow(two, [0, 5], `second of two${takeOver ? ' with --take-over' : ''}`);
    if (one.code !== 0 && two.code !== 0) throw new RoundFailed(`of two runs none ended well: ${one.output}\n${two.output}`);
    count(this.options.tally.kinds, `  second start ended ${one.code} ${two.code}`);
    return takeOver ? 'second-start-take-over' : 'second-start';
  }

  /** Waits, while a reader looks at a replaced table again and again: it is never less than one whole generation. */
  private async child(child: Child): Promise<Ended> {
    if (!this.target.shared) return child.ended;
    let over = false;
    const reading = (async () => {
      while (!over) {
        await this.look();
        await sleep(40);
      }
    })();
    try {
      return await child.ended;
    } finally {
      over = true;
      await reading;
    }
  }

  private async look(): Promise<void> {
    for (const [index, mode] of this.modes.entries()) {
      if (mode.write !== 'replace') continue;
      const { name, rows } = this.tables[index] ?? { name: '', rows: 0 };
      const seen = await this.target.ids(name);
      const least = this.smallest[index] ?? 0;
      if (seen !== undefined && least > 0 && seen < Math.min(least, rows) * 0.5) throw new RoundFailed(`${name}: a reader saw ${seen} rows of a replace, the table never had fewer than about ${least}`);
    }
  }

  private allow(ended: Ended, codes: readonly (number | null)[], what: string): void {
    if (ended.hung) throw new RoundFailed(`HANG: ${what} did not end\n${ended.output}`);
    if (!codes.includes(ended.code)) throw new RoundFailed(`${what} ended with ${ended.code ?? ended.signal}, not ${codes.join(' or ')}:\n${ended.output}`);
  }

  private remember(ended: Ended): void {
    this.usual = { ms: ended.ms, hits: ended.hits.length, commits: Math.max(3, this.options.proxy.commits) };
  }

  /** The next run goes on by itself: nobody mends anything. */
  private async goOn(when: string): Promise<Ended> {
    this.options.proxy.disarm();
    const child = new Child({ folder: this.options.folder, env: this.env });
    const diagnose = setTimeout(() => void this.source.activity().then((text) => this.options.say(`slow (${when}):\n${text}\n${child.lines().slice(-6).join(' ')}`)), 20_000);
    const ended = await this.child(child);
    clearTimeout(diagnose);
    this.allow(ended, [0], `the run ${when}`);
    this.remember(ended);
    await this.truthful(ended);
    return ended;
  }

  /** After exit 0 no part of a load shows, and a full append has arrived exactly once more. */
  private async truthful(ended: Ended): Promise<void> {
    for (const [index, mode] of this.modes.entries()) {
      if (mode.sync !== 'full' || mode.write !== 'append') continue;
      const table = this.tables[index]?.name ?? '';
      const { loads, faults } = loadsDelivered(await this.target.rows(table, mode.write));
      if (faults.length > 0) throw new RoundFailed(`${table}: ${faults.join('; ')}`);
      if (loads <= (this.loads[index] ?? 0)) throw new RoundFailed(`${table}: exit 0 and no new load is there (${loads})\n${ended.output}`);
      this.loads[index] = loads;
    }
  }

  private async hashes(): Promise<string> {
    const all = await Promise.all(this.tables.map(async ({ name }, index) => contentHash(await this.target.rows(name, this.modes[index]?.write ?? 'append'))));
    return all.join(' ');
  }

  /** The writers are still, a run ends with 0: now the target is what the source is. */
  private async settle(when: string): Promise<void> {
    await this.source.stopWriters();
    await this.goOn(when);
    for (const [index, mode] of this.modes.entries()) {
      const table = this.tables[index]?.name ?? '';
      const source = await this.source.rows(table);
      this.smallest[index] = source.length;
      const faults = compare(mode, source, await this.target.rows(table, mode.write));
      if (faults.length > 0) throw new RoundFailed(`${when}: ${table} (${mode.sync}/${mode.write}): ${faults.join('; ')}`);
    }
  }
}

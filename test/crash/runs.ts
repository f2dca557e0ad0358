import { setTimeout as sleep } from 'node:timers/promises';
import { Child, type Ended, type StartOptions } from './child.ts';
import { judge, type Bounds, type Finding, type Mode } from './oracle.ts';
import type { ChangingSource } from './source.ts';
import type { Target } from './targets.ts';

/** What the oracle found: the round ends there. */
export class RoundFailed extends Error {}

export interface Stream { readonly table: string; readonly mode: Mode }
/** What the source had committed before a run began: what the run must bring if it ends with 0. */
interface Promised {
  readonly cursor: number;
  readonly transactions: readonly (readonly [number, number])[];
}
/** How runs ended since: a load of a full append comes with each that ended well, and may come with each of the others. */
interface Outcomes {
  readonly well: number;
  /** Of these: did not go on with the load of an earlier run. Of two at once, the second may go on with one that the first then finishes: both report it as theirs (rule 5). */
  readonly fresh: number;
  readonly otherwise: number;
}

interface RunsOptions {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  readonly streams: readonly Stream[];
  readonly source: ChangingSource;
  readonly target: Target;
}

const SAMPLE_PAUSE_MS = 60;

/** Starts runs, looks at the target while they work, and judges what they left. */
export class Runs {
  readonly target: Target;
  /** The last run that nothing disturbed: what breaks are drawn within. */
  usual: Pick<Ended, 'liveMs' | 'hits'> = { liveMs: 600, hits: [] };
  private readonly options: RunsOptions;
  private readonly found: Finding[];
  /** Each may have brought a load since the target was judged last. */
  private startedSinceJudged = 0;
  private readonly children = new Set<Child>();
  /** Of the first run that was broken since one ended well: a full load that it began may be finished by a later one, whose own it then counts as (rule 5). */
  private broken: Promised | undefined;

  constructor(options: RunsOptions) {
    this.options = options;
    this.target = options.target;
    this.found = options.streams.map(() => ({ faults: [], loads: 0, transactions: [0, 0] }));
  }

  start(how: Pick<StartOptions, 'polite' | 'at'> = {}): Child {
    this.startedSinceJudged++;
    const child = new Child({ folder: this.options.folder, env: this.options.env, ...how });
    this.children.add(child);
    void child.ended.then(() => this.children.delete(child));
    return child;
  }

  /** A round that fails leaves no process behind. */
  async end(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await Promise.all([...this.children].map((child) => child.ended));
  }

  async promised(): Promise<Promised> {
    const { source, streams } = this.options;
    const cursor = await source.bound();
    return { cursor, transactions: streams.map(({ table }) => [...source.history(table).committed]) };
  }

  /** Waits for the end of these processes, while a reader looks again and again. */
  async watch(...children: readonly Child[]): Promise<Ended[]> {
    const ended = Promise.all(children.map((child) => child.ended));
    while (this.target.shared && !children.every((child) => child.isOver)) {
      const since = performance.now();
      for (const index of this.options.streams.keys()) await this.look(index, { bounds: this.bounds(index, { well: 0, fresh: 0, otherwise: this.startedSinceJudged }), when: 'while it ran' });
      const pause = Math.max(SAMPLE_PAUSE_MS, 4 * (performance.now() - since));
      await Promise.race([ended, sleep(pause)]);
    }
    return ended;
  }

  /** A run alone, and what it left. */
  async goOn(when: string, how: { readonly polite?: boolean } = {}): Promise<void> {
    const promised = await this.promised();
    const child = this.start(how);
    void child.untilLive();
    const [ended] = await this.watch(child);
    if (!ended) return;
    await this.allow(ended, [0], `the run ${when}`);
    await this.judge(promised, [ended], when);
    if (!how.polite) this.usual = ended;
    const left = await this.target.leftovers();
    if (left.length > 0) throw new RoundFailed(`${when}, exit 0: ${left.join('; ')}`);
  }

  /** Holds what the target has now against what these runs, begun after `promised`, say of themselves. */
  async judge(promised: Promised, ended: readonly Ended[], when: string): Promise<void> {
    const wells = ended.filter(({ code }) => code === 0);
    const well = wells.length;
    for (const [index, { table }] of this.options.streams.entries()) {
      const fresh = wells.filter(({ output }) => !new RegExp(`\\.${table} .*, continued`).test(output)).length;
      const bounds = this.bounds(index, { well, fresh, otherwise: ended.length - well }, { ...promised, transactions: (this.broken ?? promised).transactions });
      const finding = await this.look(index, { bounds, when: `${when}, exit ${ended.map(({ code, signal }) => code ?? signal).join(' and ')}` });
      this.found[index] = finding;
    }
    this.startedSinceJudged = 0;
    this.broken = well > 0 ? undefined : this.broken ?? promised;
  }

  /** Ends what broken runs began, so that the next run's loads are all its own. */
  async finish(): Promise<void> {
    if (this.broken) await this.goOn('what was begun');
  }

  private bounds(index: number, { well, fresh, otherwise }: Outcomes, promised?: Promised): Bounds {
    const { write } = this.options.streams[index]?.mode ?? {};
    const { loads, transactions } = this.found[index] ?? { loads: 0, transactions: [0, 0] as const };
    const [first, second] = (well > 0 ? promised?.transactions[index] : undefined) ?? transactions;
    return {
      leastLoads: write === 'append' ? loads + Math.max(Math.min(1, well), fresh) : Math.min(1, loads + well),
      mostLoads: write === 'append' ? loads + well + otherwise : 1,
      transactions: [Math.max(first, transactions[0]), Math.max(second, transactions[1])],
      cursor: well > 0 ? promised?.cursor ?? 0 : 0,
    };
  }

  /** One look, judged. What was seen once is never taken back. */
  private async look(index: number, { bounds, when }: { readonly bounds: Bounds; readonly when: string }): Promise<Finding> {
    const { streams, source } = this.options;
    const { table = '', mode } = streams[index] ?? {};
    if (!mode) throw new RangeError(`no stream ${index}`);
    for (let attempt = 1; attempt <= 5; attempt++) {
      const look = await this.target.look(table, mode);
      if (!look) continue;
      await source.settled();
      const finding = judge(mode, source.history(table), look, bounds);
      if (finding.faults.length > 0) throw new RoundFailed(`${when}: ${table} (${mode.sync}/${mode.write}): ${finding.faults.join('; ')}`);
      const before = this.found[index];
      if (before && mode.sync === 'full') this.found[index] = { ...before, transactions: finding.transactions };
      return finding;
    }
    throw new RoundFailed(`${when}: ${table} changed under five looks`);
  }

  async allow(ended: Ended, codes: readonly (number | null)[], what: string): Promise<void> {
    if (ended.hung) throw new RoundFailed(`HANG: ${what} made no progress\n${ended.output}\n${await this.options.source.activity()}`);
    if (!codes.includes(ended.code)) throw new RoundFailed(`${what} ended with ${ended.code ?? ended.signal}, not ${codes.join(' or ')}:\n${ended.output}`);
  }
}

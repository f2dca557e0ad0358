import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawBreak } from './breaks.ts';
import type { CommitProxy } from './proxy.ts';
import type { Random } from './random.ts';
import { mayDelete, modesOf, type Route } from './routes.ts';
import { RoundFailed, Runs, type Stream } from './runs.ts';
import { ChangingSource, type SourceTable } from './source.ts';
import { count, type RouteTally } from './tally.ts';
import { openTarget, type Target } from './targets.ts';

export interface RoundOptions {
  readonly route: Route;
  readonly random: Random;
  readonly folder: string;
  readonly sourceUrl: string;
  readonly targetUrl: string;
  readonly proxy: CommitProxy;
  readonly breaks: number;
  /** No break begins after this time. */
  readonly until: number;
  readonly tally: RouteTally;
}

/** So many draws in a row that hit nothing alive are a fault of the harness. */
const MOST_MISSES = 25;

/** Two tables, one job, some breaks, and at the end a run with the source at rest. */
export class Round {
  private readonly options: RoundOptions;
  private readonly streams: readonly Stream[];
  private readonly tables: readonly SourceTable[];
  private readonly source: ChangingSource;
  private readonly target: Target;
  private readonly runs: Runs;

  constructor(options: RoundOptions) {
    this.options = options;
    const { random, route, folder, sourceUrl, targetUrl, proxy } = options;
    this.streams = ['first', 'second'].map((table) => ({ table, mode: random.pick(modesOf(route)) }));
    this.tables = this.streams.map(({ table, mode }, index) => tableFor(table, mode, index === 0 ? random : undefined));
    this.source = new ChangingSource(sourceUrl, this.tables);
    this.target = openTarget(route, { folder, url: targetUrl, tables: this.streams.map(({ table }) => table) });
    const proxied = new URL(targetUrl);
    proxied.port = String(proxy.port);
    this.runs = new Runs({ folder, env: { SOURCE_URL: sourceUrl, TARGET_URL: proxied.href }, streams: this.streams, source: this.source, target: this.target });
  }

  get title(): string {
    return this.streams.map(({ mode: { sync, write } }, index) => `${sync}/${write}, ${this.tables[index]?.wide ? 'two splits' : `${this.tables[index]?.rows} rows`}`).join(' + ');
  }

  async run(): Promise<void> {
    const { random } = this.options;
    try {
      await this.source.create();
      this.writeJob();
      await this.runs.goOn('first run');
      this.source.startWriters(random.fork());
      await this.breakAll();
      await this.source.stopWriters();
      await this.runs.finish();
      await this.runs.goOn('with the source at rest');
    } finally {
      await this.runs.end();
      await this.source.stopWriters().catch(() => undefined);
      await this.target.close();
      await this.source.close();
    }
  }

  private async breakAll(): Promise<void> {
    const { route, random, breaks, until, tally, proxy } = this.options;
    for (let done = 0, misses = 0; done < breaks && performance.now() < until;) {
      const own = random.fork(); // so that what one break draws never shifts the next
      const broken = await drawBreak(route, own)({ route, random: own, runs: this.runs, proxy });
      if (!broken) {
        tally.missed++;
        if (++misses > MOST_MISSES) throw new RoundFailed(`${misses} draws hit nothing alive`);
        continue;
      }
      misses = 0;
      done++;
      tally.kills++;
      count(tally.kinds, broken.kind);
      if (broken.failpoint !== undefined) count(tally.failpoints, broken.failpoint);
      if (broken.outcome !== undefined) count(tally.outcomes, `${broken.kind}: ${broken.outcome}`);
      const polite = own.chance(0.015);
      if (own.chance(0.35) || polite) await this.runs.goOn(`after ${broken.kind}`, { polite }); // else the next break meets what this one left
    }
  }

  private writeJob(): void {
    const { connection, options } = this.target;
    const streams = this.streams.map(({ table, mode: { sync, write } }) =>
      `  public.${table}: { sync: ${sync}, write: ${write}, ${sync === 'incremental' ? 'cursor: updated_at, ' : ''}key: id, target: { table: ${table}${options} } }`);
    writeFileSync(join(this.options.folder, 'job.yaml'), `version: 1
name: crash
connections:
  here: { type: postgres, url: "\${SOURCE_URL}", connect_timeout_ms: 60000 }
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
}

/** Mostly small; now and then so large that a pass is several commits, or a full read two splits. */
function tableFor(name: string, mode: Stream['mode'], random: Random | undefined): SourceTable {
  const special = random?.chance(0.15) ?? false;
  const wide = special && mode.sync === 'full';
  const rows = wide ? 600 : special ? 17_000 : random ? 1_200 : 300;
  return { name, rows, wide, deletes: mayDelete(mode) };
}

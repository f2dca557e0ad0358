import type { RunEvent } from '../engine/index.ts';

/** One moment of a run. Counts are since its begin. */
export interface Sample {
  /** ms since the begin. */
  readonly at: number;
  readonly rows: number;
  readonly bytes: number;
  /** Resident memory of the process. */
  readonly memory: number;
}

/** From the first batch of a split to its last commit. */
export interface Bar {
  readonly label: string;
  readonly from: number;
  to: number;
  rows: number;
  commits: number;
}

/** A commit, from the last batch before it to its answer. */
export interface Commit {
  readonly at: number;
  readonly ms: number;
}

export interface Remark {
  readonly at: number;
  readonly text: string;
}

export interface Recording {
  readonly durationMs: number;
  readonly samples: readonly Sample[];
  readonly bars: readonly Bar[];
  readonly commits: readonly Commit[];
  readonly remarks: readonly Remark[];
}

const FIRST_PERIOD_MS = 100;
const MOST_SAMPLES = 600;
const MOST_COMMITS = 2_000;
const MOST_BARS = 200;
const MOST_REMARKS = 500;

/** Keeps what the page of a run is drawn from. However long that lasts, it takes the same memory: the longer, the coarser. */
export class Recorder {
  private samples: Sample[] = [];
  private commits: Commit[] = [];
  private everyNthCommit = 1;
  private commitsSeen = 0;
  private readonly bars = new Map<string, Bar>();
  private readonly lastBatch = new Map<string, number>();
  private readonly remarks: Remark[] = [];
  private rows = 0;
  private bytes = 0;
  private periodMs = FIRST_PERIOD_MS;
  private readonly began: number;
  private readonly now: () => number;
  private readonly memory: () => number;

  /** `now` in ms, `memory` in bytes. */
  constructor(now: () => number, memory: () => number) {
    this.now = now;
    this.memory = memory;
    this.began = now();
    this.sample(0);
  }

  on(event: RunEvent): void {
    const at = this.now() - this.began;
    switch (event.type) {
      case 'progress': this.batch(event, at); break;
      case 'committed': this.commit(event, at); break;
      case 'load': this.remark(at, `${event.streams.join(', ')}: ${event.continued ? 'goes on with the load of an earlier run' : 'begins'}${event.splits > 1 ? `, ${event.splits} splits` : ''}`); break;
      case 'published': this.remark(at, `${event.streams.join(', ')}: published`); break;
      case 'retry': this.remark(at, `${event.streams.join(', ')}: ${event.code} ${event.message}; attempt ${event.attempt} in ${event.waitMs} ms`); break;
      case 'note': if (event.level !== 'debug') this.remark(at, event.message); break;
      case 'pipe': break;
    }
    if (at - (this.samples.at(-1)?.at ?? 0) >= this.periodMs) this.sample(at);
  }

  end(): Recording {
    const durationMs = this.now() - this.began;
    if (this.samples.at(-1)?.at !== durationMs) this.sample(durationMs);
    return { durationMs, samples: this.samples, bars: [...this.bars.values()], commits: this.commits, remarks: this.remarks };
  }

  private batch({ pipe, split, rows, bytes }: Extract<RunEvent, { type: 'progress' }>, at: number): void {
    this.rows += rows;
    this.bytes += bytes;
    const key = `${pipe} ${split}`;
    this.lastBatch.set(key, at);
    const bar = this.bars.get(key);
    if (bar) Object.assign(bar, { to: at, rows: bar.rows + rows });
    else if (this.bars.size < MOST_BARS) this.bars.set(key, { label: split, from: at, to: at, rows, commits: 0 });
  }

  private commit({ pipe, split }: Extract<RunEvent, { type: 'committed' }>, at: number): void {
    const key = `${pipe} ${split}`;
    const bar = this.bars.get(key);
    if (bar) Object.assign(bar, { to: at, commits: bar.commits + 1 });
    const since = this.lastBatch.get(key);
    if (since === undefined || this.commitsSeen++ % this.everyNthCommit !== 0) return;
    this.commits.push({ at, ms: at - since });
    if (this.commits.length < MOST_COMMITS) return;
    this.commits = this.commits.filter((_, index) => index % 2 === 0);
    this.everyNthCommit *= 2;
  }

  private remark(at: number, text: string): void {
    if (this.remarks.length < MOST_REMARKS) this.remarks.push({ at, text });
  }

  private sample(at: number): void {
    this.samples.push({ at, rows: this.rows, bytes: this.bytes, memory: this.memory() });
    if (this.samples.length < MOST_SAMPLES) return;
    this.samples = this.samples.filter((_, index) => index % 2 === 0);
    this.periodMs *= 2;
  }
}

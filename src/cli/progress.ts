import type { RunEvent } from '../engine/index.ts';
import { bytes, count, duration, plural } from './format.ts';
import type { Output } from './output.ts';

export type ProgressMode = 'auto' | 'log' | 'json' | 'none';

interface Line {
  rows: number;
  bytes: number;
  estimate: number | undefined;
  since: number;
  retries: number;
  done: boolean;
}

const REDRAW_MS = 100;
const LOG_MS = 30_000;

/** Tells how a run goes: redrawn lines for a person, a rare line for a log, JSON for a program. */
export class Progress {
  readonly #lines = new Map<string, Line>();
  readonly #mode: 'live' | 'log' | 'json' | 'none';
  #drawn = 0;
  #lastDraw = 0;
  #lastLog: number;

  constructor(private readonly output: Output, mode: ProgressMode, private readonly now: () => number) {
    this.#mode = mode === 'auto' ? (output.options.quiet ? 'none' : output.live ? 'live' : 'log') : mode;
    this.#lastLog = now();
  }

  on(event: RunEvent): void {
    if (this.#mode === 'json') return this.output.raw(`${JSON.stringify({ time: new Date().toISOString(), level: event.type === 'note' ? event.level : 'info', ...event })}\n`);
    this.#count(event);
    if (this.#mode === 'none') return;
    const change = this.#stateChange(event);
    if (change !== undefined) this.#print(change);
    else if (this.#mode === 'live') this.#redraw(false);
    else this.#logLine();
  }

  /** The lines give way to the summary. */
  end(): void {
    if (this.#mode === 'live') this.#erase();
  }

  #count(event: RunEvent): void {
    if (event.type === 'load') {
      for (const stream of event.streams) this.#lines.set(stream, { rows: 0, bytes: 0, estimate: event.streams.length === 1 ? event.estimatedRows : undefined, since: this.now(), retries: 0, done: false });
    } else if (event.type === 'progress') {
      const line = this.#lines.get(event.streams[0] ?? '');
      if (line) Object.assign(line, { rows: line.rows + event.rows, bytes: line.bytes + event.bytes });
    } else if (event.type === 'retry' || event.type === 'published') {
      for (const stream of event.streams) {
        const line = this.#lines.get(stream);
        if (line && event.type === 'retry') line.retries++;
        if (line && event.type === 'published') line.done = true;
      }
    }
  }

  #stateChange(event: RunEvent): string | undefined {
    switch (event.type) {
      case 'load': return this.#mode === 'log' || event.continued ? `${event.streams.join(', ')}: ${event.continued ? 'going on with the load of an earlier run' : 'reading'}${event.splits > 1 ? ` in ${event.splits} splits` : ''}` : undefined;
      case 'retry': return `${this.output.paint('yellow', 'retry')} ${event.streams.join(', ')}: ${event.code} ${event.message}; attempt ${event.attempt} in ${duration(event.waitMs)}`;
      case 'published': return this.#mode === 'log' ? `${event.streams.join(', ')}: published` : undefined;
      case 'note': return event.level === 'debug' ? (this.output.options.verbose ? event.message : undefined) : `${event.level === 'warn' ? this.output.paint('yellow', 'warning') : this.output.paint('dim', 'note')} ${event.message}`;
      case 'pipe': return event.note;
      case 'progress': case 'committed': return undefined;
    }
  }

  #print(text: string): void {
    this.#erase();
    this.output.say(this.#mode === 'log' ? `${new Date().toISOString()} ${text}` : text);
    if (this.#mode === 'live') this.#redraw(true);
  }

  #logLine(): void {
    if (this.now() - this.#lastLog < LOG_MS) return;
    this.#lastLog = this.now();
    const active = [...this.#lines.values()].filter((line) => !line.done);
    const rows = active.reduce((sum, line) => sum + line.rows, 0);
    this.output.say(`${new Date().toISOString()} ${plural(active.length, 'stream')} active, ${plural(rows, 'row')} so far`);
  }

  #redraw(force: boolean): void {
    const now = this.now();
    if (!force && now - this.#lastDraw < REDRAW_MS) return;
    this.#lastDraw = now;
    const active = [...this.#lines].filter(([, line]) => !line.done);
    const room = Math.max(1, (process.stderr.rows ?? 24) - 2);
    const shown = active.slice(0, room).map(([stream, line]) => this.#line(stream, line));
    if (active.length > room) shown.push(`  … and ${active.length - room} more`);
    const columns = process.stderr.columns ?? 80;
    this.#erase();
    this.output.raw(shown.map((text) => `${text.slice(0, columns - 1)}\n`).join(''));
    this.#drawn = shown.length;
  }

  #line(stream: string, line: Line): string {
    const seconds = Math.max(0.001, (this.now() - line.since) / 1000);
    const share = line.estimate !== undefined && line.estimate > 0 ? Math.min(0.99, line.rows / line.estimate) : undefined;
    const eta = share === undefined || share === 0 ? '' : `  ${Math.round(share * 100)}%  ETA ${duration((seconds * 1000 * (1 - share)) / share)}`;
    return `  ${stream}  ${count(line.rows)} rows  ${count(line.rows / seconds)} rows/s  ${bytes(line.bytes / seconds)}/s${eta}${line.retries > 0 ? `  ${plural(line.retries, 'retry', 'retries')}` : ''}`;
  }

  #erase(): void {
    if (this.#drawn > 0) this.output.erase(this.#drawn);
    this.#drawn = 0;
  }
}

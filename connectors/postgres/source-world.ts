import { canonicalText } from '#batch';
import type { JobState, JsonObject, Load, Position, Rejection, Selection, Source } from '#sdk';
import connector from './index.ts';

/** The source as its tests use it: passes over one stream, without a destination. */
export class SourceWorld {
  readonly notes: string[] = [];
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async open(config: Record<string, unknown> = {}, now: () => number = () => Date.now()): Promise<Source> {
    const role = connector.source;
    if (!role) throw new TypeError('no source');
    return role.create(role.config.parse({ url: this.url, ...config }), {
      directory: '/', maxBufferedBytes: 64e6, note: (_level, message) => this.notes.push(message),
      ports: {
        clock: { now, monotonic: () => performance.now(), sleep: (ms) => new Promise((resolve) => { setTimeout(resolve, ms); }) },
        random: { next: () => 0.5, bytes: (length) => new Uint8Array(length), uuidv7: () => '0' },
      },
    });
  }

  async pass(wanted: Selection, position?: Position, now?: () => number): Promise<Outcome> {
    await using source = await this.open({}, now);
    const { load, reading } = await plan(source, wanted, stateOf(wanted.stream, position));
    return await readSplits(source, load, reading);
  }
}

export function selection(stream: string, more: Partial<Selection> = {}): Selection {
  return { stream, sync: 'full', write: 'replace', key: [], immutableKey: false, asText: [], masked: [], fullRefresh: false, ...more };
}

export const token = { pipe: 'p', runEpoch: 1, runId: 'r' };
export function stateOf(stream?: string, position?: Position): JobState {
  return { runEpoch: 1, loads: [], streams: stream === undefined ? {} : { [stream]: { rebuild: false, incarnations: {}, ...(position ? { position } : {}) } } };
}

export interface Outcome {
  readonly load: Load;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly rejected: readonly Rejection[];
  readonly checkpoints: readonly { position: Position; last?: true; rowsBefore: number }[];
}

export async function readSplits(source: Source, load: Load, reading: JsonObject, options: { from?: Position; stopAfter?: number } = {}): Promise<Outcome> {
  const rows: (string | null)[][] = [];
  const rejected: Rejection[] = [];
  const checkpoints: { position: Position; last?: true; rowsBefore: number }[] = [];
  for (const split of load.splits) {
    for await (const message of source.read(reading, split, options.from, new AbortController().signal)) {
      if (message.type === 'batch') {
        for (let i = 0; i < message.batch.length; i++) rows.push(message.batch.columns.map((column) => canonicalText(column, i)));
        message.batch.release();
      } else if (message.type === 'rejected') rejected.push(...message.rejections);
      else if (message.type === 'checkpoint') checkpoints.push({ position: message.position, ...(message.last ? { last: true } : {}), rowsBefore: rows.length });
      if (options.stopAfter !== undefined && checkpoints.length >= options.stopAfter) break;
    }
  }
  return { load, rows, rejected, checkpoints };
}

/** As a run plans that has one pipe. */
export async function plan(source: Source, wanted: Selection, state: JobState, maxSplits = 1): Promise<{ load: Load; reading: JsonObject }> {
  let id = 0;
  const [load] = await source.plan([wanted], state, { maxSplits, alone: true, nextLoadId: () => `load-${id++}` });
  if (!load) throw new TypeError('no load');
  return source.begin(load, token);
}

export const incremental = (stream: string, column: string, more: Partial<Selection> = {}): Selection =>
  selection(stream, { sync: 'incremental', write: 'append', cursor: { column }, ...more });

export const merged = (stream: string, column = 'at'): Selection => incremental(stream, column, { write: 'merge' });

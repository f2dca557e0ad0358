import { batchOf, type ChangeRow, type Schema } from '#batch';
import type { Checkpoint, Position, SourceMessage } from '../contract.ts';
import type { Seeded } from './random.ts';
import { changeRowOf, type ScriptEvent } from './script.ts';
import type { ScriptedWorld } from './scripted-world.ts';

/** A resync inside the live split: chunk cursor and log position in one position (rule 17). */
export interface Resync {
  readonly stream: string;
  readonly generation: string;
  /** Place of the event that began it. */
  readonly since: { readonly lsn: number; readonly part: number };
  /** Keys up to it, in the order of their texts, are in the shadow. */
  readonly cursor: string | null;
}
export interface LivePosition {
  readonly v: 1;
  readonly slot?: string;
  /** Whole transactions. */
  readonly lsn: number;
  /** Events of the next transaction that are covered too: then the checkpoint is `partial`. */
  readonly part?: number;
  readonly resync?: Resync;
}
export interface LiveRead {
  readonly world: ScriptedWorld;
  readonly streams: readonly string[];
  readonly from: LivePosition;
  /** The last transaction of this run; -1: goes on until it is stopped. */
  readonly end: number;
  readonly stop: AbortSignal;
  readonly draw: Seeded;
}

export async function* readLive(read: LiveRead): AsyncGenerator<SourceMessage> {
  const reader = new LiveReader(read);
  const { stop, draw, world } = read;
  for (;;) {
    await Promise.resolve();
    if (stop.aborted) { // a checkpoint if one is at hand
      if (draw.chance(0.7)) yield* reader.checkpoint();
      return;
    }
    if (reader.lsn < (read.end < 0 ? world.state.now : read.end)) yield* reader.transaction();
    else if (read.end >= 0) return yield* reader.finish();
    else yield* reader.checkpoint(); // idle: it says so again and again (rule 2)
    yield* reader.between();
  }
}

/** The log from one position on, cut in its own way. */
class LiveReader {
  lsn: number;
  private part: number;
  private resync: Resync | undefined;
  private readonly waiting = new Map<string, ChangeRow[]>();
  private readonly schemas = new Map<string, Schema>();
  private seq = 0n;

  constructor(private readonly read: LiveRead) {
    this.lsn = read.from.lsn;
    this.part = read.from.part ?? 0;
    this.resync = read.from.resync;
  }

  /** The events of the next transaction from where we are; now and then a partial checkpoint inside. */
  *transaction(): Generator<SourceMessage> {
    const { read: { world, streams, draw } } = this;
    const events = world.script.log[this.lsn]?.events ?? [];
    for (let index = this.part; index < events.length; index++) {
      const event = events[index];
      if (event && streams.includes(event.stream)) yield* this.happens(event, index);
      this.part = index + 1;
      if (this.part < events.length && draw.chance(0.08)) yield* this.checkpoint();
    }
    this.lsn++;
    this.part = 0;
  }

  /** Between transactions: chunks of a resync, checkpoints, batches that were waiting. */
  *between(): Generator<SourceMessage> {
    const { draw } = this.read;
    if (this.resync && draw.chance(0.4)) yield* this.chunk(this.resync, 1 + draw.below(3));
    if (draw.chance(0.35)) yield* this.checkpoint();
    else if (draw.chance(0.2)) yield* this.flushAll();
  }

  *finish(): Generator<SourceMessage> {
    while (this.resync) yield* this.chunk(this.resync, 5);
    yield* this.checkpoint({ last: true });
  }

  *checkpoint(more: { readonly last?: true; readonly rebuilt?: readonly string[] } = {}): Generator<SourceMessage> {
    yield* this.flushAll();
    const { slot } = this.read.from;
    const position: LivePosition = {
      v: 1, ...(slot !== undefined && { slot }), lsn: this.lsn, ...(this.part > 0 && { part: this.part }), ...(this.resync && { resync: this.resync }),
    };
    const checkpoint: Checkpoint = { type: 'checkpoint', position: position as unknown as Position, ...more, ...(this.part > 0 && { partial: true as const }) };
    yield checkpoint;
  }

  private *happens(event: ScriptEvent, index: number): Generator<SourceMessage> {
    const { stream } = event;
    switch (event.op) {
      case 'schema':
        yield* this.flush(stream);
        this.schemas.delete(stream);
        return;
      case 'truncate':
        yield* this.flush(stream);
        yield* this.announce(stream);
        yield { type: 'truncate', stream };
        return;
      case 'reject':
        yield { type: 'rejected', stream, rejections: [event.rejection] };
        return;
      case 'rebuild':
        yield* this.begins(event, index);
        return;
      case 'insert': case 'update': case 'delete': {
        const row = this.rowOf(event);
        for (const one of row) this.waiting.set(stream, [...this.waiting.get(stream) ?? [], one]);
        if (this.read.draw.chance(0.2) || (this.waiting.get(stream)?.length ?? 0) >= (this.read.world.options.batchRows ?? 8)) yield* this.flush(stream);
      }
    }
  }

  /** A resync begins; one that was under way ends first, or begins again. */
  private *begins(event: ScriptEvent & { op: 'rebuild' }, index: number): Generator<SourceMessage> {
    if (this.resync && this.resync.stream !== event.stream) return; // one at a time: the later one is not asked for
    yield* this.flush(event.stream);
    this.resync = { stream: event.stream, generation: event.generation, since: this.resync?.since ?? { lsn: this.lsn, part: index }, cursor: null };
    this.schemas.delete(event.stream);
    yield* this.announce(event.stream, index);
  }

  /** The change as it is sent: to a shadow go only keys that it holds already, and whole rows. */
  private rowOf(event: ScriptEvent & { op: 'insert' | 'update' | 'delete' }): ChangeRow[] {
    const schema = this.schemaAt(event.stream, this.part + 1);
    const seq = (): bigint => this.seq++;
    const { resync } = this;
    if (resync?.stream !== event.stream) {
      const oldKey = event.op === 'delete' ? undefined : event.oldKey;
      return [changeRowOf(schema, event.sent, { op: event.op, ...(oldKey !== undefined && { oldKey }), seq: seq() })];
    }
    const holds = (key: string | undefined): key is string => key !== undefined && resync.cursor !== null && key <= resync.cursor;
    const left = event.op === 'delete' ? event.key : event.oldKey;
    return [
      ...(holds(left) ? [changeRowOf(schema, Object.fromEntries(schema.key.map((name, i) => [name, (JSON.parse(left) as string[])[i] ?? null])), { op: 'delete', seq: seq() })] : []),
      ...(event.op !== 'delete' && holds(event.key) ? [changeRowOf(schema, event.full, { op: 'insert', seq: seq() })] : []),
    ];
  }

  /** Some rows of the resynced table as it is now; none left: its shadow replaces the table in the very next commit. */
  private *chunk(resync: Resync, limit: number): Generator<SourceMessage> {
    const { stream } = resync;
    yield* this.flush(stream);
    const { rows } = this.read.world.history.at(stream, { lsn: this.lsn });
    const rest = [...rows].filter(([key]) => resync.cursor === null || key > resync.cursor).sort((x, y) => (x[0] < y[0] ? -1 : 1));
    const some = rest.slice(0, limit);
    const schema = this.schemaAt(stream, 0);
    this.waiting.set(stream, some.map(([, row]) => changeRowOf(schema, row, { op: 'snapshot', seq: this.seq++ })));
    yield* this.flush(stream);
    const last = some.at(-1);
    if (rest.length > some.length && last) this.resync = { ...resync, cursor: last[0] };
    else {
      yield* this.announce(stream);
      this.resync = undefined;
      yield* this.checkpoint({ rebuilt: [stream] });
    }
  }

  private *flushAll(): Generator<SourceMessage> {
    for (const stream of this.waiting.keys()) yield* this.flush(stream);
    if (this.resync) yield* this.announce(this.resync.stream);
  }

  private *flush(stream: string): Generator<SourceMessage> {
    const rows = this.waiting.get(stream) ?? [];
    this.waiting.delete(stream);
    if (rows.length === 0) return;
    yield* this.announce(stream);
    yield { type: 'batch', stream, batch: batchOf(stream, this.schemas.get(stream) ?? this.schemaAt(stream, this.part), rows) };
  }

  /** The schema, and the generation that it goes to, before the first of a stream in this read and when it changes. */
  private *announce(stream: string, part = this.part): Generator<SourceMessage> {
    if (this.schemas.has(stream)) return;
    const schema = this.schemaAt(stream, part);
    this.schemas.set(stream, schema);
    yield { type: 'schema', stream, schema };
    if (this.resync?.stream === stream) yield { type: 'rebuild', stream, generation: this.resync.generation };
  }

  private schemaAt(stream: string, part: number): Schema {
    return this.read.world.history.at(stream, { lsn: this.lsn, part }).schema;
  }
}

import type {
  CheckReport, JobState, Json, JsonObject, Load, PlanOptions, Position, Reading, RunToken, Selection, Source, SourceMessage, Split, StreamInfo,
} from '../contract.ts';
import { EtlError } from '../../errors/error.ts';
import { readLive, type LivePosition } from './scripted-live.ts';
import { readFull, readIncremental, type PartDetail, type PartPosition } from './scripted-parts.ts';
import { timeOf } from './script.ts';
import type { ScriptedWorld } from './scripted-world.ts';

/** What a load of the script rests on. */
interface LoadDetail {
  /** The moment of the snapshot; the bound of a pass; where a live load begins. */
  readonly lsn: number;
  readonly slot?: string;
}

export class ScriptedSource implements Source {
  /** Loads whose snapshot this process holds: it dies with the process (rule 12). */
  private readonly held = new Set<string>();
  /** Slots that the state named when it was last seen. */
  private named = new Set<string>();

  constructor(private readonly world: ScriptedWorld) {}

  identity(): Promise<string> {
    return Promise.resolve(`script:${this.world.seed}`);
  }

  check(): Promise<CheckReport> {
    return Promise.resolve([{ what: 'script', level: 'ok', detail: `${this.world.script.log.length} transactions` }]);
  }

  discover(): Promise<readonly StreamInfo[]> {
    const { script, history, state } = this.world;
    return Promise.resolve(script.streams.map(({ name }) => {
      const image = history.at(name, { lsn: state.now });
      return { name, kind: this.kind === 'live' ? 'log' : 'table', schema: image.schema, estimatedRows: image.rows.size, cursors: ['at'] };
    }));
  }

  plan(selection: readonly Selection[], state: JobState, options: PlanOptions): Promise<readonly Load[]> {
    this.named = new Set([
      ...Object.values(state.streams).flatMap((stream) => slotOf(stream.position)),
      ...state.loads.flatMap(({ load }) => slotOf(load.detail)),
    ]);
    if (this.kind !== 'live') return Promise.resolve(selection.map((wanted) => this.partsLoad([wanted], state, options)));
    return Promise.resolve(this.planLive(selection, state, options));
  }

  begin(load: Load, run: RunToken): Promise<{ load: Load; reading: Reading }> {
    const { state } = this.world;
    this.removeOrphans(run);
    const detail = load.detail as unknown as LoadDetail;
    if (load.kind === 'live') {
      if (this.world.options.snapshot === false && detail.slot !== undefined) state.slots[detail.slot] ??= { epoch: run.runEpoch, acked: 0 };
      return Promise.resolve({ load, reading: this.liveReading(detail) });
    }
    const slot = this.kind === 'live' ? `${run.pipe}/${run.runEpoch}/${load.id}` : undefined;
    if (slot !== undefined) state.slots[slot] ??= { epoch: run.runEpoch, acked: state.now, snapshot: state.now };
    this.held.add(load.id);
    const begun = { lsn: state.now, ...(slot !== undefined && { slot }) };
    const positions = Object.fromEntries(load.streams.map((stream) => [stream, { v: 1, ...begun }]));
    return Promise.resolve({ load: { ...load, detail: begun, positions, startedAt: timeOf(state.now) }, reading: { lsn: state.now } });
  }

  resume(load: Load, _run: RunToken): Promise<Reading | 'lost'> {
    const detail = load.detail as unknown as LoadDetail;
    if (load.kind === 'live') {
      return Promise.resolve(detail.slot !== undefined && this.world.state.slots[detail.slot] ? this.liveReading(detail) : 'lost');
    }
    if (this.kind === 'incremental') return Promise.resolve({ lsn: detail.lsn });
    const standsStill = this.world.options.immutableKeys === true && this.world.state.now === detail.lsn;
    return Promise.resolve(this.held.has(load.id) || standsStill ? { lsn: detail.lsn } : 'lost');
  }

  read(reading: Reading, split: Split, from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage> {
    const { world } = this;
    const draw = world.draw.fork(`read ${world.state.reads++}`);
    if (split.live) {
      // a live load begins at the position of its streams, which may lie inside a transaction or a resync
      const at = (from ?? split.detail) as unknown as LivePosition;
      this.mustBeThere(at);
      return readLive({ world, streams: split.streams, from: at, end: Number(reading['end']), stop, draw });
    }
    const part = { world, detail: split.detail as unknown as PartDetail, lsn: Number(reading['lsn']), from: from as unknown as PartPosition | undefined, stop, draw };
    return this.kind === 'incremental' ? readIncremental(part) : readFull(part);
  }

  acknowledge(_split: Split, durable: Position): Promise<void> {
    const { slot, lsn } = durable as unknown as LivePosition;
    const held = slot === undefined ? undefined : this.world.state.slots[slot];
    if (held) held.acked = Math.max(held.acked, lsn);
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.held.clear();
  }

  private get kind(): 'live' | 'full' | 'incremental' {
    return this.world.options.world ?? 'live';
  }

  /** First a snapshot of those without a position; then one live load for all that name the same slot (section 1). */
  private planLive(selection: readonly Selection[], state: JobState, options: PlanOptions): Load[] {
    const positions = new Map<string, Selection[]>();
    const fresh: Selection[] = [];
    for (const wanted of selection) {
      const { position, rebuild } = state.streams[wanted.stream] ?? { position: undefined, rebuild: false };
      const place = position ?? (this.world.options.snapshot === false ? { v: 1, lsn: 0, slot: 'from-the-start' } : undefined);
      if (place === undefined || rebuild || wanted.fullRefresh) fresh.push(wanted);
      else positions.set(JSON.stringify(place), [...positions.get(JSON.stringify(place)) ?? [], wanted]);
    }
    const live = [...positions].map(([place, streams]) => this.liveLoad(streams, JSON.parse(place) as JsonObject, options));
    return fresh.length > 0 ? [this.partsLoad(fresh, state, options), ...live] : live;
  }

  private liveLoad(selection: readonly Selection[], detail: Json, options: PlanOptions): Load {
    const streams = selection.map((wanted) => wanted.stream);
    const split: Split = { id: 'live', streams, detail, live: true };
    return { ...this.blank(options), kind: 'live', streams, splits: [split], staged: false, rebuild: false, detail };
  }

  private partsLoad(selection: readonly Selection[], state: JobState, options: PlanOptions): Load {
    const { world } = this;
    const streams = selection.map((wanted) => wanted.stream);
    const rebuild = selection.some((wanted) => wanted.fullRefresh || state.streams[wanted.stream]?.rebuild === true);
    const pass = this.kind === 'incremental';
    const splits = streams.flatMap((stream) => {
      const after = pass && !rebuild ? (state.streams[stream]?.position as { lsn?: number } | undefined)?.lsn : undefined;
      return partsOf(this.keys(stream), Math.min(options.maxSplits, world.options.parts ?? 2)).map((range, i): Split => ({
        id: `${stream}#${i}`, streams: [stream], live: false, detail: { stream, ...range, ...(after !== undefined && { after }) },
      }));
    });
    return { ...this.blank(options), kind: 'parts', streams, splits, staged: !pass || rebuild, rebuild, detail: { lsn: world.state.now } };
  }

  private blank(options: PlanOptions) {
    return { id: options.nextLoadId(), positions: {}, startedAt: timeOf(this.world.state.now), fingerprint: '', targets: [] };
  }

  private keys(stream: string): string[] {
    return [...this.world.history.at(stream, { lsn: this.world.state.now }).rows.keys()].sort();
  }

  private liveReading(detail: LoadDetail): Reading {
    return { end: this.world.options.endless ? -1 : Math.max(detail.lsn, this.world.state.now) };
  }

  /** What an earlier run made and no state names (rule 6). */
  private removeOrphans(run: RunToken): void {
    const { slots } = this.world.state;
    for (const [name, slot] of Object.entries(slots)) {
      if (slot.epoch < run.runEpoch && !this.named.has(name)) delete slots[name];
    }
  }

  private mustBeThere(position: LivePosition): void {
    const slot = position.slot === undefined ? undefined : this.world.state.slots[position.slot];
    if (slot && slot.acked <= position.lsn) return;
    throw new EtlError({
      kind: 'state_lost', code: 'ETL-TST-002',
      message: slot ? `The script's slot was acknowledged to ${slot.acked}, but is read from ${position.lsn}: rows are lost.` : 'The script\'s slot is gone.',
    });
  }
}

function slotOf(position: Json | undefined): string[] {
  const slot = (position as { slot?: string } | undefined)?.slot;
  return slot === undefined ? [] : [slot];
}

/** Ranges `(above, upTo]` of key texts that cover every key, those of the future too. */
function partsOf(keys: readonly string[], parts: number): { above?: string; upTo?: string }[] {
  const cuts = Array.from({ length: Math.max(0, parts - 1) }, (_, i) => keys[Math.floor(((i + 1) * keys.length) / parts)]).filter((key) => key !== undefined);
  const bounds = [...new Set(cuts)];
  return [...bounds, undefined].map((upTo, i) => {
    const above = bounds[i - 1];
    return { ...(above !== undefined && { above }), ...(upTo !== undefined && { upTo }) };
  });
}

import { UNAVAILABLE_VALUE, type ChangeRow, type Field, type LogicalType, type OpName, type Schema, type Value } from '#batch';
import type { Rejection } from '../contract.ts';
import { hashOf, seeded, type Seeded } from './random.ts';

/** A value as its canonical text; the symbol says that the source did not send it. */
export type Cell = string | null | typeof UNAVAILABLE_VALUE;
export type Row = Readonly<Record<string, Cell>>;
/** A row in which every value is there. */
export type FullRow = Readonly<Record<string, string | null>>;

/** One thing that happens to one stream, at its place in a source transaction. */
export type ScriptEvent =
  | { readonly op: 'insert' | 'update'; readonly stream: string; readonly key: string; readonly oldKey?: string; readonly sent: Row; readonly full: FullRow }
  | { readonly op: 'delete'; readonly stream: string; readonly key: string; readonly sent: Row }
  | { readonly op: 'truncate'; readonly stream: string }
  | { readonly op: 'schema'; readonly stream: string; readonly schema: Schema }
  | { readonly op: 'reject'; readonly stream: string; readonly rejection: Rejection }
  | { readonly op: 'rebuild'; readonly stream: string; readonly generation: string };

/** Number n of the log; its commit time is `timeOf(n)`. */
export interface ScriptTransaction {
  readonly lsn: number;
  readonly events: readonly ScriptEvent[];
}

export interface ScriptStream {
  readonly name: string;
  /** As at the start. */
  readonly schema: Schema;
  /** Rows before the first transaction, by key. */
  readonly initial: ReadonlyMap<string, FullRow>;
}

export interface Script {
  readonly seed: number;
  readonly streams: readonly ScriptStream[];
  readonly log: readonly ScriptTransaction[];
}

/** What may happen in the log. A destination that takes no changes gets `changes: false`. */
export interface ScriptFeatures {
  /** Updates and deletes; false: inserts only, and none of those below but schema changes and rejects. */
  readonly changes: boolean;
  /** Moves of a key, swaps through a third key, chains. */
  readonly keyChanges: boolean;
  readonly unavailable: boolean;
  readonly truncates: boolean;
  readonly schemaChanges: boolean;
  readonly rejects: boolean;
  readonly rebuilds: boolean;
}

export interface ScriptOptions {
  readonly streams?: number;
  readonly transactions?: number;
  readonly initialRows?: number;
  readonly features?: Partial<ScriptFeatures>;
}

const ALL: ScriptFeatures = { changes: true, keyChanges: true, unavailable: true, truncates: true, schemaChanges: true, rejects: true, rebuilds: true };

const BASE: readonly Field[] = [
  { name: 'id', type: { kind: 'int64' }, nullable: false },
  { name: 'ver', type: { kind: 'int64' }, nullable: true },
  { name: 'at', type: { kind: 'timestamptz' }, nullable: true },
  { name: 'n', type: { kind: 'int32' }, nullable: true },
  { name: 'v', type: { kind: 'text' }, nullable: true },
  { name: 't', type: { kind: 'text' }, nullable: true },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 }, nullable: true },
];
const REGION: Field = { name: 'region', type: { kind: 'text' }, nullable: false };
const KEYS = 9;

/** All that a change log can hold, a pure function of seed and options. */
export function makeScript(seed: number, options: ScriptOptions = {}): Script {
  return new ScriptWriter(seed, options).write();
}

/** Commit time of a transaction, canonical text. */
export function timeOf(lsn: number): string {
  return `${new Date(1_767_225_600_000 + lsn * 1000).toISOString().slice(0, -1)}001Z`;
}

/** The key's canonical texts as one text. */
export function keyOf(schema: Schema, row: Row): string {
  return JSON.stringify(schema.key.map((name) => row[name] ?? null));
}

interface Draft {
  readonly name: string;
  schema: Schema;
  rows: Map<string, FullRow>;
  gone: string[];
  added: number;
}

class ScriptWriter {
  private readonly draw: Seeded;
  private readonly features: ScriptFeatures;
  private readonly drafts: Draft[] = [];
  private ver = 0;
  private lsn = 0;
  private lastRebuild = 0;
  private events: ScriptEvent[] = [];

  constructor(private readonly seed: number, private readonly options: ScriptOptions) {
    this.draw = seeded(seed).fork('script');
    const features = { ...ALL, ...options.features };
    this.features = features.changes ? features
      : { ...features, keyChanges: false, unavailable: false, truncates: false, rebuilds: false };
  }

  write(): Script {
    const { streams: count = 3, transactions = 40, initialRows = 5 } = this.options;
    const streams = Array.from({ length: count }, (_, i) => this.stream(i, initialRows));
    const log = Array.from({ length: transactions }, (_, i) => this.transaction(i + 1));
    return { seed: this.seed, streams, log };
  }

  /** Every second stream has a key of two columns. */
  private stream(index: number, rows: number): ScriptStream {
    const composite = index % 2 === 1;
    const schema: Schema = composite ? { fields: [REGION, ...BASE], key: ['region', 'id'] } : { fields: BASE, key: ['id'] };
    const draft: Draft = { name: `app.s${index}`, schema, rows: new Map(), gone: [], added: 0 };
    this.drafts.push(draft);
    for (let i = 0; i < rows; i++) this.insert(draft, this.freeKey(draft));
    const initial = new Map(draft.rows);
    this.events = [];
    return { name: draft.name, schema, initial };
  }

  private transaction(lsn: number): ScriptTransaction {
    this.lsn = lsn;
    this.events = [];
    const length = this.draw.chance(0.1) ? 12 + this.draw.below(12) : 1 + this.draw.below(5);
    for (let i = 0; i < length; i++) this.happening();
    return { lsn, events: this.events };
  }

  private happening(): void {
    const { draw, features } = this;
    const draft = draw.any(this.drafts);
    if (!draft) return;
    const dice = draw.next();
    if (dice < 0.03 && features.schemaChanges) return this.schemaChange(draft);
    if (dice < 0.05 && features.rejects) return this.reject(draft);
    if (dice < 0.065 && features.truncates) return this.truncate(draft);
    if (dice < 0.08 && features.rebuilds && this.lsn - this.lastRebuild > 12) return this.rebuild(draft);
    if (!features.changes || dice < 0.3) return this.insert(draft, this.draw.chance(0.5) ? draft.gone.at(-1) ?? this.freeKey(draft) : this.freeKey(draft));
    const key = draw.any([...draft.rows.keys()]);
    if (key === undefined) return this.insert(draft, this.freeKey(draft));
    if (dice < 0.6) return this.update(draft, key);
    if (dice < 0.75) return this.remove(draft, key);
    if (!features.keyChanges) return this.update(draft, key);
    if (dice < 0.86) return this.move(draft, key, this.freeKey(draft));
    this.swap(draft, key);
  }

  /** A key that is not taken; keys are few, so that they come again. Destinations without changes get ever new ones. */
  private freeKey(draft: Draft): string {
    for (let tries = 0; ; tries++) {
      const id = this.features.changes ? 1 + this.draw.below(KEYS + tries) : this.ver + 1 + tries;
      const key = JSON.stringify(draft.schema.key.length > 1 ? [this.draw.pick(['eu', 'us']), String(id)] : [String(id)]);
      if (!draft.rows.has(key)) return key;
    }
  }

  private insert(draft: Draft, key: string): void {
    if (draft.rows.has(key)) return this.features.changes ? this.update(draft, key) : undefined;
    const full = this.content(draft, key);
    draft.rows.set(key, full);
    draft.gone = draft.gone.filter((other) => other !== key);
    this.events.push({ op: 'insert', stream: draft.name, key, sent: full, full });
  }

  private update(draft: Draft, key: string): void {
    const before = draft.rows.get(key);
    if (!before) return;
    const touchOnly = this.draw.chance(0.1);
    const full = touchOnly ? before : { ...this.content(draft, key), ...(this.draw.chance(0.6) && { t: before['t'] ?? null }) };
    draft.rows.set(key, full);
    this.events.push({ op: 'update', stream: draft.name, key, sent: this.sentOf(before, full), full });
  }

  private remove(draft: Draft, key: string): void {
    draft.rows.delete(key);
    draft.gone.push(key);
    const sent = { ...keyCells(draft.schema, key), ver: String(++this.ver), at: timeOf(this.lsn) };
    this.events.push({ op: 'delete', stream: draft.name, key, sent });
    if (this.draw.chance(0.2)) this.insert(draft, key); // deleted and inserted again in one transaction
  }

  private move(draft: Draft, from: string, to: string): void {
    const before = draft.rows.get(from);
    if (!before || draft.rows.has(to)) return;
    const changed = this.draw.chance(0.5) ? this.content(draft, to) : { ...before, ver: String(++this.ver), at: timeOf(this.lsn) };
    const full = { ...changed, ...keyCells(draft.schema, to), ...(this.draw.chance(0.7) && { t: before['t'] ?? null }) };
    draft.rows.delete(from);
    draft.rows.set(to, full);
    draft.gone.push(from);
    draft.gone = draft.gone.filter((other) => other !== to);
    this.events.push({ op: 'update', stream: draft.name, key: to, oldKey: from, sent: this.sentOf(before, full), full });
  }

  /** Two rows change places, through a third key, as a log shows it. */
  private swap(draft: Draft, one: string): void {
    const other = this.draw.any([...draft.rows.keys()].filter((key) => key !== one));
    if (other === undefined) return;
    const third = this.freeKey(draft);
    this.move(draft, one, third);
    this.move(draft, other, one);
    this.move(draft, third, other);
  }

  private truncate(draft: Draft): void {
    draft.gone.push(...draft.rows.keys());
    draft.rows.clear();
    this.events.push({ op: 'truncate', stream: draft.name });
  }

  /** Alone in its transaction's tail: what follows of the stream in it goes to the shadow. */
  private rebuild(draft: Draft): void {
    this.lastRebuild = this.lsn;
    this.events.push({ op: 'rebuild', stream: draft.name, generation: `g${this.lsn}` });
  }

  private reject(draft: Draft): void {
    const row = { id: String(1000 + this.draw.below(1000)), lsn: this.lsn };
    const id = (hashOf(`${draft.name}/${this.lsn}/${this.events.length}`) >>> 0).toString(16).padStart(8, '0');
    const rejection: Rejection = { id, stream: draft.name, code: 'ETL-TST-010', reason: 'scripted: the line cannot be read', row };
    this.events.push({ op: 'reject', stream: draft.name, rejection });
  }

  /** A column more, or `n` gets wider. */
  private schemaChange(draft: Draft): void {
    const { fields } = draft.schema;
    const narrow = fields.some((field) => field.name === 'n' && field.type.kind === 'int32');
    if (narrow && this.draw.chance(0.5)) {
      draft.schema = { ...draft.schema, fields: fields.map((field) => (field.name === 'n' ? { ...field, type: { kind: 'int64' } } : field)) };
    } else if (draft.added < 3) {
      const type: LogicalType = draft.added % 2 ? { kind: 'int64' } : { kind: 'text' };
      draft.schema = { ...draft.schema, fields: [...fields, { name: `x${++draft.added}`, type, nullable: true }] };
    } else return;
    draft.rows = new Map([...draft.rows].map(([key, row]) => [key, { ...nulls(draft.schema), ...row }]));
    this.events.push({ op: 'schema', stream: draft.name, schema: draft.schema });
  }

  private content(draft: Draft, key: string): FullRow {
    const { draw } = this;
    const wide = draft.schema.fields.some((field) => field.name === 'n' && field.type.kind === 'int64');
    const row: Record<string, string | null> = { ...nulls(draft.schema), ...keyCells(draft.schema, key) };
    row['ver'] = String(++this.ver);
    row['at'] = timeOf(this.lsn);
    row['n'] = draw.chance(0.15) ? null : wide && draw.chance(0.5) ? String(2 ** 31 + draw.below(1e9)) : String(draw.below(2000) - 1000);
    row['v'] = draw.pick([null, '', 'a', 'ä"; drop', 'null', `v${draw.below(100)}`]);
    row['t'] = draw.chance(0.1) ? null : `toast ${draw.below(1e6)}`;
    row['amount'] = draw.chance(0.1) ? null : `${draw.below(1e6) + 1}.${1 + draw.below(9)}`;
    for (const field of draft.schema.fields) {
      if (/^x\d/.test(field.name) && draw.chance(0.7)) row[field.name] = field.type.kind === 'text' ? `x${draw.below(50)}` : String(draw.below(50));
    }
    return row;
  }

  private sentOf(before: FullRow, full: FullRow): Row {
    return this.features.unavailable && before['t'] !== null && before['t'] === full['t'] ? { ...full, t: UNAVAILABLE_VALUE } : full;
  }
}

function nulls(schema: Schema): Record<string, null> {
  return Object.fromEntries(schema.fields.map((field) => [field.name, null]));
}

/** The key's columns of a key text. */
export function keyCells(schema: Schema, key: string): Record<string, string> {
  const texts = JSON.parse(key) as string[];
  return Object.fromEntries(schema.key.map((name, i) => [name, texts[i] ?? '']));
}

/** A row of the script as the batch builder takes it. */
export function changeRowOf(schema: Schema, row: Row, change: { readonly op?: OpName; readonly oldKey?: string; readonly seq?: bigint }): ChangeRow {
  const values: Record<string, Value> = Object.fromEntries(schema.fields.map((field): [string, Value] => [field.name, valueOf(field.type, row[field.name] ?? null)]));
  const { op, oldKey, seq } = change;
  return { values, ...(op && { op }), ...(seq !== undefined && { seq }), ...(oldKey !== undefined && { oldKey: keyValues(schema, oldKey) }) };
}

function keyValues(schema: Schema, key: string): Record<string, Value> {
  const cells = keyCells(schema, key);
  return Object.fromEntries(schema.fields.filter((field) => schema.key.includes(field.name)).map((field): [string, Value] => [field.name, valueOf(field.type, cells[field.name] ?? null)]));
}

function valueOf(type: LogicalType, cell: Cell): Value {
  if (cell === null || typeof cell === 'symbol') return cell;
  if (type.kind === 'int64') return BigInt(cell);
  return type.kind === 'int32' ? Number(cell) : cell;
}

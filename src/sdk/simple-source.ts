import { batchOf } from '../batch/builder.ts';
import { isKind, type LogicalType, type Schema } from '../batch/types.ts';
import type { Value } from '../batch/value.ts';
import { EtlError } from '../errors/error.ts';
import type { ConnectorContext } from './connector.ts';
import type { CheckReport, JobState, Json, Load, PlanOptions, Position, Reading, RunToken, Selection, Source, SourceMessage, Split, StreamInfo } from './contract.ts';

/** Types that need no parameters may be given by their name. */
type PlainKind = Exclude<LogicalType['kind'], 'decimal' | 'list' | 'struct'>;

/** Some rows, in the order in which they were read. */
export interface SimplePage {
  /** A column that a row lacks is NULL; what `columns` does not name is not read. */
  readonly rows: readonly Readonly<Record<string, Value>>[];
  /** `read(position)` gives exactly the rows after this page. Plain JSON and not null, never a value of a column that jobs mask. Left out where a page has none. */
  readonly position?: Json;
}

export interface SimpleStream {
  readonly columns: Readonly<Record<string, PlainKind | LogicalType>>;
  /** Columns that identify a row; they are never NULL. */
  readonly key?: readonly string[];
  /**
   * All rows after `from`, or all there are. Ends when there is nothing more now. At a stop it may return early: rows that no position
   * covers are read again.
   */
  read(from: Json | undefined, stop: AbortSignal): AsyncIterable<SimplePage>;
}

export interface SimpleSource {
  /** What positions belong to (account, folder, base URL), without secrets: another one here, and the job stops (rule 22). */
  readonly identity: string;
  readonly streams: Readonly<Record<string, SimpleStream>>;
  /** Connection and rights; reads only. Default: nothing to say. */
  check?(): Promise<CheckReport>;
  close?(): Promise<void>;
}

/** What a split carries, so that another process reads it without the job. */
interface Detail {
  readonly stream: string;
  readonly incremental: boolean;
  readonly exclude: readonly string[];
  readonly after: Json;
}

/**
 * A whole source from functions that read pages of rows: one split for each stream. `sync: full` reads all of it into a stage; a new
 * process starts it again. `sync: incremental` goes on from the last committed position, also in the middle of a pass.
 */
export function simpleSource(context: ConnectorContext, definition: SimpleSource): Source {
  return new PagedSource(context, definition);
}

class PagedSource implements Source {
  private readonly context: ConnectorContext;
  private readonly definition: SimpleSource;
  /** Full loads that this process began: its pages are of one reading (rule 12). */
  private readonly begun = new Set<string>();

  constructor(context: ConnectorContext, definition: SimpleSource) {
    for (const [name, stream] of Object.entries(definition.streams)) refuseUnknownTypes(name, stream);
    this.context = context;
    this.definition = definition;
  }

  identity(): Promise<string> {
    return Promise.resolve(this.definition.identity);
  }

  check(): Promise<CheckReport> {
    return this.definition.check?.() ?? Promise.resolve([]);
  }

  discover(): Promise<readonly StreamInfo[]> {
    return Promise.resolve(Object.entries(this.definition.streams).map(([name, stream]) => ({ name, kind: 'api', schema: schemaOf(stream), cursors: [] })));
  }

  plan(selection: readonly Selection[], state: JobState, options: PlanOptions): Promise<readonly Load[]> {
    const startedAt = new Date(this.context.ports.clock.now()).toISOString().replace('Z', '000Z');
    return Promise.resolve(selection.map((wanted): Load => {
      const { stream } = wanted;
      const rebuild = wanted.fullRefresh || state.streams[stream]?.rebuild === true;
      const incremental = wanted.sync === 'incremental';
      const position = incremental && !rebuild ? state.streams[stream]?.position : undefined;
      if (position && (position['v'] !== 1 || position['at'] === null || Object.keys(position).some((name) => !PLACE.has(name)))) throw unknownPosition(stream, position);
      const after = position?.['at'] ?? null;
      const split: Split = { id: stream, streams: [stream], live: incremental, detail: { stream, incremental, exclude: [...(wanted.exclude ?? [])], after } };
      // Where a pass will end is not known before it was read: so it is a live load, whose position is its last committed one (rule 13).
      return {
        id: options.nextLoadId(), kind: incremental ? 'live' : 'parts', streams: [stream], splits: [split], staged: !incremental || rebuild, rebuild,
        positions: incremental ? {} : { [stream]: { v: 1 } }, startedAt, fingerprint: '', targets: [], detail: { incremental },
      };
    }));
  }

  begin(load: Load, _run: RunToken): Promise<{ load: Load; reading: Reading }> {
    this.begun.add(load.id);
    return Promise.resolve({ load, reading: {} });
  }

  resume(load: Load, _run: RunToken): Promise<Reading | 'lost'> {
    return Promise.resolve(load.kind === 'live' || this.begun.has(load.id) ? {} : 'lost');
  }

  async *read(_reading: Reading, split: Split, from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage> {
    // the split is this source's own, made by `plan`
    const detail = split.detail as unknown as Detail;
    const { stream } = detail;
    const definition = this.definition.streams[stream];
    if (!definition) throw new EtlError({ kind: 'config', code: 'ETL-PLAN-001', message: `The source has no stream ${stream} any more.` });
    const schema = schemaOf(definition, detail.exclude);
    yield { type: 'schema', stream, schema };
    let at: Json | undefined = from?.['at'] ?? detail.after ?? undefined;
    let covered = true;
    if (from?.['done'] !== true) {
      for await (const { rows, position } of untilStop(definition.read(at, stop), stop)) {
        refuseNoRows(stream, rows);
        refuseUnstorable(stream, position);
        if (rows.length > 0) yield { type: 'batch', stream, batch: batchOf(stream, schema, rows.map((values) => ({ values }))) };
        covered = position !== undefined || (covered && rows.length === 0);
        if (position !== undefined) yield { type: 'checkpoint', position: { v: 1, at: at = structuredClone(position) } }; // it may be changed for the next page
        if (stop.aborted) return;
      }
    }
    if (stop.aborted) return; // an early return is not the end (rule 1)
    if (detail.incremental && !covered) throw uncovered(stream);
    yield { type: 'checkpoint', position: { v: 1, ...(at !== undefined && { at }), done: true }, last: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.definition.close?.();
  }
}

/** A request that was given up because the run stops is no failure. */
async function* untilStop<T>(pages: AsyncIterable<T>, stop: AbortSignal): AsyncIterable<T> {
  try {
    yield* pages;
  } catch (error) {
    if (!stop.aborted || !(error === stop.reason || (error instanceof Error && error.name === 'AbortError'))) throw error;
  }
}

function schemaOf({ columns, key = [] }: SimpleStream, exclude: readonly string[] = []): Schema {
  const kept = Object.entries(columns).filter(([name]) => !exclude.includes(name));
  return {
    key: key.filter((name) => !exclude.includes(name)),
    fields: kept.map(([name, type]) => ({ name, type: typeof type === 'string' ? { kind: type } : type, nullable: !key.includes(name) })),
  };
}

function refuseUnknownTypes(stream: string, { columns, key = [] }: SimpleStream): void {
  for (const [name, type] of Object.entries(columns)) {
    const fault = faultOf(typeof type === 'string' ? { kind: type } : type);
    if (fault !== undefined) throw malformed(`column ${name} of ${stream} ${fault}`, `Types are bool, int8 to int64, uint8 to uint64, float32, float64, number, text, bytes, uuid, date, time, timestamp, timestamptz, interval, json; { kind: 'decimal', precision, scale }, { kind: 'list', element }, { kind: 'struct', fields }.`);
  }
  const unknown = key.find((name) => !Object.hasOwn(columns, name));
  if (unknown !== undefined) throw malformed(`the key of ${stream} names ${unknown}, which is none of its columns`, `Its columns are ${Object.keys(columns).join(', ')}.`);
}

/** Connectors are often plain JavaScript: no compiler has looked. */
function faultOf(type: Partial<Record<'precision' | 'scale' | 'element' | 'fields', unknown>> & { readonly kind: string }): string | undefined {
  if (!isKind(type.kind)) return `has the type ${type.kind}, which there is not`;
  if (type.kind === 'decimal' && !(Number.isInteger(type.precision) && Number.isInteger(type.scale))) return 'is a decimal without precision and scale';
  if (type.kind === 'list' && typeof type.element !== 'object') return 'is a list without the type of its element';
  return type.kind === 'struct' && !Array.isArray(type.fields) ? 'is a struct without fields' : undefined;
}

function refuseNoRows(stream: string, rows: unknown): void {
  if (!Array.isArray(rows)) throw malformed(`${stream} gave a page whose rows are ${typeof rows === 'object' ? rows && 'an object' : typeof rows}`, 'A page is { rows, position }, its rows an array of objects; an empty one where there are none.');
  const index = rows.findIndex((row) => typeof row !== 'object' || row === null || Array.isArray(row));
  if (index >= 0) throw malformed(`${stream} gave a page whose row ${index + 1} is no object`, 'A row is an object: the names of columns and their values.');
}

function malformed(message: string, hint: string): EtlError {
  return new EtlError({ kind: 'config', code: 'ETL-SDK-005', message: `${message}.`, hint });
}

function uncovered(stream: string): EtlError {
  return new EtlError({
    kind: 'unsupported', code: 'ETL-SDK-001', message: `${stream} gave rows without a position, so an incremental read can't go on from there.`,
    hint: 'Give a position with the last page, or use sync: full.',
  });
}

/** Null would mean "from the beginning", and what JSON changes another place. */
function refuseUnstorable(stream: string, position: unknown): void {
  if (position === undefined) return;
  const fault = position === null ? 'position is null' : unstorable(position);
  if (fault === undefined) return;
  throw new EtlError({
    kind: 'unsupported', code: 'ETL-SDK-003', message: `${stream} gave a page whose ${fault}, so a read can't go on from there.`,
    hint: 'Leave `position` out where a page has none. Give dates and 64-bit integers as text.',
  });
}

/** The first part of a value that JSON would not give back as it is. */
function unstorable(value: unknown, path = 'position'): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value)) return undefined;
  if (typeof value !== 'object') return `${path} is ${typeof value === 'number' || value === undefined ? String(value) : `a ${typeof value}`}`;
  if (Array.isArray(value)) return first(value.entries(), (index) => `${path}[${index}]`);
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype ? first(Object.entries(value), (name) => `${path}.${name}`) : `${path} is a ${value.constructor.name}`;
}

function first<K>(parts: Iterable<readonly [K, unknown]>, pathOf: (key: K) => string): string | undefined {
  for (const [key, part] of parts) {
    const fault = unstorable(part, pathOf(key));
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** What a position of ours is made of. */
const PLACE: ReadonlySet<string> = new Set(['v', 'at', 'done']);

function unknownPosition(stream: string, position: Position): EtlError {
  return new EtlError({
    kind: 'state_lost', code: 'ETL-SDK-002', message: `${stream}: the position ${JSON.stringify(position).slice(0, 100)} is not one of this source.`,
    hint: 'Put an export back with `etl state import`, or run with --full-refresh.',
  });
}

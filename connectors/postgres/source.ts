import { kernels } from '#kernels';
import {
  EtlError, type CheckReport, type ConnectorContext, type JobState, type Load, type PlanOptions, type Position, type Reading, type RunToken, type Selection,
  type Discovery, type Source, type SourceMessage, type Split, type StreamInfo,
} from '#sdk';
import type { SourceConfig } from './config.ts';
import type { Connection } from './connection.ts';
import { quoteText } from './quoting.ts';
import { checkSource } from './source/check.ts';
import { describeQuery, loadRelations, missing, streamInfo, type Relation } from './source/catalogue.ts';
import { fullClauses, fullLoad, type FullSplit } from './source/full.ts';
import { checkPlaces, fixBound, incrementalLoad, passColumns, passCondition, unreachedCondition, type CursorPosition, type Pass } from './source/incremental.ts';
import { orderBy, tupleAt, type Tuple } from './source/keyset.ts';
import { readRows } from './source/rows.ts';
import { selectColumns, selectList, type Selected } from './source/select.ts';
import { Sessions } from './source/session.ts';

const IDENTITY = `SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system, pg_catalog.current_database() AS database`;
const NOW = `SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`;

interface ReadJob {
  readonly connection: Connection;
  readonly selected: Selected;
  readonly split: Split;
  readonly stop: AbortSignal;
  readonly schema: SourceMessage;
}

function isPass(split: Split): boolean {
  return (split.detail as { readonly mode?: string }).mode === 'incremental';
}

/** A split carries what its stream was planned with: another process reads it without the job. */
function selectionOf(split: Split): Selection {
  return (split.detail as unknown as { readonly selection: Selection }).selection;
}

function isKeyRange(split: Split): boolean {
  return (split.detail as unknown as FullSplit).by === 'key';
}

/** After each batch the place that it ends at, if it has one. */
async function* withPlaces(rows: AsyncGenerator<SourceMessage, boolean>, place: () => Position | undefined): AsyncGenerator<SourceMessage, boolean> {
  try {
    for (;;) {
      const next = await rows.next();
      if (next.done) return next.value;
      yield next.value;
      const position = next.value.type === 'batch' ? place() : undefined;
      if (position) yield { type: 'checkpoint', position };
    }
  } finally {
    await rows.return(false);
  }
}

const BEGIN = 'BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY';
/** A COPY takes as long as its table is large. */
const UNLIMITED = 'SET LOCAL statement_timeout = 0';

function selectFrom(selected: Selected): string {
  return `SELECT ${selectList(selected.columns)} FROM ${selected.relation.from}`;
}

interface PostgresReading {
  /** Of a full load, unless its only split is all that the run reads. */
  readonly snapshot?: string;
  /** Of a stream that is a query: its text, which splits don't keep. */
  readonly query?: string;
}

/** Where a range of a key stands: its last row that is at the destination. */
interface FullPosition { readonly after?: Tuple }

export class PostgresSource implements Source {
  private readonly config: SourceConfig;
  private readonly context: ConnectorContext;
  private readonly sessions: Sessions;
  private readonly relations = new Map<string, Relation>();
  private readonly readings = new Map<string, Reading>();
  private snapshot: Promise<string> | undefined;
  /** The load that is all of the run, of one split that is always read from its start or with snapshots of its own: one connection does for it. */
  private only: string | undefined;

  constructor(config: SourceConfig, context: ConnectorContext) {
    this.config = config;
    this.context = context;
    this.sessions = new Sessions(config, context);
  }

  async identity(): Promise<string> {
    const connecting = this.sessions.questions();
    kernels(); // compiled while the server answers
    const connection = await connecting;
    const [row] = await connection.query<{ system: string; database: string }>(IDENTITY);
    return `postgres:${row?.system ?? '?'}/${row?.database ?? '?'}`;
  }

  async check(selection: readonly Selection[]): Promise<CheckReport> {
    return checkSource(await this.sessions.questions(), selection, this.context);
  }

  async discover({ queries = {}, only }: Discovery = {}): Promise<readonly StreamInfo[]> {
    const connection = await this.sessions.questions();
    const relations = only?.length === 0 ? [] : [...(await loadRelations(connection, only))];
    for (const [stream, query] of Object.entries(queries)) relations.push(await describeQuery(connection, stream, query));
    for (const relation of relations) this.relations.set(relation.stream, relation);
    return relations.map(streamInfo);
  }

  async plan(selection: readonly Selection[], state: JobState, options: PlanOptions): Promise<readonly Load[]> {
    const connection = await this.sessions.questions();
    const alone = options.alone === true && selection.length === 1 && this.snapshot === undefined;
    if (!alone) this.sessions.prepare();
    const startedAt = await serverNow(connection);
    const loads: Load[] = [];
    for (const each of selection) {
      const selected = await this.selected(each);
      const id = options.nextLoadId();
      if (each.sync === 'incremental') loads.push(incrementalLoad(selected, each, state, { id, startedAt }));
      else if (each.sync === 'full') loads.push(await fullLoad({ connection, selected, selection: each, maxSplits: options.maxSplits }, state.streams[each.stream], { id, startedAt }));
      else throw new EtlError({ kind: 'unsupported', code: 'ETL-PG-036', message: `${each.stream}: the Postgres source does not offer sync: ${each.sync}.` });
    }
    await checkPlaces(loads, connection);
    const splits = loads.flatMap((load) => load.splits);
    this.only = alone && splits.length === 1 && !splits.some(isKeyRange) ? loads[0]?.id : undefined;
    return loads;
  }

  /**
   * Every full load of a run rests on one snapshot, so that its tables are of one instant. A pass only gets its bound here: each read of
   * it takes a snapshot of its own, which is younger than the bound.
   */
  async begin(load: Load, _run: RunToken): Promise<{ load: Load; reading: Reading }> {
    const isOnly = load.id === this.only;
    if (!isOnly) this.sessions.prepare();
    const begun = await this.fixed(load, isOnly);
    if (isOnly) this.sessions.release();
    return begun;
  }

  private async fixed(load: Load, isOnly: boolean): Promise<{ load: Load; reading: Reading }> {
    const [split] = load.splits;
    if (!split || !isPass(split)) return { load, reading: isOnly ? this.queryOf(load) : await this.underSnapshot(load) };
    const selected = await this.selected(selectionOf(split));
    const bounded = await fixBound(load, { connection: await this.sessions.questions(), selected, ours: this.sessions.processIds(), context: this.context });
    return { load: bounded, reading: this.queryOf(load) };
  }

  /**
   * A snapshot lives as long as the process that holds it; a pass may always go on, since a row that moved lies above its bound, and so
   * may ranges of a key that never changes (rule 12).
   */
  async resume(load: Load, _run: RunToken): Promise<Reading | 'lost'> {
    if (load.splits.every(isPass)) return this.queryOf(load);
    if (load.splits.every(isKeyRange) && !this.readings.has(load.id)) {
      this.context.note('warn', `${load.streams.join(', ')}: the load goes on by its key under another snapshot: the table is not of one instant.`);
      return this.underSnapshot(load);
    }
    return this.readings.get(load.id) ?? 'lost';
  }

  async *read(reading: Reading, split: Split, from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage> {
    const { snapshot, query } = reading as PostgresReading;
    const selection: Selection = { ...selectionOf(split), ...(query === undefined ? {} : { query }) };
    const selected = await this.selected(selection);
    const schema: SourceMessage = { type: 'schema', stream: selection.stream, schema: selected.schema };
    if (from?.['done'] === true) {
      yield schema;
      return yield { type: 'checkpoint', position: from, last: true };
    }
    const connection = await this.sessions.reader();
    try {
      const job = { connection, selected, split, stop, schema };
      if (isPass(split)) yield* this.readPass(job, from);
      else yield* this.readFull(job, snapshot, from as FullPosition | undefined);
    } finally {
      this.sessions.close(connection);
    }
  }

  private async *readFull({ connection, selected, split, stop, schema }: ReadJob, snapshot: string | undefined, from: FullPosition | undefined): AsyncGenerator<SourceMessage> {
    const shared = snapshot === undefined ? [] : [{ sql: `SET TRANSACTION SNAPSHOT ${quoteText(snapshot)}` }];
    await connection.queries([{ sql: BEGIN }, ...shared, { sql: UNLIMITED }]);
    const detail = split.detail as unknown as FullSplit;
    const query = `${selectFrom(selected)}${fullClauses(detail, selected, from?.after)}`;
    let after: Tuple | undefined;
    const rows = readRows({
      connection, selected, query, maxRowBytes: this.config.max_row_bytes, stop, opening: schema,
      last: (vectors, row) => { after = detail.by === 'key' ? tupleAt(selected.key, selected, vectors, row) : undefined; },
    });
    const complete = yield* withPlaces(rows, () => after && { v: 1, mode: 'full', after });
    if (complete) yield { type: 'checkpoint', position: { v: 1, mode: 'full', done: true }, last: true };
  }

  private async *readPass({ connection, selected, split, stop, schema }: ReadJob, from: Position | undefined): AsyncGenerator<SourceMessage> {
    await connection.queries([{ sql: BEGIN }, { sql: UNLIMITED }]);
    const pass = split.detail as unknown as Pass;
    const column = pass.selection.cursor?.column ?? '';
    const position: CursorPosition = { v: 1, mode: 'incremental', column, type: pass.type, upTo: pass.upTo };
    const after = (from as CursorPosition | undefined)?.after;
    const options = { connection, selected, maxRowBytes: this.config.max_row_bytes, stop };
    const reloads = pass.selection.cursor?.nulls === 'reload' && !after;
    if (reloads) {
      const complete = yield* readRows({ ...options, opening: schema, query: `${selectFrom(selected)} WHERE ${unreachedCondition(pass)}` });
      if (!complete) return;
    }
    let tuple: Tuple | undefined;
    const columns = passColumns(pass, selected);
    const rows = readRows({
      ...options, ...(reloads ? {} : { opening: schema }), query: `${selectFrom(selected)} WHERE ${passCondition(pass, selected, after)}${pass.ordered ? orderBy(columns) : ''}`,
      last: (vectors, row) => { tuple = pass.ordered ? tupleAt(columns, selected, vectors, row) : undefined; },
    });
    const complete = yield* withPlaces(rows, () => tuple && { ...position, after: tuple }); // the tuple ends with the key: a tie is never cut (guarantee 4)
    if (complete) yield { type: 'checkpoint', position: { ...position, done: true }, last: true };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
    this.snapshot = undefined;
    this.readings.clear();
  }

  private async underSnapshot(load: Load): Promise<Reading> {
    this.snapshot ??= this.exportSnapshot().catch((error: unknown) => {
      this.snapshot = undefined;
      throw error;
    });
    const reading = { snapshot: await this.snapshot, ...this.queryOf(load) };
    this.readings.set(load.id, reading);
    return reading;
  }

  private queryOf({ streams: [stream = ''] }: Load): PostgresReading & Reading {
    const query = this.relations.get(stream)?.query;
    return query === undefined ? {} : { query };
  }

  private async exportSnapshot(): Promise<string> {
    const connection = await this.sessions.holder();
    const [, [row]] = (await connection.queries([{ sql: BEGIN }, { sql: 'SELECT pg_catalog.pg_export_snapshot() AS snapshot' }])) as [unknown, { snapshot: string }[]];
    if (!row) throw new EtlError({ kind: 'internal', code: 'ETL-PG-008', message: 'No snapshot came.' });
    return row.snapshot;
  }

  private async selected(selection: Selection): Promise<Selected> {
    return selectColumns(await this.relation(selection), selection);
  }

  private async relation(selection: Selection): Promise<Relation> {
    const known = this.relations.get(selection.stream);
    if (known) return known;
    const connection = await this.sessions.questions();
    const found = selection.query === undefined
      ? (await loadRelations(connection, [selection.stream]))[0]
      : await describeQuery(connection, selection.stream, selection.query);
    if (!found) throw missing(selection.stream);
    this.relations.set(selection.stream, found);
    return found;
  }
}

async function serverNow(connection: Connection): Promise<string> {
  const [row] = await connection.query<{ now: string }>(NOW);
  return row?.now ?? '';
}

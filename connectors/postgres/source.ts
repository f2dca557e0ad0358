import {
  EtlError, type CheckReport, type ConnectorContext, type JobState, type Load, type PlanOptions, type Position, type Reading, type RunToken, type Selection,
  type Source, type SourceMessage, type Split, type StreamInfo,
} from '#sdk';
import type { SourceConfig } from './config.ts';
import type { Connection } from './connection.ts';
import { quoteName, quoteText } from './quoting.ts';
import { checkSource } from './source/check.ts';
import { describeQuery, loadRelations, missing, streamInfo, type Relation } from './source/catalogue.ts';
import { fullCondition, fullLoad, type FullSplit } from './source/full.ts';
import { fixBound, incrementalLoad, passCondition, passOrder, tupleAt, type CursorPosition, type Pass } from './source/incremental.ts';
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
}

function isPass(split: Split): boolean {
  return (split.detail as { readonly mode?: string }).mode === 'incremental';
}

/** A split carries what its stream was planned with: another process reads it without the job. */
function selectionOf(split: Split): Selection {
  return (split.detail as unknown as { readonly selection: Selection }).selection;
}

function selectFrom(selected: Selected): string {
  return `SELECT ${selectList(selected.columns)} FROM ${selected.relation.from}`;
}

/** What a full load's reading holds. */
interface Snapshot { readonly snapshot: string }

export class PostgresSource implements Source {
  private readonly config: SourceConfig;
  private readonly context: ConnectorContext;
  private readonly sessions: Sessions;
  private readonly relations = new Map<string, Relation>();
  private readonly readings = new Map<string, Reading>();
  private snapshot: Promise<Snapshot> | undefined;

  constructor(config: SourceConfig, context: ConnectorContext) {
    this.config = config;
    this.context = context;
    this.sessions = new Sessions(config, context);
  }

  async identity(): Promise<string> {
    const connection = await this.sessions.questions();
    const [row] = await connection.query<{ system: string; database: string }>(IDENTITY);
    return `postgres:${row?.system ?? '?'}/${row?.database ?? '?'}`;
  }

  async check(selection: readonly Selection[]): Promise<CheckReport> {
    return checkSource(await this.sessions.questions(), selection, this.context);
  }

  async discover(queries: Readonly<Record<string, string>> = {}): Promise<readonly StreamInfo[]> {
    const connection = await this.sessions.questions();
    const relations = [...(await loadRelations(connection))];
    for (const [stream, query] of Object.entries(queries)) relations.push(await describeQuery(connection, stream, query));
    for (const relation of relations) this.relations.set(relation.stream, relation);
    return relations.map(streamInfo);
  }

  async plan(selection: readonly Selection[], state: JobState, options: PlanOptions): Promise<readonly Load[]> {
    const connection = await this.sessions.questions();
    this.sessions.prepare();
    const startedAt = await serverNow(connection);
    const loads: Load[] = [];
    for (const each of selection) {
      const selected = await this.selected(each);
      const id = options.nextLoadId();
      if (each.sync === 'incremental') loads.push(incrementalLoad(selected, each, state, { id, startedAt }));
      else if (each.sync === 'full') loads.push(fullLoad(selected.relation, each, state.streams[each.stream], { id, maxSplits: options.maxSplits, startedAt }));
      else throw new EtlError({ kind: 'unsupported', code: 'ETL-PG-036', message: `${each.stream}: the Postgres source does not offer sync: ${each.sync}.` });
    }
    return loads;
  }

  /**
   * Every full load of a run rests on one snapshot, so that its tables are of one instant. A pass only gets its bound here: each read of
   * it takes a snapshot of its own, which is younger than the bound.
   */
  async begin(load: Load, _run: RunToken): Promise<{ load: Load; reading: Reading }> {
    this.sessions.prepare();
    const [split] = load.splits;
    if (split && isPass(split)) {
      const selected = await this.selected(selectionOf(split));
      const bounded = await fixBound(load, { connection: await this.sessions.questions(), selected, ours: this.sessions.processIds(), context: this.context });
      return { load: bounded, reading: {} };
    }
    this.snapshot ??= this.exportSnapshot();
    const reading = { snapshot: (await this.snapshot).snapshot };
    this.readings.set(load.id, reading);
    return { load, reading };
  }

  /** A snapshot lives as long as the process that holds it; a pass may always go on, since a row that moved lies above its bound (rule 12). */
  async resume(load: Load, _run: RunToken): Promise<Reading | 'lost'> {
    if (load.splits.every(isPass)) return {};
    return this.readings.get(load.id) ?? 'lost';
  }

  async *read(reading: Reading, split: Split, from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage> {
    const selection = selectionOf(split);
    const selected = await this.selected(selection);
    yield { type: 'schema', stream: selection.stream, schema: selected.schema };
    const connection = await this.sessions.reader();
    try {
      await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      const job = { connection, selected, split, stop };
      if (isPass(split)) yield* this.readPass(job, from);
      else yield* this.readFull(job, (reading as unknown as Snapshot).snapshot);
    } finally {
      await this.sessions.close(connection);
    }
  }

  private async *readFull({ connection, selected, split, stop }: ReadJob, snapshot: string): AsyncGenerator<SourceMessage> {
    await connection.query(`SET TRANSACTION SNAPSHOT ${quoteText(snapshot)}`);
    const condition = fullCondition(split.detail as FullSplit);
    const query = `${selectFrom(selected)}${condition ? ` WHERE ${condition}` : ''}`;
    const complete = yield* readRows({ connection, selected, query, maxRowBytes: this.config.max_row_bytes, stop });
    if (complete) yield { type: 'checkpoint', position: { v: 1, mode: 'full', done: true }, last: true };
  }

  private async *readPass({ connection, selected, split, stop }: ReadJob, from: Position | undefined): AsyncGenerator<SourceMessage> {
    const pass = split.detail as unknown as Pass;
    const column = pass.selection.cursor?.column ?? '';
    const position: CursorPosition = { v: 1, mode: 'incremental', column, type: pass.type, upTo: pass.upTo };
    const after = (from as CursorPosition | undefined)?.after;
    const options = { connection, selected, maxRowBytes: this.config.max_row_bytes, stop };
    if (pass.selection.cursor?.nulls === 'reload' && !after) {
      const complete = yield* readRows({ ...options, query: `${selectFrom(selected)} WHERE ${quoteName(column)} IS NULL` });
      if (!complete) return;
    }
    let tuple: readonly string[] | undefined;
    const rows = readRows({
      ...options, query: `${selectFrom(selected)} WHERE ${passCondition(pass, selected, after)}${passOrder(pass, selected)}`,
      last: (vectors, row) => { tuple = pass.ordered ? tupleAt(pass, selected, vectors, row) : undefined; },
    });
    try {
      for (;;) {
        const next = await rows.next();
        if (next.done) {
          if (next.value) yield { type: 'checkpoint', position: { ...position }, last: true };
          return;
        }
        yield next.value;
        // the tuple ends with the key: a tie is never cut (guarantee 4)
        if (next.value.type === 'batch' && tuple) yield { type: 'checkpoint', position: { ...position, after: tuple } };
      }
    } finally {
      await rows.return(false);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
    this.snapshot = undefined;
    this.readings.clear();
  }

  private async exportSnapshot(): Promise<Snapshot> {
    const connection = await this.sessions.holder();
    await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
    const [row] = await connection.query<{ snapshot: string }>('SELECT pg_catalog.pg_export_snapshot() AS snapshot');
    if (!row) throw new EtlError({ kind: 'internal', code: 'ETL-PG-008', message: 'No snapshot came.' });
    return row;
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

import {
  EtlError, type CheckReport, type ConnectorContext, type JobState, type Load, type PlanOptions, type Position, type Reading, type RunToken, type Selection,
  type Source, type SourceMessage, type Split, type StreamInfo,
} from '#sdk';
import type { SourceConfig } from './config.ts';
import type { Connection } from './connection.ts';
import { quoteText } from './quoting.ts';
import { describeQuery, loadRelations, missing, streamInfo, type Relation } from './source/catalogue.ts';
import { fullCondition, fullLoad, type FullSplit } from './source/full.ts';
import { readRows } from './source/rows.ts';
import { selectColumns, selectList, type Selected } from './source/select.ts';
import { Sessions } from './source/session.ts';

const IDENTITY = `SELECT (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) AS system, pg_catalog.current_database() AS database`;
const NOW = `SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS now`;

/** What a full load's reading holds. */
interface Snapshot { readonly snapshot: string }

export class PostgresSource implements Source {
  private readonly config: SourceConfig;
  private readonly sessions: Sessions;
  private readonly relations = new Map<string, Relation>();
  private readonly readings = new Map<string, Reading>();
  private snapshot: Promise<Snapshot> | undefined;

  constructor(config: SourceConfig, context: ConnectorContext) {
    this.config = config;
    this.sessions = new Sessions(config, context);
  }

  async identity(): Promise<string> {
    const connection = await this.sessions.questions();
    const [row] = await connection.query<{ system: string; database: string }>(IDENTITY);
    return `postgres:${row?.system ?? '?'}/${row?.database ?? '?'}`;
  }

  async check(_selection: readonly Selection[]): Promise<CheckReport> {
    await this.sessions.questions();
    return [];
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
      loads.push(fullLoad(selected.relation, each, state.streams[each.stream], { id: options.nextLoadId(), maxSplits: options.maxSplits, startedAt }));
    }
    return loads;
  }

  /** Every full load of a run rests on one snapshot, so that its tables are of one instant. */
  async begin(load: Load, _run: RunToken): Promise<{ load: Load; reading: Reading }> {
    this.sessions.prepare();
    this.snapshot ??= this.exportSnapshot();
    const reading = { snapshot: (await this.snapshot).snapshot };
    this.readings.set(load.id, reading);
    return { load, reading };
  }

  /** A snapshot lives as long as the process that holds it (rule 12). */
  async resume(load: Load, _run: RunToken): Promise<Reading | 'lost'> {
    return this.readings.get(load.id) ?? 'lost';
  }

  async *read(reading: Reading, split: Split, _from: Position | undefined, stop: AbortSignal): AsyncIterable<SourceMessage> {
    const detail = split.detail as unknown as FullSplit & { readonly selection: Selection };
    const selected = await this.selected(detail.selection);
    const { stream } = detail.selection;
    yield { type: 'schema', stream, schema: selected.schema };
    const connection = await this.sessions.reader();
    try {
      await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY');
      await connection.query(`SET TRANSACTION SNAPSHOT ${quoteText(String(reading['snapshot']))}`);
      const condition = fullCondition(detail);
      const query = `SELECT ${selectList(selected.columns)} FROM ${selected.relation.from}${condition ? ` WHERE ${condition}` : ''}`;
      const complete = yield* readRows({ connection, selected, query, maxRowBytes: this.config.max_row_bytes, stop });
      if (complete) yield { type: 'checkpoint', position: { v: 1, mode: 'full', done: true }, last: true };
    } finally {
      await this.sessions.close(connection);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sessions[Symbol.asyncDispose]();
    this.snapshot = undefined;
    this.readings.clear();
  }

  private async exportSnapshot(): Promise<Snapshot> {
    const connection = await this.sessions.questions();
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

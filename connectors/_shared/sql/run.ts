import { failpoint, type JobState, type Load, type LoadId, type Positions, type Run, type RunToken, type Session, type Split, type StreamState } from '#sdk';
import type { Control } from './control.ts';
import type { SqlDatabase, SqlSession } from './dialect.ts';
import { findLoad, runFence, storedLoad } from './fence.ts';
import { STATE_SCHEMA } from './names.ts';
import { publishLoad } from './publish.ts';
import { openSession } from './session.ts';
import { dropStages, endLoads, stagesOf } from './stages.ts';
import { json, readState, STREAMS, text } from './state.ts';
import { explained } from './transact.ts';

/** What the calls of one run share. */
export interface RunContext {
  readonly database: SqlDatabase;
  readonly token: RunToken;
  readonly control: Control;
  uuid(): string;
  now(): string;
  note(level: 'debug' | 'info' | 'warn', message: string): void;
}

export class SqlRun implements Run {
  readonly token: RunToken;
  state: JobState;
  private readonly context: RunContext;
  private readonly sessions = new Set<Session>();
  private readonly leases: boolean;
  private resting = false;

  constructor(context: RunContext, state: JobState, options: { readonly holdsLease: boolean }) {
    this.context = context;
    this.token = context.token;
    this.state = state;
    this.leases = options.holdsLease;
  }

  async renewLease(): Promise<void> {
    const { control, token, database } = this.context;
    await this.explained(() => control.run(async (session) => {
      const rows = await session.query(`update ${STATE_SCHEMA}.leases set beat = beat + 1 where pipe = $1 and run_id = $2 returning beat`, [token.pipe, token.runId]);
      if (rows.length === 0) throw database.error({ what: 'fenced', scope: 'run', message: `A newer run holds the lease of "${token.pipe}".` });
    }));
  }

  /** One transaction on the control connection that begins with the run's fence (rule 7) and ends with fresh state. */
  private fenced<T>(work: (control: SqlSession) => Promise<T>): Promise<T> {
    const { control, token, database } = this.context;
    return this.explained(async () => {
      const { result, state } = await control.transact([runFence(database, token, 'update')], async (session) => {
        const done = await work(session);
        return { result: done, state: await readState(session, token.pipe) };
      });
      this.state = state;
      return result;
    });
  }

  private explained<T>(work: () => Promise<T>): Promise<T> {
    const { token, database } = this.context;
    return explained(database, work, [runFence(database, token, 'share')]);
  }

  async begin(load: Load, after: Readonly<Record<string, LoadId | undefined>>): Promise<Load> {
    await failpoint('sql.begin');
    return this.fenced(async (control) => {
      const { database, token } = this.context;
      const [found, open] = await control.queries([findLoad(database, token, load.id), { sql: `select load, open_streams from ${STATE_SCHEMA}.loads where pipe = $1`, params: [token.pipe] }]);
      const stored = storedLoad(found?.[0]);
      if (stored) return stored.load;
      await this.compareAndSet(control, load, after);
      const replaced = (open ?? []).filter((row) => (JSON.parse(String(row['open_streams'])) as string[]).some((stream) => load.streams.includes(stream)));
      await endLoads(database, control, token.pipe, replaced.map((row) => String(row['load'])));
      await control.queries([
        { sql: `insert into ${STATE_SCHEMA}.loads (pipe, load, body, open_streams) values ($1, $2, $3, $4)`, params: [token.pipe, load.id, JSON.stringify(load), JSON.stringify(load.streams)] },
        ...load.splits.map((split) => ({
          sql: `insert into ${STATE_SCHEMA}.splits (pipe, load, split, split_epoch, revision, position, complete, row_count, rejected, byte_count, backend)
          values ($1, $2, $3, 0, 0, null, false, 0, 0, 0, null)`, params: [token.pipe, load.id, split.id],
        })),
      ]);
      return load;
    });
  }

  /** The last load of each stream, open or ended, is the one that this load was planned after (rule 4). */
  private async compareAndSet(control: SqlSession, load: Load, after: Readonly<Record<string, LoadId | undefined>>): Promise<void> {
    const { database, token } = this.context;
    const [found = []] = await control.queries([
      { sql: `select stream, last_load from ${STATE_SCHEMA}.streams where pipe = $1`, params: [token.pipe] },
      ...database.dialect.put({ ...STREAMS, replaces: ['last_load'], rows: load.streams.map((stream) => ({ pipe: token.pipe, stream, rebuild: false, incarnations: '{}', last_load: load.id })) }),
    ]);
    for (const stream of load.streams) {
      const last = text(found.find((row) => row['stream'] === stream)?.['last_load']);
      if (last === after[stream]) continue;
      throw database.error({ what: 'fenced', scope: 'load', message: `Stream ${stream} has had load ${last ?? 'none'} since load ${load.id} was planned.` });
    }
  }

  async open(load: Load, split: Split, abort: AbortSignal): Promise<Session> {
    const session = await this.explained(() => openSession(this.context, { load, split, abort, closed: (it) => this.sessions.delete(it) }));
    this.sessions.add(session);
    return session;
  }

  async publish(load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
    await failpoint('sql.publish');
    const result = await this.fenced((control) => publishLoad(this.context, control, load, streams));
    await failpoint('sql.published');
    return result;
  }

  async reset(streams: readonly string[], to?: Positions): Promise<void> {
    await this.fenced(async (control) => {
      const { database, token } = this.context;
      const state = await readState(control, token.pipe);
      const ended = state.loads.filter((open) => open.openStreams.some((stream) => streams.includes(stream)));
      await endLoads(database, control, token.pipe, ended.map((open) => open.load.id));
      const shadows = (await stagesOf(control, token.pipe)).filter((stage) => streams.includes(stage.stream));
      await dropStages(database, control, token.pipe, shadows);
      for (const stream of streams) await this.resetStream(control, stream, state.streams[stream], to?.[stream]);
    });
  }

  /** Epochs stay as they are (rule 8). Without a position the next load replaces the table. */
  private async resetStream(control: SqlSession, stream: string, before: StreamState | undefined, to: Positions[string] | undefined): Promise<void> {
    const row = { pipe: this.token.pipe, stream, incarnations: '{}', position: json(to), rebuild: to === undefined || (before?.rebuild ?? false), published_load: null };
    await control.queries(this.context.database.dialect.put({ ...STREAMS, replaces: ['position', 'rebuild', 'published_load'], rows: [row] }));
  }

  /** A lease row covers `after`, for which the file is closed (rule 28). */
  async rest(): Promise<void> {
    const { control, token, database } = this.context;
    if (!database.letGo) return;
    await this.closeSessions();
    await control.run((session) => session.query(`update ${STATE_SCHEMA}.leases set resting = true where pipe = $1 and run_id = $2`, [token.pipe, token.runId]));
    await control.close();
    await database.letGo();
    this.resting = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { control } = this.context;
    await this.closeSessions();
    if (this.resting) {
      await this.releaseAgain().catch(() => undefined); // whoever holds the file now has it for good
      return;
    }
    if (this.leases) await control.run((session) => this.release(session)).catch(() => undefined);
    await control.close();
  }

  private async closeSessions(): Promise<void> {
    for (const session of this.sessions) await session[Symbol.asyncDispose]();
  }

  private async releaseAgain(): Promise<void> {
    const session = await this.context.database.connect();
    try {
      await this.release(session);
    } finally {
      await session.close();
    }
  }

  private async release(session: SqlSession): Promise<void> {
    const { token } = this.context;
    await session.query(`update ${STATE_SCHEMA}.leases set released = true where pipe = $1 and run_id = $2`, [token.pipe, token.runId]);
  }
}

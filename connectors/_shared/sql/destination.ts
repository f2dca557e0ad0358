import {
  type Capabilities, type CheckReport, type Destination, type JobState, type Lease, type Owner, type PipeId, type Ports, type QuarantinedRow, type Run, type RunToken,
  type SchemaPlan, type StateCommand, type Target, failpoint,
} from '#sdk';
import type { Schema } from '#batch';
import type { SqlConnection, SqlDatabase, SqlSession, Statement } from './dialect.ts';
import { Control } from './control.ts';
import { planTable } from './evolve.ts';
import { runFence } from './fence.ts';
import { adoptTables } from './adopt.ts';
import { otherOwners, refusal } from './incarnation.ts';
import { STATE_SCHEMA, targetName } from './names.ts';
import { SqlRun, type RunContext } from './run.ts';
import { backendsOf, count, FORMAT_ROW, json, leaseOf, readState, stateDdl, stateForm, STREAMS, text, type StateForm } from './state.ts';
import { transact } from './transact.ts';


/** No transaction of a live run keeps others from the run's row for so long, but a large publish: that is ended too. */
const PAUSED_MS = 1_000;

export interface SqlDestinationOptions {
  readonly database: SqlDatabase;
  readonly capabilities: Capabilities;
  readonly ports: Ports;
  note(level: 'debug' | 'info' | 'warn', message: string): void;
  check(probe: boolean): Promise<CheckReport>;
}

/** The commit protocol on an SQL database with transactions (rules 7 to 16, 22, 23, 30 to 32). */
export class SqlDestination implements Destination {
  readonly capabilities: Capabilities;
  private readonly options: SqlDestinationOptions;
  private readonly database: SqlDatabase;
  /** The connection that has seen a lease free, and the tables of state that it has seen: the claim that follows goes on with it. */
  private free: { readonly session: SqlSession; readonly form: StateForm } | undefined;

  constructor(options: SqlDestinationOptions) {
    this.options = options;
    this.database = options.database;
    this.capabilities = options.capabilities;
  }

  check(options: { readonly probe: boolean }): Promise<CheckReport> {
    return this.options.check(options.probe);
  }

  async planSchema(pipe: PipeId, target: Target, schema: Schema, rebuild: boolean): Promise<SchemaPlan> {
    const { dialect } = this.database;
    const found = await this.reading(async (connection) => {
      await dialect.prepareTypes(connection, schema.fields);
      const info = await dialect.readTable(connection, targetName(dialect, target));
      const refused = await refusal({ database: this.database, token: { pipe } }, connection, { target, info, rebuild, hasState: await this.hasState(connection) });
      return { info, refused };
    });
    const plan = planTable(dialect, { info: found?.info, target, schema, replaces: rebuild || target.write === 'replace' });
    return found?.refused ? { ...plan, conflicts: [`${found.refused.message} ${found.refused.hint ?? ''}`] } : plan;
  }

  async state(pipe: PipeId): Promise<JobState> {
    return (await this.reading(async (connection) => ((await this.hasState(connection)) ? readState(connection, pipe) : undefined))) ?? { runEpoch: 0, streams: {}, loads: [] };
  }

  async lease(pipe: PipeId): Promise<Lease | undefined> {
    const session = await this.database.connect();
    try {
      const form = await stateForm(this.database, session);
      const [row] = form === 'none' ? [] : await session.query(`select * from ${STATE_SCHEMA}.leases where pipe = $1`, [pipe]);
      const lease = row && leaseOf(row);
      const before = this.free;
      this.free = lease && !lease.released ? undefined : { session, form };
      await before?.session.close();
      if (this.free) return lease;
      await session.close();
      await this.database.letGo?.(); // whoever only watches keeps the file from nobody (rule 28)
      return lease;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  async quarantine(pipe: PipeId, query: { readonly stream?: string; readonly limit: number }): Promise<readonly QuarantinedRow[]> {
    const found = await this.reading(async (connection) => {
      if (!(await this.hasState(connection))) return [];
      const rows = await connection.query(`select * from ${STATE_SCHEMA}.quarantine where pipe = $1 and ($2::text is null or stream = $2::text) order by "at" desc, id limit ${Math.trunc(query.limit)}`, [pipe, query.stream ?? null]);
      return rows.map((row) => {
        const column = text(row['column_name']);
        const key = text(row['key_json']);
        return {
          id: String(row['id']), stream: String(row['stream']), code: String(row['code']), reason: String(row['reason']), load: String(row['load']), at: String(row['at']),
          row: JSON.parse(String(row['row_json'])) as QuarantinedRow['row'],
          ...(column !== undefined && { column }), ...(key !== undefined && { key: JSON.parse(key) as QuarantinedRow['row'] }),
        };
      });
    });
    return found ?? [];
  }

  async claim(pipe: PipeId, owner: Owner): Promise<Run> {
    const { session: control = await this.database.connect(), form } = this.free ?? {};
    this.free = undefined;
    this.database.prepare?.(); // a load will write soon
    try {
      await this.ensureState(control, form);
      await failpoint('sql.claim');
      const token: RunToken = { pipe, runId: owner.runId, runEpoch: await this.pastPaused(pipe, () => this.raiseEpoch(control, pipe, owner)) };
      await this.takeLease(control, pipe, owner);
      const state = await this.stateUnder(control, token);
      await failpoint('sql.claimed');
      return new SqlRun(this.context(control, token), state, { holdsLease: true });
    } catch (error) {
      await control.close();
      throw error;
    }
  }

  /**
   * What the run before holds must not block this one, even if it is paused inside a transaction (rule 10). Its connections are ended while
   * the claim waits for the run's row already: the claim is then the next to have it, and who looks why its connection broke is fenced.
   */
  private async pastPaused<T>(pipe: PipeId, claim: () => Promise<T>): Promise<T> {
    const claimed = new AbortController();
    const ending = this.options.ports.clock.sleep(PAUSED_MS, claimed.signal)
      .then(() => this.reading(async (other) => {
        for (const backend of await backendsOf(other, pipe)) await this.database.terminate(other, backend);
      }))
      .catch(() => undefined); // not needed, or not allowed: then the lock's own time limit ends the wait
    try {
      return await claim();
    } finally {
      claimed.abort();
      await ending;
    }
  }

  /** One statement: whoever is paused in the middle of a claim holds nothing (rule 10). */
  private async raiseEpoch(control: SqlSession, pipe: PipeId, owner: Owner): Promise<number> {
    const raised = await control.queries([
      ...this.newPipe(pipe),
      {
        sql: `update ${STATE_SCHEMA}.pipes set run_epoch = run_epoch + 1, run_id = $2, source_identity = $3, owner = $4
          where pipe = $1 and (source_identity is null or source_identity = $3) returning run_epoch`, params: [pipe, owner.runId, owner.sourceIdentity, owner.job],
      },
    ]);
    const epoch = raised.at(-1)?.[0]?.['run_epoch'];
    if (epoch !== undefined) return count(epoch);
    const [row] = await control.query(`select source_identity from ${STATE_SCHEMA}.pipes where pipe = $1`, [pipe]);
    throw this.database.error({
      what: 'state_lost', message: `"${pipe}" has its positions from source ${text(row?.['source_identity']) ?? 'unknown'}, but the source is now ${owner.sourceIdentity}.`,
      hint: 'If it is a clone or an upgrade of the same data, run `etl state adopt JOB --yes`; otherwise adopt it, and start over with `--full-refresh`.',
    });
  }

  private newPipe(pipe: PipeId): readonly Statement[] {
    return this.database.dialect.put({ table: 'pipes', key: ['pipe'], replaces: [], rows: [{ pipe, run_epoch: 0 }] });
  }

  /** From here on a successor knows the backend that it has to end. */
  private async takeLease(control: SqlSession, pipe: PipeId, owner: Owner): Promise<void> {
    const lease = { run_id: owner.runId, host: owner.host, pid: owner.pid, beat: 1, released: false, resting: false, backend: control.backend ?? null };
    await control.queries(this.database.dialect.put({ table: 'leases', key: ['pipe'], replaces: Object.keys(lease), rows: [{ pipe, ...lease }] }));
  }

  private stateUnder(control: SqlSession, token: RunToken): Promise<JobState> {
    return transact(control, () => readState(control, token.pipe), [runFence(this.database, token, 'share')]);
  }

  async attach(token: RunToken): Promise<Run> {
    const control = await this.database.connect();
    try {
      return new SqlRun(this.context(control, token), await this.stateUnder(control, token), { holdsLease: false });
    } catch (error) {
      await control.close();
      throw error;
    }
  }

  async owners(pipe: PipeId, targets: readonly Target[]): Promise<readonly PipeId[]> {
    const found = await this.reading(async (connection) => {
      const owners = new Set<PipeId>();
      if (!(await this.hasState(connection))) return owners;
      for (const target of targets) for (const owner of await otherOwners({ database: this.database, token: { pipe } }, connection, target)) owners.add(owner);
      return owners;
    });
    return [...found ?? []];
  }

  async administer(pipe: PipeId, command: StateCommand): Promise<void> {
    const control = await this.database.connect();
    try {
      await this.ensureState(control);
      await transact(control, async () => {
        await control.queries(this.newPipe(pipe));
        // what runs now must not go on with what is replaced here (rule 8)
        await control.query(`update ${STATE_SCHEMA}.pipes set run_epoch = run_epoch + 1 where pipe = $1`, [pipe]);
        await (command.type === 'adopt' ? this.adopt(control, pipe, command) : this.import(control, pipe, command));
      });
    } finally {
      await control.close();
    }
  }

  private async adopt(control: SqlSession, pipe: PipeId, command: Extract<StateCommand, { type: 'adopt' }>): Promise<void> {
    if (command.sourceIdentity !== undefined) {
      await control.query(`update ${STATE_SCHEMA}.pipes set source_identity = $2 where pipe = $1`, [pipe, command.sourceIdentity]);
    }
    await adoptTables({ database: this.database, token: { pipe }, uuid: () => this.options.ports.random.uuidv7() }, control, command.targets);
  }

  private async import(control: SqlSession, pipe: PipeId, command: Extract<StateCommand, { type: 'import' }>): Promise<void> {
    const rows = Object.entries(command.streams).map(([stream, { position }]) => ({ pipe, stream, rebuild: false, incarnations: '{}', position: json(position) }));
    await control.queries(this.database.dialect.put({ ...STREAMS, replaces: ['position'], rows }));
  }

  private context(control: SqlSession, token: RunToken): RunContext {
    const { ports } = this.options;
    return {
      database: this.database, token, control: new Control(this.database, token, control), note: (level, message) => this.options.note(level, message),
      uuid: () => ports.random.uuidv7(),
      now: () => new Date(ports.clock.now()).toISOString(),
    };
  }

  /** Two first starts may create at once: the loser of that race sees the tables at its second try. */
  private async ensureState(control: SqlSession, seen?: StateForm): Promise<void> {
    if ((seen ?? await stateForm(this.database, control)) === 'current') return;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.createState(control);
      } catch (error) {
        if (attempt === 3) throw error;
      }
    }
  }

  /** In one transaction only where no other process can be at the database: whoever is paused in the middle holds nothing (rule 10). */
  private async createState(control: SqlSession): Promise<void> {
    const create = () => control.queries([...stateDdl(this.database.dialect).map((sql) => ({ sql })), ...this.database.dialect.put(FORMAT_ROW)]);
    await (this.database.letGo ? transact(control, create) : create());
  }

  private async hasState(connection: SqlConnection): Promise<boolean> {
    return (await stateForm(this.database, connection)) !== 'none';
  }

  /** undefined: there is nothing to read yet. */
  private async reading<T>(work: (connection: SqlConnection) => Promise<T>): Promise<T | undefined> {
    if (this.database.isMissing?.()) return undefined;
    const session = await this.database.connect();
    try {
      return await work(session);
    } finally {
      await session.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.free?.session.close();
    await this.database[Symbol.asyncDispose]();
  }
}


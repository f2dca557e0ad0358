import { rows, UNAVAILABLE_VALUE, type Batch, type ChangeRow, type Value } from '#batch';
import { EtlError } from '../../errors/error.ts';
import type {
  Capabilities, CheckReport, Checkpoint, CommitReceipt, Destination, JobState, Lease, Load, LoadId, Owner, PipeId, Positions, QuarantinedRow, Rejection, Run, RunToken, Schema,
  SchemaPlan, Session, Split, StateCommand, Target, TargetMessage,
} from '../contract.ts';
import type { TableRow } from './compare.ts';
import type { StagedChange } from './fold.ts';
import { MemoryServer, type Claimed } from './memory-server.ts';
import { emptyStore, emptyTable, type MemoryStore, type StagedMessage } from './memory-store.ts';
import { widen } from './memory-tables.ts';
import { hashOf } from './random.ts';
import { TestNetwork } from './test-network.ts';

export interface MemoryOptions {
  /** What the server holds; several destinations ("processes") may share one. */
  readonly store?: MemoryStore;
  readonly network?: TestNetwork;
  /** Called after each step of the server: writes the store where it outlives the process. */
  readonly saved?: () => void;
}

const CAPABILITIES: Capabilities = {
  writeModes: ['append', 'merge', 'replace', 'scd2'], deletes: ['hard', 'soft'], processes: 'many', maxSessions: 16, origins: [], keepsState: true,
  promise: { append: 'exactly-once', merge: 'exactly-once', replace: 'exactly-once', scd2: 'exactly-once' },
  names: { maxBytes: 63, caseSensitive: true }, takesChanges: true,
};

/** The reference destination: every rule in plain code, all state in one plain object. Others are compared with it. */
export function memoryDestination(options: MemoryOptions = {}): Destination {
  return new MemoryDestination(new MemoryServer(options.store ?? emptyStore(), options.saved), options.network ?? new TestNetwork());
}

/** The rows of a table of the store, in order of writing where it has one. */
export function memoryTable(store: MemoryStore, table: string): readonly TableRow[] {
  const stored = store.tables[table];
  return stored ? [...Object.values(stored.byKey), ...stored.list] : [];
}

class MemoryDestination implements Destination {
  readonly capabilities = CAPABILITIES;

  constructor(private readonly server: MemoryServer, private readonly network: TestNetwork) {}

  check(): Promise<CheckReport> {
    return Promise.resolve([{ what: 'memory', level: 'ok', detail: 'always there' }]);
  }

  planSchema(pipe: PipeId, target: Target, schema: Schema, rebuild: boolean): Promise<SchemaPlan> {
    const now = structuredClone(this.server.store.tables[target.table]) ?? emptyTable(target.write, '', 'planned');
    const columns = schema.fields.map((field) => ({ column: field.name, from: field.type, to: field.type.kind, outcome: 'exact' as const }));
    try {
      this.server.checkOwner(pipe, target);
      if (!rebuild) this.server.checkTarget(this.server.store.pipes[pipe], target);
      return Promise.resolve({ ddl: widen(now, target, schema.fields), columns, conflicts: [] });
    } catch (error) {
      return Promise.resolve({ ddl: [], columns, conflicts: [error instanceof Error ? error.message : String(error)] });
    }
  }

  state(pipe: PipeId): Promise<JobState> {
    return Promise.resolve(this.server.state(pipe));
  }
  lease(pipe: PipeId): Promise<Lease | undefined> {
    return Promise.resolve(this.server.lease(pipe));
  }

  async claim(pipe: PipeId, owner: Owner): Promise<Run> {
    const token = await this.network.call('claim', () => this.server.claim(pipe, owner));
    return new MemoryRun(this.server, this.network, token);
  }

  attach(token: RunToken): Promise<Run> {
    return Promise.resolve(new MemoryRun(this.server, this.network, token));
  }

  quarantine(pipe: PipeId, query: { readonly stream?: string; readonly limit: number }): Promise<readonly QuarantinedRow[]> {
    const all = this.server.quarantine(pipe).filter((row) => query.stream === undefined || row.stream === query.stream);
    return Promise.resolve(all.slice(0, query.limit));
  }

  owners(pipe: PipeId, targets: readonly Target[]): Promise<readonly PipeId[]> {
    return Promise.resolve([...new Set(targets.flatMap((target) => this.server.otherOwner(pipe, target) ?? []))]);
  }

  async administer(pipe: PipeId, command: StateCommand): Promise<void> {
    await this.network.call('administer', () => { this.server.administer(pipe, command); });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
  }
}

class MemoryRun implements Run {
  state: JobState;

  constructor(private readonly server: MemoryServer, private readonly network: TestNetwork, readonly token: RunToken) {
    this.state = server.state(token.pipe);
  }

  renewLease(): Promise<void> {
    return this.own('renew', () => { this.server.renew(this.token); });
  }
  begin(load: Load, after: Readonly<Record<string, LoadId | undefined>>): Promise<Load> {
    return this.own('begin', () => this.server.begin(this.token, load, after));
  }
  async open(load: Load, split: Split, _abort: AbortSignal): Promise<Session> {
    const { splitEpoch, committed } = await this.own('open', () => this.server.open(this.token, load.id, split.id));
    return new MemorySession({ server: this.server, network: this.network, claimed: { token: this.token, load: load.id, split: split.id, splitEpoch }, committed });
  }
  publish(load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
    return this.own('publish', () => this.server.publish(this.token, load.id, streams));
  }
  reset(streams: readonly string[], to?: Positions): Promise<void> {
    return this.own('reset', () => { this.server.reset(this.token, streams, to); });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    this.server.release(this.token);
  }

  private async own<T>(name: string, step: () => T): Promise<T> {
    const answer = await this.network.call(name, step);
    this.state = this.server.state(this.token.pipe);
    return answer;
  }
}

interface SessionParts {
  readonly server: MemoryServer;
  readonly network: TestNetwork;
  readonly claimed: Claimed;
  readonly committed: Session['committed'];
}

class MemorySession implements Session {
  readonly committed: Session['committed'];
  private waiting: StagedMessage[] = [];
  private refused: Rejection[] = [];
  private schemaChanges: string[] = [];
  /** Streams whose messages go to a shadow, with its generation. */
  private readonly shadows = new Map<string, string>();
  /** A commit was sent without an answer, or a fence fell: nothing more is written, nothing deleted (rules 2 and 9). */
  private ended = false;

  constructor(private readonly parts: SessionParts) {
    this.committed = parts.committed;
  }

  async accept(message: TargetMessage): Promise<void> {
    this.mustGoOn();
    const { target, target: { stream } } = message;
    const shadow = this.shadows.get(stream);
    switch (message.type) {
      case 'schema': {
        const changes = await this.call('schema', () => this.parts.server.schema(this.parts.claimed, target, message.schema.fields));
        this.schemaChanges.push(...changes);
        return;
      }
      case 'truncate': this.waiting.push({ stream, truncate: true, ...(shadow !== undefined && { shadow }) }); return;
      case 'rebuild':
        this.shadows.set(stream, message.generation);
        this.waiting.push({ stream, rebuild: message.generation });
        return;
      case 'batch': this.take(target, message.batch, shadow); message.batch.release();
    }
  }

  async flush(): Promise<readonly Rejection[]> {
    this.mustGoOn();
    const messages = this.waiting;
    this.waiting = [];
    if (messages.length > 0) await this.call('stage', () => { this.parts.server.stage(this.parts.claimed, messages); });
    return this.refused.splice(0);
  }

  async commit(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    this.refused.push(...await this.flush());
    const receipt = await this.call('commit', () => this.parts.server.commit(this.parts.claimed, at, [...rejections, ...this.refused.splice(0)]));
    for (const stream of at.rebuilt ?? []) this.shadows.delete(stream);
    return { ...receipt, schemaChanges: this.schemaChanges.splice(0) };
  }

  /** Never commits (rule 2). */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve();
    if (!this.ended) this.parts.server.dropStage(this.parts.claimed);
    this.ended = true;
  }

  private async call<T>(name: string, step: () => T): Promise<T> {
    try {
      return await this.parts.network.call(name, step);
    } catch (error) {
      this.ended = true;
      throw error;
    }
  }

  private mustGoOn(): void {
    if (this.ended) throw new EtlError({ kind: 'internal', code: 'ETL-TST-004', message: 'The session has ended; open again.' });
  }

  private take(target: Target, batch: Batch, shadow: string | undefined): void {
    for (const row of rows(batch)) {
      const change = changeOf(target, row);
      const empty = row.op === 'delete' ? undefined : batch.schema.fields.find((field) => !field.nullable && change.row[field.name] === null);
      if (empty) this.refused.push(refusal(target, change, empty.name));
      else this.waiting.push({ stream: target.stream, change, ...(shadow !== undefined && { shadow }) });
    }
  }
}

/** A row that the target's NOT NULL refuses; its id is the same at each replay (rule 31). */
function refusal(target: Target, change: StagedChange, column: string): Rejection {
  const id = (hashOf(`${target.stream} ${JSON.stringify(change.row)}`) >>> 0).toString(16).padStart(8, '0');
  return { id, stream: target.stream, code: 'ETL-TST-010', reason: `${column} is NULL`, column, row: change.row };
}

function changeOf(target: Target, row: ChangeRow): StagedChange {
  const cells = Object.entries(row.values);
  const unavailable = cells.filter(([, value]) => value === UNAVAILABLE_VALUE).map(([name]) => name);
  const texts = Object.fromEntries(cells.filter(([, value]) => value !== UNAVAILABLE_VALUE).map(([name, value]) => [name, textOf(value)]));
  const keyText = (old: ChangeRow['oldKey']): string => JSON.stringify(target.key.map((name) => textOf(old?.[name] ?? row.values[name] ?? null)));
  const key = keyText(undefined);
  const oldKey = row.oldKey ? keyText(row.oldKey) : key;
  return { op: row.op === 'delete' ? 'delete' : 'upsert', key, row: texts, unavailable, ...(oldKey !== key && { oldKey }) };
}

/** Canonical text of the values that scripts use. */
function textOf(value: Value): string | null {
  if (value === null || typeof value === 'symbol') return null;
  if (typeof value === 'object') return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : JSON.stringify(value);
  return String(value);
}

import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { hashSql, History, markerOf, payloadSql, WRITERS, writerOf, type RowVersion, type Writer } from './history.ts';
import type { Random } from './random.ts';

export interface SourceTable {
  readonly name: string;
  readonly rows: number;
  /** A cursor does not see deletes: only what is read whole may have them. */
  readonly deletes: boolean;
  /** So many blocks that a full read is cut into two splits; all but a few hold nothing. */
  readonly wide: boolean;
}

/** 128 MiB and some: a full read makes a split of each 64. */
const WIDE_BLOCKS = 16_500;
/** How often an update takes nearly all rows, so that a pass is as long as the first. */
const EVERYTHING = 0.02;
const RETURNING = 'returning id::int, version, (extract(epoch from updated_at) * 1000000)::bigint::float8 as at';

/** The tables that change while processes die. Both writers live here, so that what they committed is known without asking the database. */
export class ChangingSource {
  private readonly pool: pg.Pool;
  private readonly tables: readonly SourceTable[];
  private readonly histories = new Map<string, History>();
  private readonly nextIds = new Map<string, number>();
  /** Of each writer: the COMMIT that is under way. */
  private readonly committing: Promise<unknown>[] = WRITERS.map(() => Promise.resolve());
  private working: Promise<void>[] = [];
  private stopping = false;
  private failure: unknown;

  constructor(url: string, tables: readonly SourceTable[]) {
    this.pool = new pg.Pool({ connectionString: url, max: 4 });
    this.pool.on('error', () => undefined);
    this.tables = tables;
  }

  history(table: string): History {
    const known = this.histories.get(table) ?? new History();
    this.histories.set(table, known);
    return known;
  }

  async create(): Promise<void> {
    for (const table of this.tables) {
      const { name, rows, wide } = table;
      await this.pool.query(`create ${wide ? 'unlogged ' : ''}table ${name} (id bigint primary key, version int not null, hash text not null, payload text, updated_at timestamptz not null default clock_timestamp())`);
      const half = wide ? Math.ceil(rows / 2) : rows;
      await this.fill(name, 1, half);
      if (wide) await this.widen(name);
      if (wide) await this.fill(name, half + 1, rows);
      await this.pool.query(`create index on ${name} (updated_at)`);
      for (const writer of WRITERS) this.nextIds.set(`${name}/${writer}`, 2 * rows + writer);
    }
  }

  private async fill(name: string, from: number, to: number): Promise<void> {
    const { rows } = await this.pool.query<RowVersion>(`insert into ${name} (id, version, hash, payload) select id, 1, ${hashSql('id', '1')}, ${payloadSql('id', '1')} from generate_series(${from}, ${to}) id ${RETURNING}`);
    for (const writer of WRITERS) this.history(name).add(writer, 0, rows.filter(({ id }) => writerOf(id) === writer));
  }

  /** A row to a block, all deleted again: the blocks stay, since nothing vacuums here. */
  private async widen(name: string): Promise<void> {
    await this.pool.query(`alter table ${name} add filler text storage plain`);
    await this.pool.query(`insert into ${name} (id, version, hash, filler) select -n, 1, '', repeat('x', 8000) from generate_series(1, ${WIDE_BLOCKS}) n`);
    await this.pool.query(`delete from ${name} where id < 0`);
    await this.pool.query(`alter table ${name} drop filler`);
  }

  /** Their transactions overlap, some are slow, some roll back. */
  startWriters(random: Random): void {
    this.stopping = false;
    this.working = WRITERS.map((writer) => this.write(writer, random.fork()).catch((error: unknown) => { this.failure = error; }));
  }

  async stopWriters(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.working);
    this.working = [];
    if (this.failure !== undefined) throw this.failure;
  }

  /** What others can read was committed, but its answer may still be on the way: afterwards the histories hold all that was readable before. */
  async settled(): Promise<void> {
    await Promise.all(this.committing);
  }

  /** Everything with an earlier cursor has been committed: the start of the oldest open transaction, in microseconds. */
  async bound(): Promise<number> {
    const { rows } = await this.pool.query<{ bound: number }>(`select (extract(epoch from least(clock_timestamp(), min(xact_start))) * 1000000)::bigint::float8 as bound
      from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()`);
    return rows[0]?.bound ?? 0;
  }

  private async write(writer: Writer, random: Random): Promise<void> {
    const client = await this.pool.connect();
    try {
      while (!this.stopping) {
        await this.transaction(client, writer, random);
        await sleep(random.below(60));
      }
    } finally {
      client.release();
    }
  }

  private async transaction(client: pg.PoolClient, writer: Writer, random: Random): Promise<void> {
    const table = random.pick(this.tables);
    const changes: RowVersion[] = [];
    await client.query('begin');
    changes.push(...await this.change(client, this.update(table, `id = ${markerOf(writer)}`)));
    for (let step = random.below(3); step >= 0; step--) changes.push(...await this.change(client, this.statement(table, writer, random)));
    if (random.chance(0.2)) await sleep(random.below(200));
    if (random.chance(0.1)) return void await client.query('rollback');
    const committing = client.query('commit').then(() => {
      const history = this.history(table.name);
      history.add(writer, history.committed[writer] + 1, changes);
    });
    this.committing[writer] = committing.catch(() => undefined);
    await committing;
  }

  private async change(client: pg.PoolClient, sql: string): Promise<RowVersion[]> {
    const { rows } = await client.query<RowVersion>(`${sql} ${RETURNING}`);
    return sql.startsWith('delete') ? rows.map((row) => ({ ...row, version: 0 })) : rows;
  }

  private update({ name }: SourceTable, where: string): string {
    return `update ${name} set version = version + 1, hash = ${hashSql('id', '(version + 1)')}, payload = ${payloadSql('id', '(version + 1)')}, updated_at = clock_timestamp() where ${where}`;
  }

  /** Never the markers, never another writer's rows, and an id is given once. */
  private statement(table: SourceTable, writer: Writer, random: Random): string {
    const { name } = table;
    const kind = random.next();
    const start = 3 + random.below(table.rows);
    const theirs = (length: number): string => `id > 2 and id % 2 = ${writer} and id between ${start} and ${start + length}`;
    if (kind < 0.3) {
      const key = `${name}/${writer}`;
      const first = this.nextIds.get(key) ?? 0;
      const last = first + 2 * random.below(30);
      this.nextIds.set(key, last + 2);
      return `insert into ${name} (id, version, hash, payload) select id, 1, ${hashSql('id', '1')}, ${payloadSql('id', '1')} from generate_series(${first}, ${last}, 2) id`;
    }
    if (kind < 0.4 && table.deletes) return `delete from ${name} where ${theirs(60)}`;
    return this.update(table, theirs(random.chance(EVERYTHING) ? 2 * table.rows : random.below(400)));
  }

  /** Who waits for what: printed when a process hangs. */
  async activity(): Promise<string> {
    const { rows } = await this.pool.query<Record<string, string>>(`select pid, datname, application_name, state, wait_event_type, wait_event, pg_blocking_pids(pid)::text as blocked_by, left(query, 160) as query from pg_stat_activity where datname is not null and pid <> pg_backend_pid() and application_name <> ''`);
    return rows.map((row) => JSON.stringify(row)).join('\n');
  }

  async close(): Promise<void> {
    await this.pool.end();
  }
}

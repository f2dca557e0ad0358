import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from './random.ts';

/** id → what is at that id: version, payload, microseconds of updated_at. */
export type Content = ReadonlyMap<string, string>;
export interface Row { readonly id: string; readonly version: string; readonly payload: string | null; readonly at: string }
export const textOf = (row: Row): string => `${row.version}|${row.payload ?? '\\N'}|${row.at}`;

export interface SourceTable { readonly name: string; readonly rows: number; readonly deletes: boolean }

/** No writer ever touches these: by them loads of an append are counted. */
export const STILL = 50;

/** The payload is a function of id and version, so that every delivered version can be judged alone. */
const PAYLOAD = `case when (id + version) % 17 = 0 then null when (id + version) % 23 = 0 then '' else md5(id || ':' || version) || repeat('ü', ((id * 7 + version) % 20)::int) end`;
export const payloadSql = (id: string, version: string): string => PAYLOAD.replaceAll(/\bid\b/g, id).replaceAll(/\bversion\b/g, version);

/** The tables that change while processes die, and what stands in them. */
export class ChangingSource {
  private readonly pool: pg.Pool;
  private readonly tables: readonly SourceTable[];
  private working: Promise<void>[] = [];
  private stopping = false;
  private failure: unknown;

  constructor(url: string, tables: readonly SourceTable[]) {
    this.pool = new pg.Pool({ connectionString: url, max: 4 });
    this.pool.on('error', () => undefined);
    this.tables = tables;
  }

  async create(): Promise<void> {
    for (const { name, rows } of this.tables) {
      await this.pool.query(`create table ${name} (id bigint primary key, version int not null, payload text, updated_at timestamptz not null default clock_timestamp())`);
      await this.pool.query(`insert into ${name} (id, version, payload) select id, 1, ${payloadSql('id', '1')} from generate_series(1, ${rows}) id`);
      await this.pool.query(`create index on ${name} (updated_at)`);
      await this.pool.query(`analyze ${name}`);
    }
  }

  /** One writer for odd ids and one for even, so that they never wait for each other; their transactions overlap and some are slow. */
  startWriters(random: Random): void {
    this.stopping = false;
    this.working = [0, 1].map((parity) => this.write(parity, random.fork()).catch((error: unknown) => { this.failure = error; }));
  }

  async stopWriters(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.working);
    this.working = [];
    if (this.failure !== undefined) throw this.failure;
  }

  private async write(parity: number, random: Random): Promise<void> {
    const client = await this.pool.connect();
    try {
      while (!this.stopping) {
        const table = random.pick(this.tables);
        await client.query('begin');
        for (let step = 0; step <= random.below(3); step++) await client.query(this.statement(table, parity, random));
        if (random.chance(0.3)) await sleep(random.below(200));
        await client.query(random.chance(0.1) ? 'rollback' : 'commit');
        await sleep(random.below(60));
      }
    } finally {
      client.release();
    }
  }

  private statement(table: SourceTable, parity: number, random: Random): string {
    const { name } = table;
    const kind = random.next();
    const start = STILL + 1 + random.below(table.rows);
    if (kind < 0.3) return `insert into ${name} (id, version, payload) select id, 1, ${payloadSql('id', '1')} from (select (select max(id) from ${name}) / 2 * 2 + ${parity} + 2 * n as id from generate_series(1, ${1 + random.below(30)}) n) fresh on conflict (id) do nothing`;
    if (kind < 0.4 && table.deletes) return `delete from ${name} where id > ${STILL} and id % 2 = ${parity} and id between ${start} and ${start + random.below(60)}`;
    const length = random.chance(0.06) ? table.rows : random.below(400);
    return `update ${name} set version = version + 1, payload = ${payloadSql('id', '(version + 1)')}, updated_at = clock_timestamp() where id > ${STILL} and id % 2 = ${parity} and id between ${start} and ${start + length}`;
  }

  async rows(table: string): Promise<Row[]> {
    return (await this.pool.query<Row>(`select id::text, version::text, payload, (extract(epoch from updated_at) * 1000000)::bigint::text as at from ${table}`)).rows;
  }

  async count(table: string): Promise<number> {
    return (await this.pool.query<{ count: number }>(`select count(*)::int as count from ${table}`)).rows[0]?.count ?? 0;
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

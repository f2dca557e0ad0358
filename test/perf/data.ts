import pg from 'pg';
import type { Certificate } from '../services/certificate.ts';

/** The tables of the benchmark, the same on every machine: each value follows from its row's number. */
const MIXED = (rows: number) => `select i::bigint as id, timestamptz '2024-01-01 00:00:00+00' + (i * interval '1.234567 s') as ts,
  'user_' || ((i::bigint * 7919) % 100000) || '@example.com' as email, (array['US','DE','GB','FR','CZ','JP','BR','IN'])[1 + i % 8] as country,
  case when i % 10 = 0 then null else 'Some note about order number ' || i || ' with a few words' end as note,
  (i * 0.37)::float8 as amount, case when i % 7 = 0 then null else sqrt(i)::float8 end as score, (i % 3 = 0) as active from generate_series(1, ${rows}) i`;

const WIDE = (rows: number) => `select i::bigint as id, md5('7' || i)::uuid as uid, (i * 0.01)::numeric(18,2) as price, (i % 1000)::numeric(10,4) as rate,
  date '2020-01-01' + (i % 1500) as d, timestamptz '2024-01-01 00:00:00+00' + i * interval '1 s' as created_at, timestamp '2024-01-01' + i * interval '2 s' as updated_at,
  jsonb_build_object('k', i, 'tags', jsonb_build_array('a', 'b'), 'n', jsonb_build_object('x', i % 7)) as meta,
  i::int as i1, (i % 100)::int as i2, (i % 5)::smallint as s1, (i % 2 = 0) as b1, (i % 3 = 0) as b2, i * 1.5::float8 as f1, (i * 0.5)::float4 as f2,
  'text one ' || i as t1, 'text two ' || (i % 1000) as t2, md5(i::text) as t3, case when i % 4 = 0 then null else 'opt ' || i end as t4, 'status_' || (i % 6) as t5,
  'city_' || (i % 500) as t6, repeat('lorem ', (i % 8)::int) as t7, null::text as t8, array[i, i + 1, i + 2]::int[] as arr, i::bigint * 1000 as b3
  from generate_series(1, ${rows}) i`;

export interface Rows { readonly mixed: number; readonly wide: number }

/** A database of its own for the sources, and one for each round's targets. */
export const SOURCE = 'bench_source';
export const TARGET = 'bench_target';

export class World {
  readonly rows: Rows;
  readonly #server: string;
  readonly #certificate: Certificate | undefined;

  constructor(server: string, rows: Rows, certificate?: Certificate) {
    this.#server = server;
    this.rows = rows;
    this.#certificate = certificate;
  }

  /** Undefined where the server has no certificate. */
  tlsUrl(database: string): string | undefined {
    return this.#certificate && `${this.url(database)}?sslmode=verify-full&sslrootcert=${encodeURIComponent(this.#certificate.certificate)}`;
  }

  /** On for one cell only: elsewhere a tool that prefers TLS would pay for it. */
  async switchTls(on: boolean): Promise<void> {
    if (!this.#certificate) return;
    await this.query(undefined, `alter system set ssl_cert_file = '${this.#certificate.certificate}'`);
    await this.query(undefined, `alter system set ssl_key_file = '${this.#certificate.key}'`);
    await this.query(undefined, `alter system set ssl = ${on ? 'on' : 'off'}`);
    await this.query(undefined, 'select pg_reload_conf()');
    for (let attempt = 0; attempt < 50; attempt++) {
      const [row] = await this.query<{ ssl: string }>(undefined, 'show ssl');
      if (row?.ssl === (on ? 'on' : 'off')) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error('the server does not change to TLS');
  }

  url(database: string): string {
    const url = new URL(this.#server);
    url.pathname = `/${database}`;
    return url.href;
  }

  async query<R extends pg.QueryResultRow>(database: string | undefined, sql: string): Promise<R[]> {
    const client = new pg.Client({ connectionString: database === undefined ? this.#server : this.url(database) });
    await client.connect();
    try {
      const result: pg.QueryResult<R> | pg.QueryResult<R>[] = await client.query<R>(sql);
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end();
    }
  }

  /** An empty database, so that no run profits or suffers from what another left. */
  async empty(database: string): Promise<void> {
    await this.query(undefined, `drop database if exists ${database} with (force)`);
    await this.query(undefined, `create database ${database}`);
  }

  async load(): Promise<void> {
    const { mixed, wide } = this.rows;
    const there = await this.query(undefined, `select 1 from pg_database where datname = '${SOURCE}'`);
    if (there.length > 0) {
      const same = await this.query(SOURCE, `select 1 from bench_rows where mixed = ${mixed} and wide = ${wide}`).catch(() => []);
      if (same.length > 0) return;
    }
    await this.empty(SOURCE);
    await this.query(SOURCE, `create table mixed as ${MIXED(mixed)}; alter table mixed add primary key (id)`);
    await this.query(SOURCE, `create table heap as select * from mixed; create table one as select * from mixed where id = 1; alter table one add primary key (id)`);
    await this.query(SOURCE, `create table growing as select * from mixed; alter table growing add primary key (id); create index on growing (ts)`);
    await this.query(SOURCE, `create table wide as ${WIDE(wide)}; alter table wide add primary key (id)`);
    await this.query(SOURCE, `create view tenfold as select id + g * ${mixed} as id, ts, email, country, note, amount, score, active from generate_series(0::bigint, 9) g cross join mixed`);
    await this.query(SOURCE, 'vacuum analyze');
    await this.query(SOURCE, `create table bench_rows as select ${mixed} as mixed, ${wide} as wide`);
  }

  /** Ten rows more than a target has seen. */
  async grow(): Promise<void> {
    await this.query(SOURCE, `insert into growing select m + i, t + i * interval '1 s', 'user_1@example.com', 'US', 'new', 1.5, 2.5, true from generate_series(1, 10) i, (select max(id) m, max(ts) t from growing) top`);
  }
}

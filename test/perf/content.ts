import { DuckDBInstance } from '@duckdb/node-api';
import { SOURCE, type World } from './data.ts';

/** One line per table: how many values each column has, and their sums (of numbers, instants and lengths). */
const MIXED_SUMS = `select count(*)::text || '/' || sum(id)::text || '/' || round(sum(amount))::bigint::text || '/' || round(sum(score))::bigint::text || '/' || count(score)::text || '/' ||
  sum(length(email))::text || '/' || sum(length(country))::text || '/' || sum(length(note))::text || '/' || count(note)::text || '/' ||
  sum(case when active then 1 else 0 end)::text || '/' || count(ts)::text || '/' || sum(EPOCH)::text as sums from TABLE`;

const WIDE_SUMS = `select count(*)::text || '/' || sum(id)::text || '/' || sum(price)::text || '/' || round(sum(f1))::bigint::text || '/' || sum(i1)::text || '/' || sum(s1)::text || '/' ||
  sum(length(t1))::text || '/' || sum(length(t3))::text || '/' || count(t4)::text || '/' || sum(length(t7))::text || '/' || count(t8)::text || '/' || count(arr)::text || '/' ||
  count(meta)::text || '/' || sum(case when b1 then 1 else 0 end)::text || '/' || sum(EPOCH)::text || '/' || sum(b3)::text as sums from TABLE`;

export type Shape = 'mixed' | 'wide';

/** `hashed`: the e-mails have become 64 digits each, which the source's side is told. */
function statement(shape: Shape, table: string, engine: 'postgres' | 'duckdb', hashed = false): string {
  const column = shape === 'mixed' ? 'ts' : 'created_at';
  const epoch = engine === 'postgres' ? `(extract(epoch from ${column}) * 1000000)::bigint` : `epoch_us(${column})`;
  return (shape === 'mixed' ? MIXED_SUMS : WIDE_SUMS).replace('sum(length(email))', hashed ? '(count(email) * 64)' : 'sum(length(email))').replace('EPOCH', epoch).replace('TABLE', table);
}

async function inPostgres(world: World, database: string, of: { shape: Shape; table: string; hashed?: boolean }): Promise<string> {
  const [row] = await world.query<{ sums: string }>(database, statement(of.shape, of.table, 'postgres', of.hashed));
  return row?.sums ?? 'nothing';
}

async function inDuckdb(file: string, shape: Shape, table: string): Promise<string> {
  const instance = await DuckDBInstance.create(file, file === ':memory:' ? {} : { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(statement(shape, table, 'duckdb'));
    return String(reader.getRows()[0]?.[0] ?? 'nothing');
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** Compares what a contestant wrote with the source, column by column. */
export class Content {
  readonly #world: World;
  readonly #expected = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  async parquet(glob: string, shape: Shape, from: { table: string; hashed?: boolean } = { table: shape }): Promise<void> {
    this.#same(await inDuckdb(':memory:', shape, `read_parquet('${glob}')`), await this.#source(shape, from.table, from.hashed), glob);
  }

  async duckdb(file: string, table: string): Promise<void> {
    this.#same(await inDuckdb(file, 'mixed', table), await this.#source('mixed', 'mixed'), file);
  }

  async postgres(database: string, table: string, source = 'mixed'): Promise<void> {
    const expected = source === 'mixed' ? await this.#source('mixed', 'mixed') : await inPostgres(this.#world, SOURCE, { shape: 'mixed', table: source });
    this.#same(await inPostgres(this.#world, database, { shape: 'mixed', table }), expected, table);
  }

  async #source(shape: Shape, table: string, hashed = false): Promise<string> {
    const key = `${table} ${hashed}`;
    const known = this.#expected.get(key);
    if (known !== undefined) return known;
    const sums = await inPostgres(this.#world, SOURCE, { shape, table, hashed });
    this.#expected.set(key, sums);
    return sums;
  }

  #same(actual: string, expected: string, place: string): void {
    if (actual !== expected) throw new Error(`${place} holds ${actual}, the source ${expected}`);
  }
}

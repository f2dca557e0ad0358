import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import pg from 'pg';
import { EtlError } from '#sdk';
import { Turnstile } from '../_shared/turnstile.ts';
import type { ConnectionConfig } from './config.ts';
import { endpointOf } from './endpoint.ts';
import { behindPooler, classify } from './errors.ts';
import { CopySocket } from './source/socket.ts';

export interface Connection extends AsyncDisposable {
  readonly client: pg.Client;
  readonly processId: number;
  /** Of the server's version: 18. */
  readonly major: number;
  /** The server has said goodbye, or the socket is gone. */
  readonly broken: boolean;
  /** The bytes of the connection, for who reads a COPY itself. Only while no query of `client` runs. */
  readonly wire: CopySocket;
  /** Rows of one statement; its errors are typed. */
  query<R extends pg.QueryResultRow>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** Rows of several statements, sent together and answered in their order. The first error is thrown when all are answered. */
  queries(statements: readonly { readonly sql: string; readonly params?: readonly unknown[] }[]): Promise<pg.QueryResultRow[][]>;
  /** How many rows a statement has changed. */
  change(sql: string): Promise<number>;
  /** The columns that a query would give. */
  describe(sql: string): Promise<readonly { readonly name: string; readonly typeOid: number; readonly typmod: number }[]>;
  /** Ends it at once, whatever runs. */
  destroy(): void;
}

export type SessionSettings = Readonly<Record<string, string>>;

/** What every session of ours holds fast, so that no server's or role's default changes a value's text, and no other scan the order of rows. */
const PINNED: SessionSettings = {
  TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'iso_8601', extra_float_digits: '1', bytea_output: 'hex', client_encoding: 'UTF8',
  standard_conforming_strings: 'on', xmloption: 'content', lc_monetary: 'C', synchronize_seqscans: 'off',
};

/** Of these the server tells at login what they are. */
const REPORTED = ['TimeZone', 'DateStyle', 'IntervalStyle', 'client_encoding', 'standard_conforming_strings'];

/** The stream below a client: `pg` replaces it when TLS begins, and its types do not name it. */
function streamOf(client: pg.Client): Duplex {
  return (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection.stream;
}

interface ServerMessages {
  on(event: 'parameterStatus', listener: (status: { readonly parameterName: string; readonly parameterValue: string }) => void): void;
}

/** What the server says of itself at login, which `pg` reads and its types do not name. */
function messagesOf(client: pg.Client): ServerMessages {
  return (client as unknown as { readonly connection: ServerMessages }).connection;
}

function sessionOptions(settings: SessionSettings): string {
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value.replaceAll('\\', '\\\\').replaceAll(' ', '\\ ')}`)
    .join(' ');
}

/** Settings that a server may not know, for what older ones never do: Postgres 14 is the first that ends idle sessions. */
const RECENT = ['idle_session_timeout'];

/** An authenticated session with our settings. `settings` go on top of the pinned ones. */
export async function connect(config: ConnectionConfig, directory: string, settings: SessionSettings = {}): Promise<Connection> {
  try {
    return await connectWith(config, directory, settings);
  } catch (error) {
    const unknown = RECENT.find((name) => name in settings && error instanceof EtlError && error.message.includes(`"${name}"`));
    if (unknown === undefined) throw error;
    const { [unknown]: _unknown, ...known } = settings;
    return connectWith(config, directory, known);
  }
}

async function connectWith(config: ConnectionConfig, directory: string, settings: SessionSettings): Promise<Connection> {
  const endpoint = endpointOf(config, directory);
  const plain = endpoint.ssl ? undefined : CopySocket.plain();
  const client = new pg.Client({
    host: endpoint.host, port: endpoint.port, user: endpoint.user, password: endpoint.password ?? '', database: endpoint.database,
    ssl: endpoint.ssl,
    application_name: config.application_name, connectionTimeoutMillis: config.connect_timeout_ms,
    options: sessionOptions({ ...PINNED, statement_timeout: String(config.statement_timeout_ms), ...settings }),
    stream: () => plain?.socket ?? new Socket(),
  });
  const failure = new Promise<Error>((resolve) => client.on('error', resolve));
  const told = new Map<string, string>();
  messagesOf(client).on('parameterStatus', ({ parameterName, parameterValue }) => { told.set(parameterName, parameterValue); });
  try {
    await client.connect();
  } catch (error) {
    throw classify(error) ?? error;
  }
  const connection = new ClientConnection(client, { wire: plain ?? CopySocket.over(streamOf(client)), failure, major: Number.parseInt(told.get('server_version') ?? '', 10) });
  const lost = REPORTED.find((name) => told.get(name) !== PINNED[name]);
  if (lost === undefined) return connection;
  await connection[Symbol.asyncDispose]();
  throw behindPooler(`${lost} is ${told.get(lost) ?? 'unknown'}, and was set to ${PINNED[lost]}`);
}

class ClientConnection implements Connection {
  readonly client: pg.Client;
  readonly processId: number;
  readonly wire: CopySocket;
  readonly major: number;
  broken = false;
  /** Several streams ask on one connection: what is sent together must not meet what another sends. */
  private readonly turnstile = new Turnstile();
  /** Why the connection ended, where `pg` was told outside of a query. */
  private failure: Error | undefined;

  constructor(client: pg.Client, { wire, failure, major }: { readonly wire: CopySocket; readonly failure: Promise<Error>; readonly major: number }) {
    this.client = client;
    this.major = major;
    this.processId = processIdOf(client);
    this.wire = wire;
    void wire.closed.then(() => (this.broken = true));
    void failure.then((error) => (this.failure = error));
  }

  query<R extends pg.QueryResultRow>(sql: string, values: readonly unknown[] = []): Promise<R[]> {
    return this.alone(async () => (await this.client.query<R>(sql, [...values])).rows);
  }

  queries(statements: Parameters<Connection['queries']>[0]): Promise<pg.QueryResultRow[][]> {
    return this.alone(async () => {
      pipelined(this.client, true);
      const answers = await Promise.allSettled(statements.map(({ sql, params = [] }) => this.client.query<pg.QueryResultRow>(sql, [...params])));
      pipelined(this.client, false);
      return answers.map((answer) => {
        if (answer.status === 'rejected') throw answer.reason;
        return answer.value.rows;
      });
    });
  }

  change(sql: string): Promise<number> {
    return this.alone(async () => (await this.client.query(sql)).rowCount ?? 0);
  }

  describe(sql: string) {
    return this.alone(async () => {
      const result = await this.client.query({ text: sql, queryMode: 'extended' } as pg.QueryConfig);
      return result.fields.map((field) => ({ name: field.name, typeOid: field.dataTypeID, typmod: field.dataTypeModifier }));
    });
  }

  private alone<T>(ask: () => Promise<T>): Promise<T> {
    return this.turnstile.run(async () => {
      try {
        return await ask();
      } catch (error) {
        throw this.typed(error);
      }
    });
  }

  private typed(error: unknown): unknown {
    this.broken ||= this.failure !== undefined || isLast(error);
    return classify(this.failure ?? error) ?? error;
  }

  destroy(): void {
    this.wire.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.wire.taken) this.wire.destroy(); // in the middle of a COPY nobody would read the goodbye
    await Promise.race([this.client.end(), this.wire.closed]).catch(() => undefined);
  }
}

/** `pg` takes this for a whole connection; a COPY on the same one rules that out, so it holds only while no other query can come. */
function pipelined(client: pg.Client, pipeline: boolean): void {
  Object.assign(client, { pipeline });
}

/** After these a server closes the connection, which the socket shows a moment later. */
function isLast(error: unknown): boolean {
  return error instanceof Error && 'severity' in error && (error.severity === 'FATAL' || error.severity === 'PANIC');
}

function processIdOf(client: pg.Client): number {
  const id: unknown = 'processID' in client ? client.processID : undefined;
  return typeof id === 'number' ? id : 0;
}

import { EtlError, type SourceLocation } from '../errors/error.ts';
import type { ResolvedConnection, ResolvedJob } from '../job/resolved.ts';
import { readCatalogue } from '../plan/pipes.ts';
import type { Connector, ConnectorContext } from '../sdk/connector.ts';
import type { Destination, Source, StreamInfo } from '../sdk/contract.ts';
import type { Ports } from '../sdk/ports.ts';
import { withStateStore } from '../state/stateful.ts';

/** Finds a connector by the `type:` of a connection: a name, or a file beside the job. */
export type ConnectorLoader = (type: string, directory: string) => Promise<Connector>;

/** What the engine needs from outside. */
export interface EngineContext {
  readonly ports: Ports;
  readonly load: ConnectorLoader;
  note(level: 'debug' | 'info' | 'warn', message: string): void;
}

function connectionOf(job: ResolvedJob, name: string): ResolvedConnection {
  const connection = job.connections[name];
  if (connection) return connection;
  throw new EtlError({ kind: 'config', code: 'ETL-RUN-020', message: `The job has no connection ${name}.`, hint: `It has ${Object.keys(job.connections).join(', ')}.` });
}

function contextOf(job: ResolvedJob, engine: EngineContext): ConnectorContext {
  return { ports: engine.ports, directory: job.directory, maxBufferedBytes: Math.max(8 << 20, Math.floor(job.limits.memoryBytes / 8)), note: (level, message) => { engine.note(level, message); } };
}

function parsed<C>(connection: ResolvedConnection, role: { config: { safeParse(value: unknown): { success: true; data: C } | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } } } }): C {
  const result = role.config.safeParse(connection.config);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new EtlError({
    kind: 'config', code: 'ETL-RUN-021', message: `Connection ${connection.name} (${connection.type}): ${[...(issue?.path ?? []), issue?.message ?? ''].join(': ')}`,
    configPath: `connections.${connection.name}`, hint: `\`etl connectors info ${connection.type}\` lists its settings.`, ...(connection.location ? { location: connection.location } : {}),
  });
}

function noRole(connection: ResolvedConnection, role: string): EtlError {
  return new EtlError({ kind: 'config', code: 'ETL-RUN-022', message: `${connection.type} can't be a ${role}.`, configPath: `connections.${connection.name}`, hint: '`etl connectors list` shows what each connector can be.' });
}

/** Runs `work`; what the connector's driver throws becomes one of our errors. */
export async function classified<T>(connector: Connector, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EtlError) throw error;
    const known = connector.classify?.(error);
    throw known ?? error;
  }
}

/** The same error, pointing at a place in the job. */
function at(error: EtlError, location: SourceLocation | undefined, configPath: string): EtlError {
  const { kind, code, message, hint, retryAfterMs, scope } = error;
  return new EtlError({
    kind, code, message, configPath, cause: error, ...(location ? { location } : {}),
    ...(hint === undefined ? {} : { hint }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }), ...(scope === undefined ? {} : { scope }),
  });
}

/** What comes through a connection points at it, unless the error knows better. */
function placed(error: unknown, { name, location }: ResolvedConnection): unknown {
  if (!(error instanceof EtlError) || error.location !== undefined || error.configPath !== undefined) return error;
  return at(error, location, `connections.${name}`);
}

/** The catalogue, with the job's own queries described; a query that fails points at its stream. */
export async function discoverFor(job: ResolvedJob, source: Connected<Source>): Promise<readonly StreamInfo[]> {
  try {
    return await greeted(source, () => readCatalogue(job, source.port));
  } catch (error) {
    if (!(error instanceof EtlError) || error.location !== undefined || error.configPath === undefined) throw error;
    const entry = job.streams.find(({ pattern }) => error.configPath?.startsWith(`streams.${pattern}`));
    throw at(error, entry?.location, error.configPath);
  }
}

/** The first words with a connection: what goes wrong there is the connection's, not a stream's. */
export async function greeted<T>({ connector, connection }: Pick<Connected<unknown>, 'connector' | 'connection'>, work: () => Promise<T>): Promise<T> {
  try {
    return await classified(connector, work);
  } catch (error) {
    throw placed(error, connection);
  }
}

export interface Connected<T> {
  readonly connector: Connector;
  readonly connection: ResolvedConnection;
  readonly port: T;
}

export async function openSource(job: ResolvedJob, engine: EngineContext): Promise<Connected<Source>> {
  const connection = connectionOf(job, job.source);
  const connector = await engine.load(connection.type, job.directory);
  const role = connector.source;
  if (!role) throw noRole(connection, 'source');
  return { connector, connection, port: await greeted({ connector, connection }, () => role.create(parsed(connection, role), contextOf(job, engine))) };
}

/** A destination that keeps no state of its own gets the state store (rule 29). */
export async function openDestination(job: ResolvedJob, name: string, engine: EngineContext): Promise<Connected<Destination>> {
  const connection = connectionOf(job, name);
  const connector = await engine.load(connection.type, job.directory);
  const role = connector.destination;
  if (!role) throw noRole(connection, 'destination');
  const destination = await greeted({ connector, connection }, () => role.create(parsed(connection, role), contextOf(job, engine)));
  return { connector, connection, port: destination.capabilities.keepsState ? destination : withStateStore(destination, { directory: job.directory, ports: engine.ports }) };
}

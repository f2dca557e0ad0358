import type { Capabilities, Connector, DestinationRole, SourceRole, WriteMode } from '#sdk';
import type * as z from 'zod';
import { EtlError } from '../errors/error.ts';
import { suggest, type Diagnostics, type Path } from './diagnostics.ts';
import { pathKey, type JobDocument } from './document.ts';
import { reportIssues, valueAt } from './issues.ts';
import type { ConnectorLookup } from './load.ts';
import { passwordOf } from './secrets.ts';
import type { ResolvedConnection, ResolvedJob, ResolvedStream, UnboundJob, UnboundStream } from './resolved.ts';

export interface BindContext {
  readonly document: JobDocument;
  readonly diagnostics: Diagnostics;
  readonly connectors: ConnectorLookup;
  readonly missing: 'error' | 'warning';
  onSecret(value: string): void;
  /** Places of what connectors call a secret, but for URLs; `keepSecrets` adds them. */
  readonly declared: Set<string>;
}

/** Asks the connectors what they say of their connections and targets, offline: the last step before a run. */
export async function bindConnectors(unread: UnboundJob, context: BindContext): Promise<ResolvedJob> {
  const found = new Map<string, Connector>();
  const connections: Record<string, ResolvedConnection> = {};
  for (const connection of Object.values(unread.connections)) {
    const connector = await findConnector(connection, unread.directory, context);
    if (connector) found.set(connection.name, connector);
    connections[connection.name] = connector ? readFilled(connection, connector, context) : connection;
  }
  const job = { ...unread, connections };
  const used = new Set(job.streams.filter((stream) => !stream.skip).map((stream) => stream.target.use));
  for (const connection of Object.values(job.connections)) {
    const connector = found.get(connection.name);
    if (!connector) continue;
    keepSecrets(connection, connector, context);
    if (connection.name === job.source) checkSource(connection, connector, context);
    if (used.has(connection.name)) checkDestination(connection, connector, context);
    if (connection.name !== job.source && !used.has(connection.name) && connection.location) {
      context.diagnostics.report(['connections', connection.name], { code: 'ETL-JOB-044', severity: 'warning', message: `nothing uses the connection \`${connection.name}\``, hint: 'remove it, or move it to etl.yaml', at: 'key' });
    }
  }
  const source = found.get(job.source)?.source;
  const streams = job.streams.map((stream): ResolvedStream => {
    if (source && !stream.skip) checkSync(stream, job, source, context);
    return { ...stream, write: bindTarget(stream, job, found.get(stream.target.use)?.destination, context) };
  });
  return { ...job, streams };
}

async function findConnector(connection: ResolvedConnection, directory: string, { connectors, diagnostics, document }: BindContext): Promise<Connector | undefined> {
  const path = ['connections', connection.name, 'type'];
  if (document.open.has(pathKey(path))) return undefined;
  try {
    const connector = await connectors.find(connection.type, directory);
    if (connector) return connector;
    diagnostics.report(path, { code: 'ETL-JOB-022', message: `there is no connector \`${connection.type}\``, hint: suggest(connection.type, connectors.names, 'connectors') });
  } catch (error) {
    const message = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    diagnostics.report(path, { code: error instanceof EtlError ? error.code : 'ETL-JOB-046', message: `the connector ${connection.type} can't be loaded: ${message}`, hint: (error instanceof EtlError ? error.hint : undefined) ?? 'the file exports one connector: `export default defineConnector({ … })`' });
  }
  return undefined;
}

/** What is filled in is text: where the connector asks for a number, or for true or false, it is read as that. */
function readFilled(connection: ResolvedConnection, connector: Connector, { document }: BindContext): ResolvedConnection {
  const issues = [connector.source, connector.destination].flatMap((role) => role?.config.safeParse(connection.config).error?.issues ?? []);
  const read = issues.flatMap(({ code, path: [key = '', ...inner], ...issue }) => {
    const text = valueAt(connection.config, [String(key)]);
    if (code !== 'invalid_type' || inner.length > 0 || typeof text !== 'string' || !document.filled.has(pathKey(['connections', connection.name, String(key)]))) return [];
    if ('expected' in issue && issue.expected === 'boolean') return /^(true|false)$/.test(text) ? [[key, text === 'true']] : [];
    return 'expected' in issue && /^(number|int)$/.test(String(issue.expected)) && /^-?\d+(\.\d+)?$/.test(text) ? [[key, Number(text)]] : [];
  });
  return { ...connection, config: { ...connection.config, ...Object.fromEntries(read) as Record<string, number | boolean> } };
}

function checkSource(connection: ResolvedConnection, connector: Connector, context: BindContext): void {
  const role = connector.source;
  if (!role) return context.diagnostics.report(['source'], { code: 'ETL-JOB-024', kind: 'unsupported', message: `${connector.title} can't be a source`, hint: 'it is a destination only' });
  checkConfig(role.config, connection, context);
}

function checkDestination(connection: ResolvedConnection, connector: Connector, context: BindContext): void {
  const role = connector.destination;
  if (!role) return context.diagnostics.report(['target'], { code: 'ETL-JOB-024', kind: 'unsupported', message: `${connector.title} can't be a destination`, hint: 'it is a source only' });
  checkConfig(role.config, connection, context);
}

function checkConfig(schema: z.ZodType, connection: ResolvedConnection, { document, diagnostics }: BindContext): void {
  const result = schema.safeParse(connection.config);
  if (result.success) return;
  const base = ['connections', connection.name];
  reportIssues(result.error.issues, { document, base, schema, value: connection.config, code: 'ETL-JOB-023', what: `connection \`${connection.name}\`: ` }, diagnostics);
}

/** Everything that the connector calls a secret is redacted from here on; one that stands in the file as it is gets a warning. */
function keepSecrets(connection: ResolvedConnection, connector: Connector, context: BindContext): void {
  const paths = new Set([...(connector.source?.secrets ?? []), ...(connector.destination?.secrets ?? [])]);
  for (const secret of paths) {
    const value = valueAt(connection.config, secret.split('.'));
    if (typeof value !== 'string' || value === '') continue;
    const password = passwordOf(value);
    // A URL is shown with its password hidden, so that a person still sees the host.
    context.onSecret(password ?? (isUrl(value) ? '' : value));
    if (!isUrl(value)) context.declared.add(pathKey(['connections', connection.name, ...secret.split('.')]));
    if (password !== undefined || !isUrl(value)) warnLiteral(connection, ['connections', connection.name, ...secret.split('.')], context);
  }
  for (const value of Object.values(connection.config)) {
    const password = typeof value === 'string' ? passwordOf(value) : undefined;
    if (password !== undefined) context.onSecret(password);
  }
}

function warnLiteral(connection: ResolvedConnection, path: Path, { document, diagnostics }: BindContext): void {
  if (document.filled.has(pathKey(path)) || !connection.location) return;
  diagnostics.report(path, { code: 'ETL-JOB-032', severity: 'warning', message: `the password of \`${connection.name}\` stands in the job file`, hint: 'put it into the environment or .env and write ${NAME} here' });
}

function isUrl(value: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(value);
}

function checkSync(stream: UnboundStream, job: UnboundJob, source: SourceRole<unknown>, { diagnostics, document }: BindContext): void {
  if (source.syncModes.includes(stream.sync) || stream.sync === 'cdc' || stream.sync === 'outbox') return;
  const own = ['streams', stream.pattern, 'sync'];
  diagnostics.report(valueAt(document.value, own) === undefined ? ['defaults', 'sync'] : own, {
    code: 'ETL-JOB-026', kind: 'unsupported', message: `\`${job.source}\` can't do \`sync: ${stream.sync}\``, hint: `it can do: ${source.syncModes.join(', ')}`,
  });
}

/** The write mode, checked or chosen, and the options that the destination knows. */
function bindTarget(stream: UnboundStream, job: UnboundJob, role: DestinationRole<unknown> | undefined, context: BindContext): WriteMode {
  const wish: readonly WriteMode[] = stream.sync === 'full' ? ['replace', 'append', 'merge'] : ['merge', 'append'];
  const connection = job.connections[stream.target.use];
  if (!role || !connection || stream.skip) return stream.write ?? wish[0] ?? 'append';
  const config = role.config.safeParse(connection.config);
  if (!config.success) return stream.write ?? 'append';
  const capabilities = role.capabilities(config.data);
  checkOptions(stream, role, context);
  const write = stream.write ?? wish.find((mode) => capabilities.writeModes.includes(mode)) ?? 'append';
  if (!capabilities.writeModes.includes(write)) refuseWrite(stream, write, capabilities, context);
  else if (!capabilities.deletes.includes(stream.deletes)) {
    context.diagnostics.report(placeOf(stream, 'deletes', context), { code: 'ETL-JOB-025', kind: 'unsupported', message: `\`${stream.target.use}\` can't do \`deletes: ${stream.deletes}\``, hint: `it can do: ${capabilities.deletes.join(', ')}` });
  }
  refuseUnused(stream, write, context);
  return write;
}

/** Other jobs may only append beside an append; rows are marked as deleted where they are merged. */
function refuseUnused(stream: UnboundStream, write: WriteMode, context: BindContext): void {
  const report = (name: string, message: string, hint: string): void => context.diagnostics.report(placeOf(stream, name, context), { code: 'ETL-JOB-052', message, hint });
  if (stream.shared && write !== 'append') report('shared', `\`shared: append\` and \`write: ${write}\` exclude each other for \`${stream.pattern}\``, 'write `write: append`, or `shared: false`');
  const own = valueAt(context.document.value, ['streams', stream.pattern, 'deletes']) !== undefined;
  if (own && stream.deletes === 'soft' && write !== 'merge') report('deletes', `\`write: ${write}\` marks no row as deleted, so \`deletes: soft\` does nothing`, 'write `write: merge`, or take it out');
}

function refuseWrite(stream: UnboundStream, write: WriteMode, capabilities: Capabilities, context: BindContext): void {
  const instead = stream.sync === 'full' && capabilities.writeModes.includes('replace') ? 'write: replace' : capabilities.writeModes.includes('append') ? 'write: append' : `write: ${capabilities.writeModes.join(' or ')}`;
  context.diagnostics.report(placeOf(stream, 'write', context), {
    code: 'ETL-JOB-025', kind: 'unsupported', message: `\`${stream.target.use}\` can't do \`write: ${write}\` for \`${stream.pattern}\``,
    hint: `it can do: ${capabilities.writeModes.join(', ')}; write \`${instead}\`${write === 'merge' || write === 'scd2' ? ', or send it to a duckdb or postgres connection, which can' : ''}`,
  });
}

function placeOf(stream: UnboundStream, name: string, { document }: BindContext): Path {
  const own = ['streams', stream.pattern, name];
  return valueAt(document.value, own) === undefined ? ['defaults', name] : own;
}

function checkOptions(stream: UnboundStream, role: DestinationRole<unknown>, { document, diagnostics }: BindContext): void {
  const result = role.targetOptions.safeParse(stream.target.options);
  if (result.success) return;
  const own = ['streams', stream.pattern, 'target'];
  const base = valueAt(document.value, own) === undefined ? ['target'] : own;
  reportIssues(result.error.issues, { document, base, schema: role.targetOptions, value: stream.target.options, code: 'ETL-JOB-031', what: 'target: ' }, diagnostics);
}

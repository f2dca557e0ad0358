import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { EtlError, type SourceLocation } from '../errors/error.ts';
import { environmentOf } from '../job/environment.ts';
import { interpolate } from '../job/interpolate.ts';
import { loadJob, loadJobText, requireJob, type Loaded, type LoadOptions, type Override } from '../job/load.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import { isSecretPath, passwordOf } from '../job/secrets.ts';
import { schemes } from '../../connectors/registry.ts';
import { connectors, loadConnector } from './connectors.ts';
import type { Output } from './output.ts';

/** What a job is made of: a file, or two URLs and some flags. */
export interface JobInput {
  readonly first: string;
  readonly second?: string | undefined;
  readonly streams?: readonly string[] | undefined;
  readonly sync?: string | undefined;
  readonly write?: string | undefined;
  readonly key?: string | undefined;
  readonly cursor?: string | undefined;
  readonly overrides?: readonly Override[];
}

export function loadOptions(output: Output, overrides: readonly Override[] = [], missing: 'error' | 'warning' = 'error'): LoadOptions {
  return { env: process.env, connectors, missing, overrides, onSecret: (value) => output.redactor.add(value) };
}

/** The job, with what there is to say about it said. Throws its first error, after all of them are printed. */
export async function readJob(input: JobInput, output: Output): Promise<{ job: ResolvedJob; loaded: Loaded }> {
  if (input.second === undefined) refuseUrlFlags(input);
  const loaded = input.second === undefined ? await loadJob(input.first, loadOptions(output, input.overrides)) : await loadUrls(input, input.second, output);
  for (const { path, value } of loaded.origins) if (path[0] !== 'connections' && isSecretPath(path) && typeof value === 'string') output.redactor.add(value); // of a hash
  const errors = loaded.diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  for (const diagnostic of loaded.diagnostics) {
    // The last word is the first error itself, so it is not said twice.
    if (diagnostic.severity === 'warning' || (errors.length > 1 && diagnostic !== errors[0])) output.diagnostic(diagnostic);
  }
  return { job: requireJob(loaded), loaded };
}

/** For commands about what a run left at its destination: its job file, or its two URLs, whose streams the state knows. */
export async function readRanJob({ job, target }: { readonly job: string; readonly target?: string | undefined }, output: Output): Promise<ResolvedJob> {
  return (await readJob({ first: job, second: target, streams: target === undefined ? undefined : ['*'] }, output)).job;
}

/** What only two URLs need says nothing about a job, and must not look as if it did. */
function refuseUrlFlags({ first, streams, sync, write, key, cursor }: JobInput): void {
  const given = Object.entries({ stream: streams, sync, write, key, cursor }).find(([, value]) => value !== undefined)?.[0];
  if (given === undefined) return;
  throw new EtlError({
    kind: 'config', code: 'ETL-CLI-002', message: `--${given} is for two URLs, and ${first} is a job`, hint: given === 'stream' ? '--select picks streams of a job' : 'write it into the job',
  });
}

/** Two URLs are written down as a job, and read like any other. */
async function loadUrls(input: JobInput, second: string, output: Output): Promise<Loaded> {
  const source = await connectionOf(input.first, 'source', output);
  const target = await connectionOf(second, 'target', output);
  if (!input.streams?.length) {
    throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: 'two URLs need --stream: nothing says what to move', hint: `etl discover '${input.first}' lists the streams; then --stream public.orders, or --stream 'public.*'` });
  }
  const [{ column: key }, { column: cursor }] = [{ column: input.key?.split(',') }, { column: input.cursor }];
  const job = {
    version: 1,
    // The name is that of both ends, without credentials, so that the next call finds its state.
    name: `url-${createHash('sha256').update(`${withoutCredentials(source.url)}\n${withoutCredentials(target.url)}`).digest('hex').slice(0, 16)}`,
    connections: { source: source.config, target: target.config }, source: 'source', target: 'target',
    defaults: { ...(input.sync === undefined ? {} : { sync: input.sync }), ...(input.write === undefined ? {} : { write: input.write }), ...(key ? { key } : {}), ...(cursor === undefined ? {} : { cursor }) },
    streams: Object.fromEntries(input.streams.map((stream) => [stream, {}])),
  };
  // `$${`: what an URL holds is never read as a reference again.
  const loaded = await loadJobText(join(process.cwd(), 'command line'), JSON.stringify(job).replaceAll('${', '$$${'), loadOptions(output, input.overrides));
  const diagnostics = loaded.diagnostics.filter(({ code }) => code !== 'ETL-JOB-032').map(withoutPlace);
  return { ...loaded, diagnostics, job: loaded.job && nowhere(loaded.job) };
}

/** Places in a job that nobody wrote would lead nowhere. */
function nowhere(job: ResolvedJob): ResolvedJob {
  const connections = Object.fromEntries(Object.entries(job.connections).map(([name, connection]) => [name, withoutPlace(connection)]));
  return { ...job, connections, streams: job.streams.map(withoutPlace) };
}

function withoutPlace<T extends { readonly location?: SourceLocation }>({ location: _, ...rest }: T): Omit<T, 'location'> {
  return rest;
}

/** One URL of the command line as a connection. A password in it has been seen by everybody already: refused. */
export async function connectionOf(argument: string, name: string, output: Output): Promise<{ url: string; config: Record<string, unknown> }> {
  const variable = name === 'source' ? 'SHOP_PG_URL' : 'TARGET_URL';
  const literal = passwordOf(argument);
  if (literal !== undefined && !literal.includes('${')) {
    output.redactor.add(literal);
    throw new EtlError({ kind: 'config', code: 'ETL-JOB-035', message: `the ${name} URL holds a password, which every user of this machine can see in the list of processes`, hint: `put the URL into the environment and write '\${${variable}}' in single quotes: etl fills it in, not the shell` });
  }
  const filled = interpolate(argument, { environment: environmentOf(process.env, process.cwd()), directory: process.cwd(), allowExec: false, missing: 'error', onSecret: (value) => output.redactor.add(value) });
  const complaint = filled.complaints[0];
  if (complaint) throw new EtlError({ kind: complaint.kind ?? 'config', code: complaint.code, message: complaint.message, ...(complaint.hint === undefined ? {} : { hint: complaint.hint }) });
  const password = passwordOf(filled.text);
  if (password !== undefined) output.redactor.add(password);
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(filled.text)?.[1]?.toLowerCase();
  const type = scheme !== undefined && Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined;
  if (type === undefined) throw unknownUrl(argument, name);
  const connector = await loadConnector(type, process.cwd());
  if (!connector.urls) throw unknownUrl(argument, name);
  return { url: filled.text, config: { type, ...connector.urls.toConfig(filled.text) } };
}

function unknownUrl(argument: string, name: string): EtlError {
  const shown = argument.length > 60 ? `${argument.slice(0, 57)}…` : argument;
  return new EtlError({ kind: 'config', code: 'ETL-JOB-036', message: `the ${name} \`${shown}\` is not a URL that etl knows`, hint: `URLs begin with ${[...new Set(Object.keys(schemes))].map((scheme) => `${scheme}:`).join(', ')}; a job file stands alone` });
}

function withoutCredentials(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, '$1').replace(/([?&])(password|user|sslpassword)=[^&]*/gi, '$1');
}

import { EtlError } from '../errors/error.ts';
import { editDistance } from '../job/diagnostics.ts';
import type { ResolvedJob, ResolvedStream } from '../job/resolved.ts';
import type { Source, StreamInfo } from '../sdk/contract.ts';

/** One stream of the catalogue and the entry of the job that decides it. */
export interface MatchedStream {
  readonly info: StreamInfo;
  readonly entry: ResolvedStream;
}

/** One source and one destination of a job, and what goes between them. */
export interface PipeStreams {
  readonly id: string;
  readonly destination: string;
  readonly streams: readonly MatchedStream[];
}

export function pipeId(job: ResolvedJob, destination: string): string {
  return `${job.name}/${job.source}->${destination}`;
}

/** The connections that streams go to, sorted: the order in which leases are taken. */
export function destinationsOf(job: ResolvedJob): readonly string[] {
  return [...new Set(job.streams.filter((entry) => !entry.skip).map((entry) => entry.target.use))].sort();
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(name);
}

/** True when one of the globs takes the stream, or there are none. */
export function selected(globs: readonly string[] | undefined, name: string): boolean {
  return !globs?.length || globs.some((glob) => matches(glob, name));
}

/** Queries of the job by stream name: the source describes them beside its catalogue. */
export function queriesOf(job: ResolvedJob): Readonly<Record<string, string>> {
  return Object.fromEntries(job.streams.flatMap((entry) => (entry.query === undefined || entry.skip ? [] : [[entry.pattern, entry.query]])));
}

/** What a job needs of the catalogue: the streams that it names, or all of them where it has patterns, or a name that is not there. */
export async function readCatalogue(job: ResolvedJob, source: Pick<Source, 'discover'>): Promise<readonly StreamInfo[]> {
  const queries = queriesOf(job);
  const tables = job.streams.filter(({ query, skip }) => query === undefined && !skip).map(({ pattern }) => pattern);
  if (tables.some((name) => name.includes('*'))) return source.discover({ queries });
  const found = await source.discover({ queries, only: tables });
  return tables.every((name) => found.some((info) => info.name === name)) ? found : source.discover({ queries });
}

/** An exact name wins over a pattern, an earlier pattern over a later one. */
export function entryFor(job: ResolvedJob, name: string): ResolvedStream | undefined {
  return job.streams.find((entry) => entry.pattern === name) ?? job.streams.find((entry) => entry.query === undefined && matches(entry.pattern, name));
}

/** The streams of each pipe. An entry that matches nothing is an error: a typing mistake must not move nothing and say ok. */
export function matchStreams(job: ResolvedJob, catalogue: readonly StreamInfo[], select?: readonly string[]): readonly PipeStreams[] {
  const matched = catalogue.flatMap((info) => {
    const entry = entryFor(job, info.name);
    return entry && !entry.skip ? [{ info, entry }] : [];
  });
  for (const entry of job.streams) if (!entry.skip && !matched.some((stream) => stream.entry === entry)) throw unknownStream(entry, catalogue);
  if (select?.length && !matched.some(({ info }) => selected(select, info.name))) {
    throw new EtlError({ kind: 'config', code: 'ETL-PLAN-002', message: `--select ${select.join(' ')} takes no stream of the job.`, hint: `The job's streams: ${matched.map(({ info }) => info.name).join(', ')}.` });
  }
  return destinationsOf(job).map((destination) => ({
    id: pipeId(job, destination), destination, streams: matched.filter(({ entry }) => entry.target.use === destination),
  }));
}

function unknownStream(entry: ResolvedStream, catalogue: readonly StreamInfo[]): EtlError {
  const names = catalogue.map((info) => info.name);
  const close = names.toSorted((a, b) => editDistance(entry.pattern, a) - editDistance(entry.pattern, b)).slice(0, 3);
  return new EtlError({
    kind: 'not_found', code: 'ETL-PLAN-001', message: `The source has no stream ${entry.pattern}, or this login may not see it.`,
    hint: close.length ? `Did you mean ${close.join(' or ')}? \`etl discover\` lists them all.` : 'The source shows no streams at all: check the grants of this login with `etl check`.',
    configPath: `streams.${entry.pattern}`, ...(entry.location ? { location: entry.location } : {}),
  });
}

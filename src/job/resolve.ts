import { suggest, type Diagnostics, type Path } from './diagnostics.ts';
import { pathKey, type JobDocument } from './document.ts';
import type { RawJob, RawProject } from './schema.ts';
import type { ResolvedConnection, UnboundJob } from './resolved.ts';
import { toJson } from './issues.ts';
import { StreamResolver } from './streams.ts';
import { parseDuration, parseRate, parseSize } from './units.ts';

export interface ResolveInput {
  readonly raw: RawJob;
  readonly project: RawProject | undefined;
  readonly document: JobDocument;
  /** Places of both files: the job's where it says something, else the project's. */
  readonly diagnostics: Diagnostics;
  readonly directory: string;
}

/** What holds where a job says nothing. docs/job.md lists it. */
export const DEFAULTS = {
  limits: { concurrency: 4, memoryBytes: 512 * 1024 ** 2 },
  retry: { attempts: 6, backoff: 'exponential', initialDelayMs: 500, maxDelayMs: 120_000 },
  commit: { intervalMs: 60_000, bytes: 256 * 1024 ** 2 },
  maxBadRatio: 0.01,
} as const;

/** From the checked shape to a job with nothing left to guess but what the connectors know. */
export function resolveJob(input: ResolveInput): UnboundJob {
  const { raw, project, diagnostics } = input;
  refuseLater(input);
  const limits = { ...project?.limits, ...raw.limits };
  const retry = { ...project?.retry, ...raw.retry };
  const commit = { ...project?.commit, ...raw.commit };
  const connections = resolveConnections(input);
  const duration = (value: string | number | undefined, path: Path, fallback: number): number => unit(value, path, fallback, { parse: parseDuration, what: 'a duration', form: '500ms, 30s, 10m, 2h', diagnostics });
  const size = (value: string | number | undefined, path: Path, fallback: number): number => unit(value, path, fallback, { parse: parseSize, what: 'a size', form: '512MiB, 64MB', diagnostics });
  const rate = limits.rate === undefined ? undefined : unit(limits.rate, ['limits', 'rate'], 0, { parse: parseRate, what: 'a rate', form: '200 rows/s', diagnostics });
  const streams = new StreamResolver(input, connections);
  return {
    name: raw.name,
    mode: raw.mode ?? 'batch',
    directory: input.directory,
    connections,
    source: sourceOf(input, connections),
    limits: {
      concurrency: Math.max(1, Number(limits.concurrency ?? DEFAULTS.limits.concurrency)),
      memoryBytes: size(limits.memory, ['limits', 'memory'], DEFAULTS.limits.memoryBytes),
      ...(rate === undefined || rate === 0 ? {} : { rowsPerSecond: rate }),
    },
    retry: {
      attempts: Math.max(1, Number(retry.attempts ?? DEFAULTS.retry.attempts)),
      backoff: retry.backoff ?? DEFAULTS.retry.backoff,
      initialDelayMs: duration(retry.initial_delay, ['retry', 'initial_delay'], DEFAULTS.retry.initialDelayMs),
      maxDelayMs: duration(retry.max_delay, ['retry', 'max_delay'], DEFAULTS.retry.maxDelayMs),
    },
    commit: { intervalMs: duration(commit.interval, ['commit', 'interval'], DEFAULTS.commit.intervalMs), bytes: size(commit.bytes, ['commit', 'bytes'], DEFAULTS.commit.bytes) },
    streams: streams.all(),
    ...afterOf(input),
    overlap: raw.schedule?.overlap ?? 'fail',
  };
}

function afterOf({ raw: { after }, document }: ResolveInput): Pick<UnboundJob, 'after'> {
  const location = document.locate(['after', 'run'], 'value');
  return after === undefined ? {} : { after: { run: after.run, when: after.when ?? 'success', ...(location ? { location } : {}) } };
}

interface UnitForm {
  parse(value: string | number): number | undefined;
  readonly what: string;
  readonly form: string;
  readonly diagnostics: Diagnostics;
}

export function unit(value: string | number | undefined, path: Path, fallback: number, form: UnitForm): number {
  if (value === undefined) return fallback;
  const parsed = form.parse(value);
  if (parsed === undefined) form.diagnostics.report(path, { code: 'ETL-JOB-029', message: `\`${value}\` is not ${form.what}`, hint: `write ${form.form}` });
  return parsed ?? fallback;
}

/** What this version knows of and can't do yet. What would change the data stops the job, what would not is said aloud. */
function refuseLater({ raw, diagnostics }: ResolveInput): void {
  if (raw.mode === 'stream') {
    diagnostics.report(['mode'], { code: 'ETL-JOB-020', kind: 'unsupported', message: '`mode: stream` is not available in this version', hint: 'leave `mode` out and run the job again and again: an incremental run continues where the last one ended' });
  }
  if (raw.was !== undefined) {
    diagnostics.report(['was'], { code: 'ETL-JOB-020', kind: 'unsupported', message: '`was` is not available in this version', hint: 'keep the name of the job: its state, its leases and its tables are known by it', at: 'key' });
  }
  if (raw.schedule !== undefined) {
    diagnostics.report(['schedule'], { code: 'ETL-JOB-033', severity: 'warning', message: '`schedule` is not executed by this version', hint: 'start `etl run` from cron, systemd or your CI; the schedule itself is kept', at: 'key' });
    const fields = raw.schedule.cron.trim().split(/\s+/).length;
    if (!raw.schedule.cron.startsWith('@') && (fields < 5 || fields > 6)) diagnostics.report(['schedule', 'cron'], { code: 'ETL-JOB-003', message: `\`${raw.schedule.cron}\` is not a cron expression: it has ${fields} fields, not 5`, hint: 'minute hour day month weekday, such as "*/15 * * * *"' });
    if (raw.schedule.timezone !== undefined && !isTimeZone(raw.schedule.timezone)) diagnostics.report(['schedule', 'timezone'], { code: 'ETL-JOB-003', message: `\`${raw.schedule.timezone}\` is not a time zone`, hint: 'write an IANA name, such as Europe/Berlin' });
  }
  if (raw.tests !== undefined && raw.tests.length > 0) {
    diagnostics.report(['tests'], { code: 'ETL-JOB-034', severity: 'warning', message: `the ${raw.tests.length} \`tests\` of this job are not executed by this version`, hint: 'nothing has proven them: check the first run with `etl preview`', at: 'key' });
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function resolveConnections({ raw, project, document, diagnostics }: ResolveInput): Readonly<Record<string, ResolvedConnection>> {
  const result: Record<string, ResolvedConnection> = {};
  for (const [name, connection] of Object.entries({ ...project?.connections, ...raw.connections })) {
    const { type, ...config } = connection;
    const path = ['connections', name];
    const own = raw.connections?.[name] !== undefined;
    if (!/^\w[\w.-]*$/.test(name)) diagnostics.report(path, { code: 'ETL-JOB-003', message: `\`${name}\` can't name a connection`, hint: 'letters, digits, . _ and -: state is stored under this name', at: 'key' });
    const location = own ? document.locate(path, 'key') : undefined;
    result[name] = { name, type, config: toJson(toPlain(config)) as ResolvedConnection['config'], ...(location ? { location } : {}) };
  }
  if (Object.keys(result).length === 0) diagnostics.report([], { code: 'ETL-JOB-004', message: '`connections` is missing: the job names no place to read from or write to', hint: 'write connections: here, or in etl.yaml beside the job' });
  return result;
}

/** zod hands out what it was given, so that the type is the document's own again. */
function toPlain(value: object): { [key: string]: import('./document.ts').Value } {
  return value as { [key: string]: import('./document.ts').Value };
}

function sourceOf({ raw, document, diagnostics }: ResolveInput, connections: Readonly<Record<string, ResolvedConnection>>): string {
  const name = typeof raw.source === 'string' ? raw.source : raw.source.use;
  const path = typeof raw.source === 'string' ? ['source'] : ['source', 'use'];
  if (!document.open.has(pathKey(path))) requireConnection(name, path, connections, diagnostics);
  return name;
}

export function requireConnection(name: string, path: Path, connections: Readonly<Record<string, ResolvedConnection>>, diagnostics: Diagnostics): void {
  if (Object.hasOwn(connections, name)) return;
  const names = Object.keys(connections);
  diagnostics.report(path, { code: 'ETL-JOB-021', message: `there is no connection \`${name}\``, hint: suggestConnection(name, names) });
}

function suggestConnection(name: string, names: readonly string[]): string {
  return suggest(name, names, 'connections of this job') ?? 'name one under `connections:`';
}

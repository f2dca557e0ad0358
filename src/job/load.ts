import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type * as z from 'zod';
import type { Connector } from '#sdk';
import { EtlError } from '../errors/error.ts';
import { bindConnectors } from './connections.ts';
import { Diagnostics, toError, type Diagnostic, type Path } from './diagnostics.ts';
import { readDocument, type JobDocument } from './document.ts';
import { environmentOf } from './environment.ts';
import type { Interpolation } from './interpolate.ts';
import { reportIssues, valueAt } from './issues.ts';
import type { ResolvedJob } from './resolved.ts';
import { resolveJob } from './resolve.ts';
import { shownValue } from './secrets.ts';
import { jobSchema, projectSchema, type RawJob, type RawProject } from './schema.ts';

/** Finds a connector by the `type:` of a connection; relative paths begin at the job's folder. Undefined: there is none. */
export interface ConnectorLookup {
  readonly names: readonly string[];
  find(type: string, directory: string): Promise<Connector | undefined>;
}

export interface LoadOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly connectors: ConnectorLookup;
  /** Lint runs where the secrets are not. Default: error. */
  readonly missing?: 'error' | 'warning';
  onSecret(value: string): void;
  /** Values of the command line and of `ETL_*`, which stand above the file: path → value. */
  readonly overrides?: readonly Override[];
}

export interface Override {
  readonly path: Path;
  readonly value: string | number;
  readonly from: string;
}

export interface Loaded {
  /** Undefined when something is wrong. */
  readonly job: ResolvedJob | undefined;
  readonly name: string | undefined;
  readonly diagnostics: readonly Diagnostic[];
  /** What each value of the job is and where it was said, for `--print-config`. */
  readonly origins: readonly Origin[];
}

export interface Origin {
  readonly path: Path;
  readonly value: unknown;
  /** The value for people: without secrets. */
  readonly shown: unknown;
  readonly from: string;
}

/** Reads, fills, checks and resolves one job file. Everything that is wrong comes back at once, each with its place. */
export async function loadJob(file: string, options: LoadOptions): Promise<Loaded> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    throw new EtlError({ kind: 'config', code: 'ETL-JOB-013', message: `${file} ${missing ? 'does not exist' : 'can not be read'}`, hint: 'name a job file: etl run job.yaml', cause: error });
  }
  return loadJobText(file, text, options);
}

/** The same, from a text: the two-URL form is written as a job too. */
export async function loadJobText(file: string, text: string, options: LoadOptions): Promise<Loaded> {
  const directory = dirname(resolve(file));
  const diagnostics = new Diagnostics();
  const interpolation: Interpolation = { environment: environmentOf(options.env, directory), directory, allowExec: false, missing: options.missing ?? 'error', onSecret: (value) => options.onSecret(value) };
  const project = loadProject(directory, diagnostics, interpolation);
  const document = readDocument(file, text.replace(/^\uFEFF/, ''), diagnostics, { ...interpolation, allowExec: project?.raw.allow?.exec ?? false });
  const failed = (): Loaded => ({ job: undefined, name: undefined, diagnostics: diagnostics.sorted(), origins: [] });
  if (document === undefined) return failed();
  locate(diagnostics, document, project?.document);
  applyOverrides(document, options.overrides ?? []);
  const raw = check(document, jobSchema, 'a job', diagnostics);
  if (raw === undefined) return failed();
  const job = resolveJob({ raw, project: project?.raw, document, diagnostics, directory });
  const declared = new Set<string>();
  const bound = await bindConnectors(job, { document, diagnostics, connectors: options.connectors, onSecret: (value) => options.onSecret(value), missing: interpolation.missing, declared });
  return { job: diagnostics.errors.length > 0 ? undefined : bound, name: raw.name, diagnostics: diagnostics.sorted(), origins: originsOf([...(project ? [project.document] : []), document], declared, options.overrides ?? []) };
}

/** The job, or the first error that stops it. */
export function requireJob(loaded: Loaded): ResolvedJob {
  if (loaded.job) return loaded.job;
  const first = loaded.diagnostics.find((diagnostic) => diagnostic.severity === 'error');
  throw first ? toError(first) : new EtlError({ kind: 'internal', code: 'ETL-JOB-000', message: 'the job could not be read, and nothing says why' });
}

function loadProject(directory: string, diagnostics: Diagnostics, interpolation: Interpolation): { raw: RawProject; document: JobDocument } | undefined {
  const file = join(directory, 'etl.yaml');
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  // A first look without filling anything in: whether commands are allowed is said here, and never by a value.
  const own = new Diagnostics();
  const look = readDocument(file, text, own, { ...interpolation, missing: 'warning', onSecret: () => undefined });
  const allowExec = valueAt(look?.value, ['allow', 'exec']) === true;
  const document = readDocument(file, text, diagnostics, { ...interpolation, allowExec });
  if (document === undefined) return undefined;
  locate(diagnostics, document, undefined);
  const raw = check(document, projectSchema, 'etl.yaml', diagnostics);
  return raw ? { raw, document } : undefined;
}

/** The job's own place where it says something, else the project's. */
function locate(diagnostics: Diagnostics, job: JobDocument, project: JobDocument | undefined): void {
  diagnostics.locateWith((path, at) => {
    const inProject = project !== undefined && path.length > 1 && valueAt(job.value, path.slice(0, 2)) === undefined && valueAt(project.value, path.slice(0, 2)) !== undefined;
    return (inProject ? project : job).locate(path, at);
  });
}

function check<T>(document: JobDocument, schema: z.ZodType<T>, what: string, diagnostics: Diagnostics): T | undefined {
  if (typeof document.value !== 'object' || document.value === null || Array.isArray(document.value)) {
    diagnostics.report([], { code: 'ETL-JOB-014', message: `${what} is a mapping, this file holds ${document.value === null ? 'nothing' : 'something else'}`, hint: 'begin with `version: 1`' });
    return undefined;
  }
  const version = valueAt(document.value, ['version']);
  if (version !== undefined && version !== 1) {
    diagnostics.report(['version'], { code: 'ETL-JOB-015', message: `version ${JSON.stringify(version)} of the job format is not known`, hint: 'this version of etl reads `version: 1`' });
    return undefined;
  }
  const before = diagnostics.errors.length;
  const result = schema.safeParse(document.value);
  if (!result.success) reportIssues(result.error.issues, { document, base: [], schema, value: document.value, code: 'ETL-JOB-003' }, diagnostics);
  if (result.success) return result.data;
  // Only what hangs on a missing variable: lint goes on with what is there.
  return diagnostics.errors.length === before ? (document.value as T) : undefined;
}

function applyOverrides(document: JobDocument, overrides: readonly Override[]): void {
  for (const { path, value } of overrides) {
    let current = document.value;
    for (const part of path.slice(0, -1)) {
      if (typeof current !== 'object' || current === null || Array.isArray(current)) return;
      current = current[part] ??= Object.create(null) as Record<string, never>;
    }
    const last = path.at(-1);
    if (typeof current === 'object' && current !== null && !Array.isArray(current) && last !== undefined) current[last] = value;
  }
}

/** The job's come after the project's, and stand for them. */
function originsOf(documents: readonly JobDocument[], declared: ReadonlySet<string>, overrides: readonly Override[]): readonly Origin[] {
  const origins = new Map<string, Origin>();
  const walk = (document: JobDocument, value: unknown, path: Path): void => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      for (const [key, inner] of Object.entries(value)) walk(document, inner, [...path, key]);
      return;
    }
    const override = overrides.find((candidate) => candidate.path.join('\0') === path.join('\0'));
    const at = document.locate(path, 'value');
    origins.set(path.join('\0'), { path, value, shown: override ? value : shownValue(value, path, { document, declared }), from: override?.from ?? (at ? `${basename(at.file)}:${at.line}` : basename(document.file)) });
  };
  for (const document of documents) walk(document, document.value, []);
  return [...origins.values()];
}

export type { RawJob };

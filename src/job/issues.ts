import * as z from 'zod';
import { didYouMean, type Diagnostics, type Path } from './diagnostics.ts';
import { pathKey, type JobDocument, type Value } from './document.ts';

type Issue = z.core.$ZodIssue;

export interface Checked {
  readonly document: JobDocument;
  /** Where the checked value stands in the document. */
  readonly base: Path;
  readonly schema: z.ZodType;
  readonly value: unknown;
  /** Of wrong and missing values; unknown keys have one of their own. */
  readonly code: string;
  readonly what?: string;
}

/** Turns what zod found into sentences with a place and a suggestion. */
export function reportIssues(issues: readonly Issue[], checked: Checked, diagnostics: Diagnostics): void {
  for (const issue of issues) reportIssue(issue, checked, diagnostics);
}

function reportIssue(issue: Issue, checked: Checked, diagnostics: Diagnostics): void {
  const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
  const full = [...checked.base, ...path];
  if (checked.document.open.has(pathKey(full))) return;
  if (issue.code === 'unrecognized_keys') return reportUnknownKeys(issue.keys, path, checked, diagnostics);
  if (issue.code === 'invalid_union') return reportUnion(issue, path, checked, diagnostics);
  const value = valueAt(checked.value, path);
  if (value === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')) {
    return diagnostics.report(full, { code: 'ETL-JOB-004', message: `${checked.what ?? ''}\`${String(path.at(-1))}\` is missing`, hint: missingHint(issue), at: 'key' });
  }
  const shown = checked.document.filled.has(pathKey(full)) ? 'the value filled in here' : describe(value);
  diagnostics.report(full, { code: checked.code, ...sentence(issue, value, shown) });
}

function sentence(issue: Issue, value: unknown, shown: string): { message: string; hint?: string | undefined } {
  if (issue.code === 'invalid_type') return { message: `expected ${expectedType(issue.expected)}, found ${shown}` };
  if (issue.code === 'invalid_value') {
    const values = issue.values.map(String);
    const near = typeof value === 'string' ? didYouMean(value, values) : undefined;
    return { message: `expected ${oneOf(values)}, found ${shown}`, hint: near === undefined ? undefined : `did you mean \`${near}\`?` };
  }
  if (issue.code === 'too_small' && issue.origin === 'string') return { message: 'this text must not be empty' };
  if (issue.code === 'too_small') return { message: issue.origin === 'array' ? `at least ${issue.minimum} needed, found ${shown}` : `must be at least ${issue.minimum}, found ${shown}` };
  if (issue.code === 'too_big') return { message: `must be at most ${issue.maximum}, found ${shown}` };
  return { message: `${issue.message}, found ${shown}` };
}

function missingHint(issue: Issue): string | undefined {
  return issue.code === 'invalid_value' ? `write one of: ${issue.values.map(String).join(', ')}` : undefined;
}

function reportUnknownKeys(keys: readonly string[], path: Path, checked: Checked, diagnostics: Diagnostics): void {
  const known = knownKeys(checked.schema, path);
  for (const key of keys) {
    const near = didYouMean(key, known);
    const hint = near === undefined ? (known.length === 0 ? undefined : `known here: ${known.join(', ')}`) : `did you mean \`${near}\`?`;
    diagnostics.report([...checked.base, ...path, key], { code: 'ETL-JOB-002', message: `unknown key \`${key}\``, hint, at: 'key' });
  }
}

/** The branch that the writer meant is the one whose own type fits: its complaints are the useful ones. */
function reportUnion(issue: z.core.$ZodIssueInvalidUnion, path: Path, checked: Checked, diagnostics: Diagnostics): void {
  const branches = issue.errors;
  const value = valueAt(checked.value, path);
  const full = [...checked.base, ...path];
  if (value === undefined) return diagnostics.report(full, { code: 'ETL-JOB-004', message: `${checked.what ?? ''}\`${String(path.at(-1))}\` is missing`, at: 'key' });
  const fits = branches.filter((branch) => branch.every((inner) => inner.path.length > 0 || !['invalid_type', 'invalid_value'].includes(inner.code)));
  const best = fits.toSorted((a, b) => a.length - b.length)[0];
  if (best) {
    const moved = best.map((inner): Issue => ({ ...inner, path: [...issue.path, ...inner.path] }));
    return reportIssues(moved, checked, diagnostics);
  }
  const values = branches.flatMap((branch) => branch.flatMap((inner) => (inner.code === 'invalid_value' ? inner.values.map(String) : [])));
  const types = branches.flatMap((branch) => branch.flatMap((inner) => (inner.code === 'invalid_type' ? [expectedType(inner.expected)] : [])));
  const shown = checked.document.filled.has(pathKey(full)) ? 'the value filled in here' : describe(value);
  const near = typeof value === 'string' ? didYouMean(value, values) : undefined;
  diagnostics.report(full, { code: checked.code, message: `expected ${[...new Set([...(values.length > 0 ? [oneOf(values)] : []), ...types])].join(' or ')}, found ${shown}`, hint: near === undefined ? undefined : `did you mean \`${near}\`?` });
}

function oneOf(values: readonly string[]): string {
  return values.length === 1 ? `\`${values[0]}\`` : `one of ${values.map((value) => `\`${value}\``).join(', ')}`;
}

function expectedType(type: string): string {
  return { string: 'text', int: 'a whole number', number: 'a number', boolean: 'true or false', array: 'a list', object: 'a mapping', record: 'a mapping', null: 'nothing', bigint: 'a whole number' }[type] ?? type;
}

export function describe(value: unknown): string {
  if (value === null) return 'nothing';
  if (typeof value === 'string') return value.length > 60 ? `the text ${JSON.stringify(`${value.slice(0, 57)}…`)}` : `the text ${JSON.stringify(value)}`;
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a mapping' : `\`${String(value)}\``;
}

export function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = Reflect.get(current, part);
  }
  return current;
}

/** The keys that a schema knows at a path, through unions, records and optional parts. */
export function knownKeys(schema: z.ZodType, path: Path): string[] {
  let here: z.core.$ZodType[] = [schema];
  for (const part of path) here = here.flatMap(unwrap).flatMap((inner) => step(inner, part));
  return [...new Set(here.flatMap(unwrap).flatMap((inner) => (inner instanceof z.ZodObject ? Object.keys(inner.shape) : [])))];
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  return [schema];
}

function step(schema: z.core.$ZodType, part: string | number): z.core.$ZodType[] {
  if (schema instanceof z.ZodObject) {
    const inner: z.core.$ZodType | undefined = schema.shape[String(part)];
    return inner ? [inner] : [];
  }
  if (schema instanceof z.ZodRecord) return [schema.valueType];
  return schema instanceof z.ZodArray ? [schema.element] : [];
}

/** JSON for a connector's config: whole numbers beyond a double's reach stay exact as text. */
export function toJson(value: Value): import('#sdk').Json {
  if (typeof value === 'bigint') return value.toString();
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, toJson(inner)]));
  return value;
}

import { createHash } from 'node:crypto';
import { EtlError } from '../errors/error.ts';
import type { ColumnRule, NormalizeSpec } from '../normalize/spec.ts';
import type { Field, LogicalType } from '../batch/types.ts';
import { targetNames } from '../normalize/names.ts';
import { heldAtFirst, underContract } from '../normalize/plan.ts';
import { isKept, maskedColumns, maskingProblems, targetSchema, type Problem } from '../normalize/target-schema.ts';
import type { Capabilities, Json, JobState, Schema, Selection, Target } from '../sdk/contract.ts';
import { didYouMean } from '../job/diagnostics.ts';
import type { MatchedStream } from './pipes.ts';

/** All that is decided about one stream of a pipe. */
export interface Binding {
  readonly stream: string;
  readonly match: MatchedStream;
  readonly selection: Selection;
  readonly target: Target;
  readonly spec: NormalizeSpec;
  /** What the destination will get, as far as it is known now. */
  readonly schema: Schema;
  /** Source columns and the types that the contract holds them to from now on: kept with the load (rule 5). */
  readonly columns: Readonly<Record<string, LogicalType>>;
  /** What those are called at the destination where that is not their own name. */
  readonly names: Readonly<Record<string, string>>;
  /** What the contract refuses: the stream's load will fail. */
  readonly conflicts: readonly string[];
  /** What can't be mixed in one table, and which table that is (rule 5): a change of it needs a full refresh. */
  readonly unmixable: string;
  /** Of a stream that is a query: its digest. */
  readonly query?: string;
  /** All that decides the bytes of a load (rule 5). */
  readonly fingerprint: string;
}

/** The columns that a stream ever had, and what they are called. */
type Shape = Pick<Binding, 'columns' | 'names'>;

export interface BindOptions {
  readonly fullRefresh: boolean;
  readonly range?: { readonly from: string; readonly to: string };
  readonly state?: JobState;
}

/** `tables: freeze` keeps out what a pattern brings in later, not what the job names or what its first run finds. */
function mayMakeTable({ info, entry }: MatchedStream, state: JobState | undefined): boolean {
  const streams = state?.streams ?? {};
  return entry.pattern === info.name || streams[info.name] !== undefined || Object.values(streams).every(({ publishedAt }) => publishedAt === undefined);
}

/** From a matched stream to what source, normaliser and destination need. Pure. */
export function bind(match: MatchedStream, capabilities: Capabilities, options: BindOptions): Binding {
  const { info, entry } = match;
  refuseMode(match, capabilities);
  const key = entry.key?.columns ?? info.schema.key;
  refuseKey(match, key);
  const asText = info.schema.fields.filter((field) => sendsText(field, entry.columns[field.name], capabilities)).map((field) => field.name);
  const exclude = info.schema.fields.filter((field) => isDropped(field.name, entry.columns, entry.others)).map((field) => field.name);
  const selection: Selection = {
    stream: info.name, sync: entry.sync, write: entry.write, key, immutableKey: entry.key?.immutable ?? false,
    ...(entry.cursor ? { cursor: entry.cursor } : {}), exclude, asText, masked: maskedColumns(entry), ...(entry.query === undefined ? {} : { query: entry.query }),
    fullRefresh: options.fullRefresh || (options.state?.streams[info.name]?.rebuild ?? false), ...(options.range ? { range: options.range } : {}),
  };
  const whole: Schema = { key, fields: info.schema.fields.map((field) => asRead(field, asText)) };
  const before = shapeAtLastLoad(options.state, info.name);
  const { spec, target, schema, columns, names, conflicts } = named(match, whole, { selection, capabilities, before, mayMakeTable: mayMakeTable(match, options.state) });
  const rules = Object.fromEntries(Object.entries(entry.columns).filter(([, rule]) => !rule.drop).map(([name, rule]) => [name, publicRule(rule)]));
  const unmixable = digest({ key: [...key], write: entry.write, naming: entry.naming, rules, into: [target.schema ?? null, target.table] });
  return {
    stream: info.name, match, selection, target, spec, schema, columns, names, conflicts, unmixable,
    fingerprint: digest({ unmixable, selection: selection as unknown as Json, target: { ...target, evolve: entry.contract } as unknown as Json, others: entry.others, checks: entry.checks as unknown as Json, errors: { ...entry.errors } as unknown as Json, badText: entry.badText }),
    ...(entry.query === undefined ? {} : { query: digest(entry.query) }),
  };
}

/** Streams that would meet in one table, and whose rows nobody could tell apart. */
export function refuseSharedTables(bindings: readonly Binding[], { names }: Capabilities): void {
  const taken = new Map<string, string>();
  for (const { stream, target, match: { entry } } of bindings) {
    const table = `${target.schema ?? ''}.${target.table}`;
    const name = names.caseSensitive ? table : table.toLowerCase();
    const other = taken.get(name);
    if (other !== undefined) {
      throw new EtlError({ kind: 'config', code: 'ETL-PLAN-005', message: `${other} and ${stream} both go to the table ${table.replace(/^\./, '')}.`, configPath: `streams.${entry.pattern}.target`, hint: 'Set target.schema: "{schema}" or a target.table of its own.', ...(entry.location ? { location: entry.location } : {}) });
    }
    taken.set(name, stream);
  }
}

/** A rule protects nothing when no stream that it is for has, or had, its column: most likely a typing error. */
export function refuseUnknownColumns(bindings: readonly Binding[]): void {
  for (const entry of new Set(bindings.map(({ match }) => match.entry))) {
    const mine = bindings.filter(({ match }) => match.entry === entry);
    const known = new Set(mine.flatMap(({ match, columns }) => [...match.info.schema.fields.map((field) => field.name), ...Object.keys(columns)]));
    const unknown = entry.ownRules?.find((name) => !known.has(name));
    if (unknown === undefined) continue;
    const meant = didYouMean(unknown, known);
    throw new EtlError({
      kind: 'config', code: 'ETL-PLAN-007', message: `${entry.pattern}: there is a rule for the column ${unknown}, which the source does not have.`, configPath: `streams.${entry.pattern}.columns.${unknown}`,
      hint: meant === undefined ? `Its columns: ${[...known].join(', ')}.` : `Did you mean ${meant}?`, ...(entry.location ? { location: entry.location } : {}),
    });
  }
}

/** A range is of a cursor, and its rows may be there: a full read would move its position, an append would write them twice (rule 8). */
export function refuseRange(chosen: readonly Binding[]): void {
  for (const { stream, selection, match: { entry } } of chosen) {
    if (selection.range === undefined || (selection.sync !== 'full' && selection.write !== 'append')) continue;
    const message = selection.sync === 'full' ? `${stream} is read in full, and --range is about a cursor.` : `${stream} is written by append, where the rows of --range would stand twice.`;
    throw new EtlError({
      kind: 'config', code: 'ETL-PLAN-003', message, configPath: `streams.${entry.pattern}`, hint: 'Take the streams that have a cursor and are merged with --select.', ...(entry.location ? { location: entry.location } : {}),
    });
  }
}

function refuseMode({ info, entry }: MatchedStream, capabilities: Capabilities): void {
  if (entry.deletes === 'soft' && entry.sync === 'full' && entry.write === 'merge') {
    throw new EtlError({
      kind: 'unsupported', code: 'ETL-PLAN-003', message: `${info.name}: a full load into merge sees no deletes, so that deletes: soft would mark none.`, configPath: `streams.${entry.pattern}.deletes`,
      hint: 'Use write: replace, where such rows go, or write: scd2, where their versions end; or leave `deletes` out.', ...(entry.location ? { location: entry.location } : {}),
    });
  }
  if (capabilities.writeModes.includes(entry.write)) return;
  throw new EtlError({
    kind: 'unsupported', code: 'ETL-PLAN-003', message: `${info.name}: ${entry.target.use} can't do write: ${entry.write}.`, configPath: `streams.${entry.pattern}.write`,
    hint: `It can do ${capabilities.writeModes.join(', ')}.`, ...(entry.location ? { location: entry.location } : {}),
  });
}

function refuseKey({ info, entry }: MatchedStream, key: readonly string[]): void {
  const unknown = key.find((name) => !info.schema.fields.some((field) => field.name === name));
  const message = unknown !== undefined ? `${info.name} has no column ${unknown}, which its key names.`
    : key.length === 0 && (entry.write === 'merge' || entry.write === 'scd2') ? `${info.name} has no key, which write: ${entry.write} needs.` : undefined;
  if (message === undefined) return;
  throw new EtlError({ kind: 'config', code: 'ETL-PLAN-004', message, configPath: `streams.${entry.pattern}.key`, hint: `Set key: [column] for this stream; its columns: ${info.schema.fields.map((field) => field.name).join(', ')}.`, ...(entry.location ? { location: entry.location } : {}) });
}

/** The spec needs the target's key, whose names the spec makes: so the names come first. */
function named(match: MatchedStream, source: Schema, of: { selection: Selection; capabilities: Capabilities; before: Shape | undefined; mayMakeTable: boolean }): Pick<Binding, 'spec' | 'target' | 'schema' | 'conflicts'> & Shape {
  const { info, entry } = match;
  const { selection, capabilities, before } = of;
  const nameless = targetOf(match, capabilities, of.mayMakeTable);
  const draft: NormalizeSpec = {
    stream: info.name, target: nameless, columns: entry.columns, others: entry.others, naming: entry.naming,
    contract: { columns: entry.contract.columns, types: entry.contract.types }, checks: entry.checks, badRows: entry.errors.badRows, badText: entry.badText,
    maxNameBytes: capabilities.names.maxBytes, caseSensitiveNames: capabilities.names.caseSensitive, ...known(match, selection, before),
  };
  const { kept, conflicts } = judged(draft, source);
  const { schema, renames, problems } = targetSchema(draft, kept);
  refuseProblems(match, [...problems, ...maskingProblems(draft, selection)]);
  const cursor = entry.cursor?.column;
  const dated = entry.write === 'scd2' && source.fields.some((field) => field.name === cursor && field.type.kind.startsWith('timestamp'));
  const validFrom = dated && cursor !== undefined ? renames[cursor] : undefined;
  const target: Target = { ...nameless, key: selection.key.flatMap((column) => renames[column] ?? []), ...(validFrom === undefined ? {} : { validFrom }) };
  const columns = { ...before?.columns, ...Object.fromEntries(kept.fields.filter((field) => isKept(draft, field.name)).map((field) => [field.name, field.type])) };
  const names = Object.fromEntries(Object.entries(renames).filter(([source, name]) => source !== name));
  return { target, schema, columns, names, conflicts, spec: { ...draft, target } };
}

/** A table that is replaced as a whole may take another shape, unless its contract is frozen. */
function known({ info, entry }: MatchedStream, selection: Selection, before: Shape | undefined): Pick<NormalizeSpec, 'knownColumns' | 'knownTypes' | 'knownNames'> {
  const replaced = selection.fullRefresh || entry.write === 'replace';
  if (!before) return {};
  return {
    ...(replaced && entry.contract.columns === 'evolve' ? {} : { knownColumns: Object.keys(before.columns) }),
    ...(replaced && entry.contract.types === 'widen' ? {} : { knownTypes: before.columns }),
    ...(selection.fullRefresh ? {} : { knownNames: heldNames(before, replaced ? new Set(info.schema.fields.map(({ name }) => name)) : undefined) }),
  };
}

/** A table that is made anew has nothing of the columns that are gone. */
function heldNames({ columns, names }: Shape, present: ReadonlySet<string> | undefined): Readonly<Record<string, string>> {
  const own = Object.keys(columns).map((source) => [source, source]);
  return Object.fromEntries([...own, ...Object.entries(names)].filter(([source = ""]) => present?.has(source) ?? true));
}

function judged(spec: NormalizeSpec, source: Schema): { kept: Schema; conflicts: readonly string[] } {
  try {
    return { kept: underContract(spec, source, heldAtFirst(spec)).kept, conflicts: [] };
  } catch (error) {
    if (error instanceof EtlError && error.kind === 'schema') return { kept: source, conflicts: [error.message] };
    throw error;
  }
}

/** What `fingerprintOf` stored with the stream's last published load. */
function shapeAtLastLoad(state: JobState | undefined, stream: string): Shape | undefined {
  const stored = state?.streams[stream]?.fingerprint;
  return stored === undefined ? undefined : (JSON.parse(stored) as Readonly<Record<string, Shape>>)[stream];
}

function refuseProblems({ entry }: MatchedStream, problems: readonly Problem[]): void {
  const first = problems.find((problem) => problem.level === 'error');
  if (!first) return;
  throw new EtlError({
    kind: 'config', code: first.code, message: first.message, configPath: `streams.${entry.pattern}${first.column === undefined ? '' : `.columns.${first.column}`}`,
    ...(first.hint === undefined ? {} : { hint: first.hint }), ...(entry.location ? { location: entry.location } : {}),
  });
}

/** What is before the last part of a stream's name, and that part: it may hold dots where it stands in quotes. */
const NAME = /^(?:(.*)\.)?("(?:[^"]|"")+"|[^."]*)$/s;

function unquoted(part: string): string {
  return /^"(?:[^"]|"")+"$/s.test(part) ? part.slice(1, -1).replaceAll('""', '"') : part;
}

function targetOf({ info, entry }: MatchedStream, capabilities: Capabilities, mayMakeTable: boolean): Target {
  const [, before = '', last = info.name] = NAME.exec(info.name) ?? [];
  const parts = { schema: unquoted(before), stream: unquoted(last) };
  const fill = (text: string) => text.replaceAll('{schema}', parts.schema).replaceAll('{stream}', parts.stream);
  const wanted = fill(entry.target.table ?? '{stream}');
  const { targets } = targetNames([wanted], { naming: entry.target.table === undefined ? entry.naming : 'as_is', maxNameBytes: capabilities.names.maxBytes, caseSensitiveNames: true, held: new Map(), renames: new Map() });
  return {
    stream: info.name, ...(entry.target.schema === undefined ? {} : { schema: fill(entry.target.schema) }), table: targets.get(wanted) ?? wanted,
    write: entry.write, key: [], deletes: entry.deletes, unavailable: entry.unavailable,
    addedColumns: entry.addedColumns, shared: entry.shared, options: entry.target.options,
    evolve: { tables: entry.contract.tables === 'evolve' || mayMakeTable, columns: entry.contract.columns === 'evolve', types: entry.contract.types === 'widen' },
  };
}

/** Kinds whose vectors can't hold every value that the source's own text holds. */
const INEXACT: ReadonlySet<string> = new Set(['decimal', 'list', 'struct']);

/** The source's own text goes where the other end reads it back exactly, and nothing in between needs the value (types.md, principle 2). */
function sendsText(field: Field, rule: ColumnRule | undefined, capabilities: Capabilities): boolean {
  const origin = field.origin?.split(':', 1)[0];
  if (origin === undefined || !capabilities.origins.includes(origin) || !INEXACT.has(field.type.kind)) return false;
  return !rule || (!rule.cast && !rule.hash && !rule.mask && rule.redact === undefined && rule.truncate === undefined);
}

function asRead(field: Field, asText: readonly string[]): Field {
  if (!asText.includes(field.name) || field.origin === undefined) return field;
  return { ...field, type: field.type.kind === 'decimal' ? { kind: 'number' } : { kind: 'text', origin: field.origin } };
}

function isDropped(name: string, rules: Readonly<Record<string, ColumnRule>>, others: 'keep' | 'drop'): boolean {
  const rule = rules[name];
  return rule ? rule.drop === true : others === 'drop';
}

/** A rule without its key's material. */
function publicRule(rule: ColumnRule): Json {
  const { hash, ...rest } = rule;
  return { ...(rest as unknown as { [key: string]: Json }), ...(hash ? { hash: { method: hash.method, key: hash.key.id, domain: hash.domain ?? null, normalizer: hash.normalizer ?? null } } : {}) };
}

/** Short hash of plain data, whatever the order of its fields. */
export function digest(value: Json): string {
  return createHash('sha256').update(stable(value)).digest('hex').slice(0, 32);
}

function stable(value: Json): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(stable).join(',')}]`;
  const entries = Object.entries(value as { readonly [key: string]: Json }).filter(([, inner]) => inner !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, inner]) => `${JSON.stringify(name)}:${stable(inner)}`).join(',')}}`;
}

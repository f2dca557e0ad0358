import type { Field, LogicalType, Schema } from '../batch/index.ts';
import type { Selection } from '../sdk/contract.ts';
import { targetNames } from './names.ts';
import type { ColumnRule, HashRule, NormalizeSpec } from './spec.ts';

export interface Problem {
  readonly level: 'error' | 'warning';
  readonly code: string;
  readonly column?: string;
  readonly message: string;
  readonly hint?: string;
}

export interface TargetSchema {
  readonly schema: Schema;
  /** Target name by source name, of every column that is kept, and of those that were there before. */
  readonly renames: Readonly<Record<string, string>>;
  /** Source names of the columns that do not leave. */
  readonly dropped: readonly string[];
  readonly problems: readonly Problem[];
}

const TEXT: LogicalType = { kind: 'text' };

/** The target schema that a source schema becomes. */
export function targetSchema(spec: NormalizeSpec, source: Schema): TargetSchema {
  const kept = source.fields.filter((field) => isKept(spec, field.name));
  const dropped = source.fields.filter((field) => !isKept(spec, field.name)).map((field) => field.name);
  const { targets, clashes } = targetNames(kept.map((field) => field.name), {
    naming: spec.naming, maxNameBytes: spec.maxNameBytes, caseSensitiveNames: spec.caseSensitiveNames,
    held: new Map(Object.entries(spec.knownNames ?? {})),
    renames: new Map(Object.entries(spec.columns).flatMap(([name, { rename }]) => (rename === undefined ? [] : [[name, rename] as const]))),
  });
  const renames = Object.fromEntries(targets);
  const fields = kept.map((field) => targetField(spec, field, targets.get(field.name) ?? field.name));
  const key = source.key.length > 0 ? source.key.flatMap((name) => targets.get(name) ?? []) : spec.target.key;
  return {
    schema: { fields, key }, renames, dropped,
    problems: [...clashProblems(spec, clashes), ...keyProblems(spec, source), ...kept.flatMap((field) => ruleProblems(spec, field)), ...ownNameProblems(spec, fields), ...unknownProblems(spec, source), ...checkProblems(spec, kept)],
  };
}

export function ruleOf(spec: NormalizeSpec, column: string): ColumnRule | undefined {
  return Object.hasOwn(spec.columns, column) ? spec.columns[column] : undefined;
}

export function isKept(spec: NormalizeSpec, column: string): boolean {
  const rule = ruleOf(spec, column);
  return rule ? rule.drop !== true : spec.others === 'keep';
}

/** Whether the rule keeps the value itself from leaving. */
export function isMasked(rule: ColumnRule | undefined): boolean {
  return rule !== undefined && (rule.hash !== undefined || rule.mask !== undefined || rule.redact !== undefined || rule.truncate !== undefined);
}

/** Source names of the columns whose values must not leave as they are, nor lie in a position, an error or a log. */
export function maskedColumns(spec: Pick<NormalizeSpec, 'columns'>): readonly string[] {
  return Object.entries(spec.columns).filter(([, rule]) => isMasked(rule) || rule.drop === true).map(([name]) => name);
}

/** The domain of a hashed column: by default its own, so that two columns can't be linked. */
export function domainOf(rule: HashRule, stream: string, column: string): string {
  return rule.domain ?? `${stream}.${column}`;
}

function targetField(spec: NormalizeSpec, field: Field, name: string): Field {
  const rule = ruleOf(spec, field.name);
  if (!rule?.cast && !isMasked(rule)) return name === field.name ? field : { ...field, name };
  const { origin: _, labels: __, ...rest } = field;
  const type = isMasked(rule) ? TEXT : rule?.cast ?? field.type;
  if (!rule?.hash) return { ...rest, name, type };
  return { ...rest, name, type: { kind: 'text', maxLength: 64 }, hash: { keyId: rule.hash.key.id, domain: domainOf(rule.hash, spec.stream, field.name) } };
}

function problem(spec: NormalizeSpec, column: string, what: string, hint?: string): Problem {
  return { level: 'error', code: 'ETL-NRM-003', column, message: `${spec.stream}, column ${column}: ${what}`, ...(hint !== undefined && { hint }) };
}

function clashProblems(spec: NormalizeSpec, clashes: readonly (readonly string[])[]): Problem[] {
  return clashes.map(([first = '', ...others]) => {
    const renamed = others.filter((name) => ruleOf(spec, name)?.rename !== undefined);
    if (renamed.length > 0) return problem(spec, first, `the columns ${[first, ...renamed].join(', ')} are renamed to one name.`, 'Give each a name of its own.');
    return problem(spec, first, `it is renamed to ${ruleOf(spec, first)?.rename ?? first}, which is the name of the column ${others.join(', ')} already.`, `Choose another name, or drop or rename ${others.join(', ')} too.`);
  });
}

function keyProblems(spec: NormalizeSpec, source: Schema): Problem[] {
  return source.key.flatMap((name) => {
    if (!isKept(spec, name)) return [problem(spec, name, 'a column of the key is dropped.', 'Keep it, or hash it.')];
    const rule = ruleOf(spec, name);
    if (!isMasked(rule) || rule?.hash) return [];
    return [{ ...problem(spec, name, 'a column of the key is masked, redacted or cut, so that rows can no longer be told apart.', 'Hash it instead.'), code: 'ETL-NRM-020' }];
  });
}

function ruleProblems(spec: NormalizeSpec, field: Field): Problem[] {
  const rule = ruleOf(spec, field.name);
  const changes = [rule?.hash, rule?.mask, rule?.redact, rule?.truncate].filter((change) => change !== undefined);
  const problems: Problem[] = [];
  if (changes.length > 1) problems.push(problem(spec, field.name, 'only one of hash, mask, redact and truncate can apply.'));
  const cast = rule?.cast?.kind;
  if ((cast === 'list' || cast === 'struct') && field.type.kind !== cast) problems.push(problem(spec, field.name, `nothing is cast to a ${cast}.`));
  if (rule?.hash && (field.type.kind === 'bool' || field.type.kind === 'date' || field.type.kind === 'int8' || field.type.kind === 'uint8')) {
    problems.push({ ...problem(spec, field.name, `few values are possible for a ${field.type.kind}: whoever holds the key can list all hashes.`, 'Drop or redact the column.'), level: 'warning' });
  }
  return problems;
}

function ownNameProblems(spec: NormalizeSpec, fields: readonly Field[]): Problem[] {
  const own = new Set<string>(spec.target.addedColumns);
  return fields.filter((field) => own.has(field.name)).map((field) => problem(spec, field.name, 'the job adds a column of this name.', 'Rename the column, or do not add ours.'));
}

/** A rule for a column that is not there protects nothing: most likely a typing error. */
function unknownProblems(spec: NormalizeSpec, source: Schema): Problem[] {
  const names = new Set(source.fields.map((field) => field.name));
  return Object.keys(spec.columns).filter((name) => !names.has(name) && spec.columns[name]?.drop !== true)
    .map((name) => ({ ...problem(spec, name, 'there is a rule, but the source has no such column.'), level: 'warning' as const }));
}

/** A check that nothing would ever be held against must not look as if it held. */
function checkProblems(spec: NormalizeSpec, kept: readonly Field[]): Problem[] {
  const names = new Set(kept.map((field) => field.name));
  return spec.checks.filter((check) => !names.has(check.column)).map((check) => problem(spec, check.column, `the check ${check.check} is about a column that is not read.`));
}

/** What speaks against masking a key or a cursor: the cursor's value lies in the state. */
export function maskingProblems(spec: NormalizeSpec, selection: Pick<Selection, 'key' | 'cursor'>): readonly Problem[] {
  const problems: Problem[] = [];
  const cursor = selection.cursor?.column;
  if (cursor !== undefined && isMasked(ruleOf(spec, cursor))) {
    problems.push({
      level: 'error', code: 'ETL-NRM-020', column: cursor, message: `${spec.stream}: the cursor ${cursor} is masked, but its values lie in the state.`,
      hint: 'Take another cursor, or leave this column unmasked.',
    });
  }
  for (const name of selection.key) {
    const rule = ruleOf(spec, name);
    if (rule?.hash) {
      problems.push({ level: 'warning', code: 'ETL-NRM-020', column: name, message: `${spec.stream}: the key ${name} is hashed. A source that pages by key refuses to keep its place in the state, and begins the split again after a stop.` });
    } else if (isMasked(rule)) problems.push(...keyProblems(spec, { fields: [], key: [name] }));
  }
  return problems;
}

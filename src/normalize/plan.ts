import type { Field, LogicalType, Schema } from '../batch/index.ts';
import { EtlError } from '../errors/error.ts';
import { compileColumn, type ColumnPlan } from './column.ts';
import { typeTag } from './hash.ts';
import type { NormalizeSpec } from './spec.ts';
import { isKept, ruleOf, targetSchema } from './target-schema.ts';
import { isWidening, sameType, typeName } from './widening.ts';

/** What becomes of a stream's batches of one source schema. */
export interface StreamPlan {
  readonly source: Schema;
  readonly schema: Schema;
  readonly columns: readonly ColumnPlan[];
  /** Indices in `columns` of the key, in the key's order. */
  readonly key: readonly number[];
  /** Source columns whose present values reject the row (`discard_row`). */
  readonly discarded: readonly { readonly index: number; readonly name: string }[];
}

/** What the contract holds a stream to, from the first schema seen on. */
export interface Held {
  readonly known: Set<string>;
  readonly types: Map<string, LogicalType>;
  /** Target names by source name. */
  readonly names: Map<string, string>;
}

/** What the job's spec holds it to before any schema was seen. */
export function heldAtFirst(spec: NormalizeSpec): Held {
  return { known: new Set(spec.knownColumns), types: new Map(Object.entries(spec.knownTypes ?? {})), names: new Map(Object.entries(spec.knownNames ?? {})) };
}

/** The columns that the contract lets through, each with the type that it is held to. Throws `schema` for what it refuses. */
export function underContract(spec: NormalizeSpec, source: Schema, held: Held): { kept: Schema; discarded: StreamPlan['discarded'] } {
  const discarded: { index: number; name: string }[] = [];
  const left = source.fields.filter((field, index) => {
    const verdict = isKept(spec, field.name) ? judge(spec, field, held) : 'keep';
    if (verdict === 'discard_row') discarded.push({ index, name: field.name });
    return verdict === 'keep';
  });
  refuseNothing(spec, left);
  return { discarded, kept: { key: source.key, fields: left.map((field) => ({ ...field, type: heldType(spec, field, held) })) } };
}

/** Rows of no column say nothing, and few places hold them. */
function refuseNothing(spec: NormalizeSpec, left: readonly Field[]): void {
  if (left.some((field) => isKept(spec, field.name))) return;
  throw new EtlError({
    kind: 'schema', code: 'ETL-NRM-005', message: `${spec.stream}: it has no column, or none that the job keeps, so there is nothing to deliver.`,
    hint: `Leave the stream out (\`${spec.stream}: skip\`), give its table a column, or keep one under columns.`,
  });
}

export function compilePlan(spec: NormalizeSpec, source: Schema, held: Held, countBad: (values: number) => void): StreamPlan {
  const { kept, discarded } = underContract(spec, source, held);
  const target = targetSchema({ ...spec, knownNames: Object.fromEntries(held.names) }, kept);
  const error = target.problems.find((problem) => problem.level === 'error');
  if (error) throw new EtlError({ kind: 'config', code: error.code, message: error.message, ...(error.hint !== undefined && { hint: error.hint }) });
  for (const field of kept.fields) hold(field, held);
  for (const [source, name] of Object.entries(target.renames)) held.names.set(source, name);
  const byName = new Map(source.fields.map((field, index) => [field.name, { field, index }]));
  const columns = kept.fields.filter((field) => isKept(spec, field.name)).map((field, i): ColumnPlan => {
    const { field: given, index } = byName.get(field.name) ?? { field, index: i };
    return compileColumn({ spec, source: given, target: target.schema.fields[i] ?? field, index, held: field.type }, countBad);
  });
  const key = source.key.map((name) => columns.findIndex((column) => column.source.name === name));
  return { source, schema: target.schema, columns, key, discarded };
}

function hold(field: Field, held: Held): void {
  held.known.add(field.name);
  held.types.set(field.name, field.type);
}

/** What the contract says to a column that is new or has another type. */
function judge(spec: NormalizeSpec, field: Field, held: Held): 'keep' | 'discard_row' | 'discard_value' {
  if (!held.known.has(field.name) && ruleOf(spec, field.name) === undefined && held.known.size > 0) return judgeNew(spec, field);
  const before = held.types.get(field.name);
  if (!before || sameType(before, field.type) || ruleOf(spec, field.name)?.cast) return 'keep';
  return judgeType(spec, field, before);
}

function judgeNew(spec: NormalizeSpec, field: Field): 'keep' | 'discard_row' | 'discard_value' {
  const { columns } = spec.contract;
  if (columns !== 'freeze') return columns === 'evolve' ? 'keep' : columns;
  throw new EtlError({
    kind: 'schema', code: 'ETL-NRM-001', message: `${spec.stream}: the column ${field.name} is new, and the contract is frozen.`,
    hint: `Give ${field.name} a rule under columns (drop, or what it shall become), or set schema.columns to evolve.`,
  });
}

function judgeType(spec: NormalizeSpec, field: Field, before: LogicalType): 'keep' {
  // A narrower type's values all fit the one that is held; under `discard_row` what does not fit is found value by value.
  const fits = isWidening(field.type, before) || (spec.contract.types === 'widen' && isWidening(before, field.type));
  const rehashed = ruleOf(spec, field.name)?.hash !== undefined && typeTag(before) !== typeTag(field.type);
  if (spec.contract.types === 'discard_row' || (fits && !rehashed)) return 'keep';
  throw new EtlError({
    kind: 'schema', code: 'ETL-NRM-002',
    message: `${spec.stream}: the column ${field.name} was ${typeName(before)} and is ${typeName(field.type)} now${rehashed ? ', which would change its hashes' : ''}.`,
    hint: spec.contract.types === 'freeze' ? 'The contract is frozen: cast the column to its former type, or set schema.types to widen.' : 'Cast the column to its former type, or run a full refresh of the stream.',
  });
}

/** The type that the column leaves with: the wider one; under `discard_row` the one before, and what does not fit is rejected. */
function heldType(spec: NormalizeSpec, field: Field, held: Held): LogicalType {
  const before = held.types.get(field.name);
  if (!before || ruleOf(spec, field.name)?.cast) return field.type;
  if (spec.contract.types === 'discard_row') return before;
  return isWidening(field.type, before) ? before : field.type;
}

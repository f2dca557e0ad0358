import { toTextVector, valueAt, vectorOf, type Arena, type Field, type LogicalType, type Vector } from '../batch/index.ts';
import { scanColumn } from './bad-text.ts';
import { castVector, type Changed } from './cast.ts';
import { checkText, failedRows } from './checks.ts';
import { createHasher } from './hash.ts';
import type { NormalizeSpec, RowCheck } from './spec.ts';
import { domainOf, isMasked, ruleOf } from './target-schema.ts';
import { constantTexts, mapTexts, maskText, truncateText } from './texts.ts';
import { sameType, typeName } from './widening.ts';

/** Takes what went wrong in one column: the rows, and why. */
export type Report = (rows: readonly number[], code: string, reason: string) => void;

/** What becomes of one column, compiled once per schema. */
export interface ColumnPlan {
  readonly source: Field;
  readonly target: Field;
  /** Index of the column in the source's schema. */
  readonly index: number;
  readonly masked: boolean;
  /** The column as it leaves; the same vector where there is nothing to do. Counts bad texts with `badText`. */
  readonly change: (vector: Vector, arena: Arena, report: Report) => Vector;
  readonly checks: readonly RowCheck[];
}

export interface ColumnInput {
  readonly spec: NormalizeSpec;
  readonly source: Field;
  readonly target: Field;
  readonly index: number;
  /** The type that the contract holds the column to; the source's may be narrower by now. */
  readonly held: LogicalType;
}

type Step = (vector: Vector, arena: Arena, report: Report) => Vector;

/** `countBad` hears how many values hold bad text, whatever becomes of them. */
export function compileColumn(input: ColumnInput, countBad: (values: number) => void): ColumnPlan {
  const { spec, source } = input;
  const rule = ruleOf(spec, source.name);
  const checks = spec.checks.filter((check) => check.column === source.name);
  const type = rule?.cast ?? input.held;
  const steps: Step[] = [];
  if (rule?.redact === undefined && holdsText(source.type)) steps.push(scanStep(spec, source.name, countBad));
  if (!sameType(source.type, type)) steps.push(castStep(source.name, type));
  // A text may become JSON that holds an escaped NUL.
  if (type.kind === 'json' && source.type.kind !== 'json') steps.push(scanStep(spec, source.name, countBad));
  for (const check of checks) steps.push(checkStep(check));
  const last = maskStep(input, type);
  if (last) steps.push(last);
  return {
    source, target: input.target, index: input.index, masked: isMasked(rule), checks,
    change: (vector, arena, report) => steps.reduce((changed, step) => step(changed, arena, report), vector),
  };
}

function holdsText(type: LogicalType): boolean {
  if (type.kind === 'list') return holdsText(type.element);
  if (type.kind === 'struct') return type.fields.some((field) => holdsText(field.type));
  return type.kind === 'text' || type.kind === 'json' || type.kind === 'number';
}

function scanStep(spec: NormalizeSpec, column: string, countBad: (values: number) => void): Step {
  return (vector, arena, report) => {
    const scanned = scanColumn(vector, spec.badText, arena);
    if (scanned.bad.length === 0) return vector;
    countBad(scanned.bad.length);
    if (spec.badText === 'quarantine' || spec.badText === 'fail') report(scanned.bad, 'ETL-NRM-011', `Column ${column} holds a NUL or invalid UTF-8.`);
    return scanned.vector;
  };
}

function castStep(column: string, type: LogicalType): Step {
  return (vector, arena, report) => settle(castVector(vector, type, arena), report, 'ETL-NRM-010', `A value of column ${column} is not of the type ${typeName(type)}.`);
}

function checkStep(check: RowCheck): Step {
  return (vector, _arena, report) => {
    const failed = failedRows(check, vector);
    if (failed.length > 0) report(failed, 'ETL-NRM-012', `The check ${checkText(check)} does not hold.`);
    return vector;
  };
}

function settle(changed: Changed, report: Report, code: string, reason: string): Vector {
  if (changed.failed.length > 0) report(changed.failed, code, reason);
  return changed.vector;
}

function maskStep({ spec, source, target }: ColumnInput, type: LogicalType): Step | undefined {
  const rule = ruleOf(spec, source.name);
  if (rule?.hash) {
    const hash = createHasher(rule.hash, domainOf(rule.hash, spec.stream, source.name), type);
    const reason = `A value of column ${source.name} has no ${rule.hash.normalizer ?? 'normal'} form to hash.`;
    return (vector, arena, report) => settle(hash(vector, arena), report, 'ETL-NRM-013', reason);
  }
  const { mask, redact, truncate } = rule ?? {};
  if (redact !== undefined) return (vector, arena) => constantTexts(vector, redact, arena);
  const change = mask ? (text: string) => maskText(text, mask) : truncate === undefined ? undefined : (text: string) => truncateText(text, truncate);
  return change && ((vector, arena) => mapTexts(toTextVector(vector, arena), change, target.type, arena).vector);
}

/** The column with NULL in these rows. For the few rows that stay although a value of theirs could not be changed. */
export function nullRows(vector: Vector, rows: ReadonlySet<number>, arena: Arena): Vector {
  if (rows.size === 0) return vector;
  return vectorOf(vector.type, Array.from({ length: vector.length }, (_, i) => (rows.has(i) ? null : valueAt(vector, i))), arena);
}

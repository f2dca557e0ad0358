import { canonicalNumber, canonicalText, isInteger, NULL, parseDate, parseDecimal, parseInstant, parseTime, type Vector } from '../batch/index.ts';
import { presentRows } from './cast.ts';
import type { RowCheck } from './spec.ts';

/** Rows for which the check does not hold. NULL satisfies all but not_null, as in SQL; an unavailable value satisfies all. */
export function failedRows(check: RowCheck, vector: Vector): readonly number[] {
  if (check.check === 'not_null') {
    const rows: number[] = [];
    for (let i = 0; i < vector.length; i++) if (vector.validity?.[i] === NULL) rows.push(i);
    return rows;
  }
  const holds = predicate(check, vector);
  return presentRows(vector).filter((i) => !holds(canonicalText(vector, i) ?? ''));
}

function predicate(check: Exclude<RowCheck, { check: 'not_null' }>, vector: Vector): (text: string) => boolean {
  switch (check.check) {
    case 'in': {
      const values = new Set(check.values);
      return (text) => values.has(text);
    }
    case 'matches': {
      const pattern = new RegExp(check.pattern, 'u');
      return (text) => pattern.test(text);
    }
    case 'range': {
      const { min, max } = check;
      return (text) => (min === undefined || compare(vector, text, min) >= 0) && (max === undefined || compare(vector, text, max) <= 0);
    }
  }
}

/** NaN when the two can't be compared: then neither bound holds. */
function compare(vector: Vector, a: string, b: string): number {
  const [left, right] = [orderOf(vector, a), orderOf(vector, b)];
  if (left === undefined || right === undefined) return Number.NaN;
  return left < right ? -1 : left > right ? 1 : 0;
}

function orderOf(vector: Vector, text: string): bigint | number | string | undefined {
  switch (vector.type.kind) {
    case 'date': return parseDate(text);
    case 'time': return parseTime(text);
    case 'timestamp': case 'timestamptz': {
      const zoned = vector.type.kind === 'timestamptz';
      return parseInstant(text, zoned) ?? parseInstant(`${text}T00:00:00${zoned ? 'Z' : ''}`, zoned);
    }
    case 'float32': case 'float64': return canonicalNumber(text) === undefined || text === 'NaN' ? undefined : Number(text);
    case 'decimal': case 'number': return text.endsWith('Infinity') ? Number(text) : parseDecimal(text, 1000, 400);
    default: return isInteger(vector.type.kind) ? parseDecimal(text, 1000, 400) : text;
  }
}

/** The check as a person wrote it, for the reason of a rejection: without the row's value. */
export function checkText(check: RowCheck): string {
  switch (check.check) {
    case 'not_null': return `not_null(${check.column})`;
    case 'in': return `${check.column} in [${check.values.join(', ')}]`;
    case 'matches': return `${check.column} matches ${check.pattern}`;
    case 'range': return `${check.min ?? ''} <= ${check.column} <= ${check.max ?? ''}`;
  }
}

import type { RowCheck } from '../normalize/spec.ts';

export type ParsedCheck = { readonly row: RowCheck } | { readonly count: { readonly min?: number; readonly max?: number } } | { readonly problem: string };

export const CHECK_FORMS = 'not_null(id), in(country, DE, FR), matches(email, "^.+@.+$"), range(amount, 0, 100), row_count > 0';

/** Reads one entry of `checks:`. */
export function parseCheck(text: string): ParsedCheck {
  const count = /^\s*row_count\s*(>=|<=|>|<|=|==)\s*(\d+)\s*$/.exec(text);
  if (count) return { count: bounds(count[1] ?? '=', Number(count[2])) };
  const call = /^\s*(\w+)\s*\(([\s\S]*)\)\s*$/.exec(text);
  if (call === null) return { problem: `\`${text}\` is not a check` };
  const parts = splitArguments(call[2] ?? '');
  if (parts === undefined) return { problem: `\`${text}\` has a quote that is not closed` };
  return rowCheck(call[1] ?? '', parts, text);
}

function bounds(operator: string, value: number): { min?: number; max?: number } {
  switch (operator) {
    case '>': return { min: value + 1 };
    case '>=': return { min: value };
    case '<': return { max: value - 1 };
    case '<=': return { max: value };
    default: return { min: value, max: value };
  }
}

function rowCheck(name: string, parts: readonly string[], text: string): ParsedCheck {
  const [column, ...rest] = parts;
  if (column === undefined || column === '') return { problem: `\`${text}\` names no column` };
  switch (name) {
    case 'not_null': return rest.length === 0 ? { row: { check: 'not_null', column } } : { problem: '`not_null` takes one column' };
    case 'in': return rest.length > 0 ? { row: { check: 'in', column, values: rest } } : { problem: '`in` takes a column and its values' };
    case 'matches': return matches(column, rest);
    case 'range': return range(column, rest);
    default: return { problem: `there is no check \`${name}\`` };
  }
}

function matches(column: string, [pattern, ...more]: readonly string[]): ParsedCheck {
  if (pattern === undefined || more.length > 0) return { problem: '`matches` takes a column and a pattern, quoted where it holds a comma' };
  try {
    new RegExp(pattern, 'u');
  } catch (error) {
    return { problem: `not a pattern: ${error instanceof Error ? error.message : pattern}` };
  }
  return { row: { check: 'matches', column, pattern } };
}

function range(column: string, [min = '', max = '', ...more]: readonly string[]): ParsedCheck {
  if (more.length > 0 || (min === '' && max === '')) return { problem: '`range` takes a column, a least and a greatest value; one of them may be left empty' };
  return { row: { check: 'range', column, ...(min === '' ? {} : { min }), ...(max === '' ? {} : { max }) } };
}

/** Commas part, quotes hold together. */
function splitArguments(text: string): string[] | undefined {
  const parts: string[] = [];
  const token = /\s*(?:"((?:[^"\\]|\\[\s\S])*)"|'((?:[^']|'')*)'|([^,"']*))\s*(,|$)/gy;
  while (token.lastIndex <= text.length) {
    const match = token.exec(text);
    if (match === null) return undefined;
    // In double quotes only the quote and nothing else is escaped, so that a pattern stays as it is written.
    parts.push(match[1]?.replaceAll('\\"', '"') ?? match[2]?.replaceAll("''", "'") ?? (match[3] ?? '').trim());
    if (match[4] !== ',') break;
  }
  return parts;
}

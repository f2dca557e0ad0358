import type { Field, LogicalType } from '#batch';
import type { MappedType } from '../_shared/sql/dialect.ts';

export const INSTANT = 'TIMESTAMP WITH TIME ZONE';

const SIMPLE: Readonly<Record<Exclude<LogicalType['kind'], 'decimal' | 'list' | 'struct'>, string>> = {
  bool: 'BOOLEAN', int8: 'TINYINT', int16: 'SMALLINT', int32: 'INTEGER', int64: 'BIGINT', uint8: 'UTINYINT', uint16: 'USMALLINT',
  uint32: 'UINTEGER', uint64: 'UBIGINT', float32: 'FLOAT', float64: 'DOUBLE', number: 'VARCHAR', text: 'VARCHAR', bytes: 'BLOB', uuid: 'UUID',
  date: 'DATE', time: 'TIME', timestamp: 'TIMESTAMP', timestamptz: INSTANT, interval: 'INTERVAL', json: 'JSON',
};

/** DuckDB's name of the type that holds a logical one, as its own catalogue spells it. */
export function duckdbType(type: LogicalType): string {
  if (type.kind === 'decimal') return `DECIMAL(${type.precision},${type.scale})`;
  if (type.kind === 'list') return `${duckdbType(type.element)}[]`;
  if (type.kind === 'struct') return `STRUCT(${type.fields.map((field) => `${quoteName(field.name)} ${duckdbType(field.type)}`).join(', ')})`;
  return SIMPLE[type.kind];
}

/** In a stage the text of a JSON value is text: DuckDB reads it as JSON when it goes to the target, and refuses what is none. */
export function stageTypeOf(type: LogicalType): string {
  return duckdbType(withoutJson(type));
}

function withoutJson(type: LogicalType): LogicalType {
  if (type.kind === 'json') return { kind: 'text' };
  if (type.kind === 'list') return { kind: 'list', element: withoutJson(type.element) };
  return type.kind === 'struct' ? { kind: 'struct', fields: type.fields.map((field) => ({ ...field, type: withoutJson(field.type) })) } : type;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

export function mapDuckdbType(field: Field): MappedType {
  const sql = duckdbType(field.type);
  const kinds = kindsIn(field.type);
  if (kinds.has('number')) return { sql, outcome: 'mapped', note: 'text of the number: a declared decimal makes it one' };
  if (kinds.has('interval')) return { sql, outcome: 'exact' };
  if (kinds.has('timestamp') || kinds.has('timestamptz')) return { sql, outcome: 'checked', note: 'years from 290309 BC to 294247' };
  if (kinds.has('date')) return { sql, outcome: 'checked', note: 'years from 5877642 BC to 5881580' };
  if (kinds.has('text') && field.type.kind === 'text' && field.type.origin !== undefined) return { sql, outcome: 'mapped', note: `the source's text of ${field.type.origin}` };
  return { sql, outcome: 'exact' };
}

function kindsIn(type: LogicalType): Set<LogicalType['kind']> {
  const below = type.kind === 'list' ? [type.element] : type.kind === 'struct' ? type.fields.map((field) => field.type) : [];
  return new Set([type.kind, ...below.flatMap((inner) => [...kindsIn(inner)])]);
}

const ALIASES: Readonly<Record<string, string>> = {
  BOOL: 'BOOLEAN', LOGICAL: 'BOOLEAN', INT1: 'TINYINT', INT2: 'SMALLINT', SHORT: 'SMALLINT', INT4: 'INTEGER', INT: 'INTEGER', SIGNED: 'INTEGER',
  INT8: 'BIGINT', LONG: 'BIGINT', FLOAT4: 'FLOAT', REAL: 'FLOAT', FLOAT8: 'DOUBLE', TEXT: 'VARCHAR', STRING: 'VARCHAR', CHAR: 'VARCHAR', BPCHAR: 'VARCHAR',
  BYTEA: 'BLOB', BINARY: 'BLOB', VARBINARY: 'BLOB', DATETIME: 'TIMESTAMP', TIMESTAMPTZ: INSTANT, NUMERIC: 'DECIMAL(18,3)', DECIMAL: 'DECIMAL(18,3)',
};

/** One spelling of each type: aliases resolved, blanks as the catalogue sets them. */
export function canonicalType(name: string): string {
  const trimmed = name.trim();
  if (trimmed.includes('"') || /^STRUCT/i.test(trimmed)) return trimmed;
  const upper = trimmed.toUpperCase().replace(/^NUMERIC\(/, 'DECIMAL(').replace(/\s*,\s*/g, ',').replace(/^VARCHAR\(\d+\)/, 'VARCHAR');
  const list = /^(.*)(\[\d*\])$/.exec(upper);
  if (list) return `${canonicalType(list[1] ?? '')}${list[2] ?? ''}`;
  return ALIASES[upper] ?? upper;
}

const DIGITS: Readonly<Record<string, number>> = { TINYINT: 3, SMALLINT: 5, INTEGER: 10, BIGINT: 19, UTINYINT: 3, USMALLINT: 5, UINTEGER: 10, UBIGINT: 20, HUGEINT: 38 };
const SIGNED = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT'];
const UNSIGNED = ['UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT'];

/** Is every value of `from` a value of `to`, and its text the same or wider (rule 30). */
export function widensType(from: string, to: string): boolean {
  const [a, b] = [canonicalType(from), canonicalType(to)];
  if (a === b) return true;
  if (b === 'VARCHAR') return true;
  if (a === 'FLOAT' && b === 'DOUBLE') return true;
  if (a === 'DATE' && b === 'TIMESTAMP') return true;
  return widensNumber(a, b);
}

function widensNumber(a: string, b: string): boolean {
  const [signed, unsigned] = [SIGNED.indexOf(a), UNSIGNED.indexOf(a)];
  if (signed >= 0 && SIGNED.indexOf(b) > signed) return true;
  if (unsigned >= 0 && (UNSIGNED.indexOf(b) > unsigned || SIGNED.indexOf(b) > unsigned)) return true;
  const target = decimalOf(b);
  if (!target) return false;
  const source = decimalOf(a) ?? (DIGITS[a] === undefined ? undefined : { precision: DIGITS[a], scale: 0 });
  return source !== undefined && target.scale >= source.scale && target.precision - target.scale >= source.precision - source.scale;
}

function decimalOf(type: string): { precision: number; scale: number } | undefined {
  const match = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  return match ? { precision: Number(match[1]), scale: Number(match[2]) } : undefined;
}

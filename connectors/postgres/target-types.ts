import type { Field, LogicalType } from '#batch';
import type { MappedType } from '../_shared/sql/dialect.ts';
import { quoteText } from './quoting.ts';

/** How Postgres holds logical types, and which of its own types a source may bring back under its origin. */

const ALIASES: Readonly<Record<string, string>> = {
  int2: 'smallint', int4: 'integer', int8: 'bigint', int: 'integer', float4: 'real', float8: 'double precision', bool: 'boolean', varchar: 'character varying', bpchar: 'character',
  char: 'character', timestamptz: 'timestamp with time zone', timestamp: 'timestamp without time zone', time: 'time without time zone', timetz: 'time with time zone', decimal: 'numeric', varbit: 'bit varying',
};

/** One spelling a type: `int4` and `integer`, `numeric(18, 2)` and `numeric(18,2)`. */
export function canonicalName(type: string): string {
  const [, name = type, modifier = '', zone = '', arrays = ''] = SPELLING.exec(type.trim()) ?? [];
  return `${ALIASES[`${name}${zone}`] ?? `${name}${zone}`}${modifier.replaceAll(' ', '')}${arrays}`;
}
const SPELLING = /^(.*?)\s*(\([^)]*\))?( with(?:out)? time zone)?((?:\[\])*)$/;

const PLAIN: Partial<Record<LogicalType['kind'], string>> = {
  bool: 'boolean', int8: 'smallint', int16: 'smallint', int32: 'integer', int64: 'bigint', uint8: 'smallint', uint16: 'integer', uint32: 'bigint', uint64: 'numeric(20,0)', float32: 'real',
  float64: 'double precision', number: 'numeric', text: 'text', bytes: 'bytea', uuid: 'uuid', date: 'date', time: 'time without time zone', timestamp: 'timestamp without time zone',
  timestamptz: 'timestamp with time zone', interval: 'interval', json: 'json', struct: 'json',
};

export function plainType(type: LogicalType): string {
  if (type.kind === 'decimal') return `numeric(${type.precision},${type.scale})`;
  if (type.kind === 'list') return isFlat(type) ? `${plainType(type.element)}[]` : 'json';
  return PLAIN[type.kind] ?? 'text';
}

/** A list that a Postgres array holds: of single values. */
export function isFlat(type: LogicalType): boolean {
  return type.kind === 'list' && type.element.kind !== 'list' && type.element.kind !== 'struct';
}

/** What is known of the database that is written to: which of a source's own types are here too. */
export interface TypesHere {
  /** The type is here; an enumeration with all these labels. */
  has(name: string, labels: readonly string[] | undefined): boolean;
}

/** The Postgres type that the values of a column are of at their source: `numeric(12,2)`, `public.mood[]`. */
export function originName(field: Field): string | undefined {
  const origin = (field.type.kind === 'text' ? field.type.origin : undefined) ?? field.origin;
  return origin?.startsWith('pg:') && !field.hash ? origin.slice(3) : undefined;
}

/** Without modifiers. */
const bare = (type: string): string => canonicalName(type).replace(/\([^)]*\)/, '').replace(/^interval [a-z ]*/, 'interval');

/** Kinds whose vector may be of several Postgres types, and which. */
const REFINED: Readonly<Record<string, readonly string[]>> = { json: ['jsonb', 'json'], text: ['character varying', 'character', 'name', 'text'], decimal: ['numeric'] };

/** Is the column's vector one of this type's values: else a cast or the schema's contract has made something else of it. */
function isOf(field: Field, name: string): boolean {
  const { type } = field;
  if (type.kind === 'text' && (type.origin !== undefined || field.labels !== undefined)) return true;
  if (type.kind === 'text' && type.maxLength !== modifiers(name)[0]) return false;
  return REFINED[type.kind]?.includes(bare(name)) ?? bare(plainType(type)) === bare(name);
}

/** The source's own type where this database has it, else the plain one. */
export function mapField(field: Field, here: TypesHere): MappedType {
  const origin = originName(field);
  const sql = plainType(field.type);
  if (origin !== undefined && isOf(field, origin)) return mapOrigin(field, origin, here) ?? { sql, outcome: 'exact' };
  if (sql === 'json' && field.type.kind !== 'json') return { sql, outcome: 'mapped', note: 'as JSON' };
  return { sql, outcome: origin === undefined && CALENDAR.has(field.type.kind) ? 'checked' : 'exact' };
}

/** Types of which Postgres holds fewer years than the vectors. */
const CALENDAR: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz']);

/** Types whose values are names of the source's own objects: they may name nothing here, or something else. */
const NAMES_AT_SOURCE = /^reg[a-z]+(\[\])?$/;

function mapOrigin(field: Field, origin: string, here: TypesHere): MappedType | undefined {
  if (NAMES_AT_SOURCE.test(origin)) return { sql: 'text', outcome: 'mapped', note: 'names of objects at the source, as text' };
  if (here.has(origin, field.labels)) return { sql: origin, outcome: 'exact' };
  if (field.type.kind !== 'text') return undefined;
  return { sql: 'text', outcome: 'mapped', note: `${origin} is not here${field.labels ? ' with all its values' : ''}: its text is kept` };
}

/** Types whose binary form the writer makes from the column's vector. */
const WRITTEN = new Set([
  'boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'text', 'character varying', 'character', 'name', 'bytea', 'uuid', 'date', 'time without time zone',
  'timestamp without time zone', 'timestamp with time zone', 'interval', 'json', 'jsonb', 'numeric',
]);

/** In a stage a column is of the type that the field maps to, if the writer makes that; else its text lies there until the INSERT casts it. */
export function stageTypeOf(field: Field, mapped: string): string {
  const base = bare(mapped);
  if (field.type.kind === 'text') return isTextual(base) || isEnum(field) ? mapped : 'text';
  if (field.type.kind === 'list' && isFlat(field.type)) return mapped;
  return WRITTEN.has(base) ? mapped : 'text';
}

const isTextual = (base: string): boolean => ['text', 'character varying', 'character', 'name'].includes(base);

/** One value of an enumeration: its binary form is its label. */
const isEnum = (field: Field): boolean => field.labels !== undefined && field.type.kind === 'text' && field.type.origin === undefined;

const WIDER: Readonly<Record<string, readonly string[]>> = {
  smallint: ['integer', 'bigint', 'numeric'], integer: ['bigint', 'numeric'], bigint: ['numeric'], real: ['double precision'], date: ['timestamp without time zone'],
  'character varying': ['text'], character: ['text'], name: ['text'],
};
const DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };

const modifiers = (type: string): readonly number[] => (/\(([-\d,\s]+)\)/.exec(type)?.[1] ?? '').split(',').filter((part) => part.trim() !== '').map(Number);

/** Is every value of `from` one of `to` (rule 30)? */
export function widensName(from: string, to: string): boolean {
  const [left, right] = [bare(from), bare(to)];
  if (left === 'interval' && /^interval [a-z]/.test(to)) return from === to; // `interval year` drops days
  if (left === right) return widensModifier(left.replace('[]', ''), modifiers(from), modifiers(to));
  // the text of a type that only its own database knows is what there is to keep
  if (to === 'text' && !WRITTEN.has(left)) return true;
  if (!(WIDER[left] ?? []).includes(right)) return false;
  if (right !== 'numeric') return true;
  const [precision, scale = 0] = modifiers(to);
  return precision === undefined || precision - scale >= (DIGITS[left] ?? 0);
}

function widensModifier(name: string, from: readonly number[], to: readonly number[]): boolean {
  if (to.length === 0) return true;
  if (from.length === 0) return false;
  if (name === 'numeric') {
    const [p = 0, s = 0] = from;
    const [q = 0, t = 0] = to;
    return t >= s && q - t >= p - s;
  }
  return name === 'character' ? from[0] === to[0] : (to[0] ?? 0) >= (from[0] ?? 0);
}

const RANGES: Readonly<Record<string, readonly [string, string]>> = {
  smallint: ['-32768', '32767'], integer: ['-2147483648', '2147483647'], bigint: ['-9223372036854775808', '9223372036854775807'],
};

/** When a stage's value does not fit the target's type. */
export function narrower(expression: string, from: string, to: string): string | undefined {
  const [left, right] = [bare(from), bare(to)];
  if (right === 'character varying' || right === 'character') return longer(expression, left === right ? from : undefined, to);
  const isNumber = left === 'numeric' || left in RANGES;
  if (!isNumber || widensName(from, to)) return undefined;
  const value = `${expression}::numeric`;
  const range = RANGES[right];
  if (range) return `${value} not between ${range[0]} and ${range[1]} or ${value} <> trunc(${value})`;
  const [precision, scale = 0] = right === 'numeric' ? modifiers(to) : [];
  return precision === undefined ? undefined : `abs(round(${value}, ${scale})) >= 10::numeric ^ ${precision - scale} or ${value} <> round(${value}, ${scale})`;
}

/** Trailing blanks do not count, as in an assignment. `from`: the same type with its own length. */
function longer(expression: string, from: string | undefined, to: string): string | undefined {
  const [length] = modifiers(to);
  const [known] = from === undefined ? [] : modifiers(from);
  if (length === undefined || (known !== undefined && known <= length)) return undefined;
  return `char_length(rtrim(${expression}::text, ' ')) > ${length}`;
}

/** When a stage's text is no value of a type that the database's users have made. */
export function invalidInput(expression: string, from: string, to: string): string | undefined {
  return from === 'text' && to.includes('.') ? `not pg_catalog.pg_input_is_valid(${expression}, ${quoteText(to)})` : undefined;
}

import type { Field, LogicalType } from '#batch';
import type { MappedType } from '../_shared/sql/dialect.ts';
import { quoteName } from './quoting.ts';

/** How Postgres holds logical types, and which of its own types a source may bring back under its origin. */

const ALIASES: Readonly<Record<string, string>> = {
  int2: 'smallint', int4: 'integer', int8: 'bigint', int: 'integer', float4: 'real', float8: 'double precision', bool: 'boolean', varchar: 'character varying', bpchar: 'character',
  char: 'character', timestamptz: 'timestamp with time zone', timestamp: 'timestamp without time zone', time: 'time without time zone', timetz: 'time with time zone', decimal: 'numeric', varbit: 'bit varying',
};

/** One spelling a type: `int4` and `integer`, `numeric(18, 2)` and `numeric(18,2)`. */
export function canonicalName(type: string): string {
  const [, name = type, modifier = '', zone = '', arrays = ''] = SPELLING.exec(type.trim()) ?? [];
  const bare = name === '"char"' ? name : name.replaceAll('"', '');
  return `${ALIASES[`${bare}${zone}`] ?? `${bare}${zone}`}${modifier.replaceAll(' ', '')}${arrays}`;
}
const SPELLING = /^(?:pg_catalog\.)?(.*?)\s*(\([^)]*\))?( with(?:out)? time zone)?((?:\[\])*)$/;

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

/** The Postgres type that the text of a column, or the column itself, is of at its source. */
export function originName(field: Field): string | undefined {
  const origin = (field.type.kind === 'text' ? field.type.origin : undefined) ?? field.origin;
  if (origin === undefined || !origin.startsWith('pg:') || field.hash) return undefined;
  const parts = origin.slice(3).split('.');
  return parts.length === 1 ? quoteName('pg_catalog', parts[0] ?? '') : quoteName(parts[0] ?? '', parts.slice(1).join('.'));
}

/** Kinds whose vector may be of several Postgres types, and which. */
const REFINED: Readonly<Record<string, readonly string[]>> = {
  json: ['jsonb', 'json'], text: ['varchar', 'bpchar', 'name', 'text'], number: ['numeric'],
};

function modifierOf(field: Field): string {
  return /\(\d[^)]*\)/.exec(field.sourceType ?? '')?.[0] ?? '';
}

/** `spelled`: how this server writes the type that the origin names; undefined where it has no such type. */
export function mapField(field: Field, spelled: string | undefined): MappedType {
  const origin = originName(field);
  if (origin !== undefined && field.type.kind === 'text' && field.type.origin !== undefined) return mapOrigin(field, origin, spelled);
  const refined = origin === undefined ? undefined : refinedType(field, origin, spelled !== undefined);
  if (refined !== undefined) return { sql: refined, outcome: 'exact' };
  const sql = plainType(field.type);
  if (sql === 'json' && field.type.kind !== 'json') return { sql, outcome: 'mapped', note: 'as JSON' };
  return { sql, outcome: origin === undefined && CALENDAR.has(field.type.kind) ? 'checked' : 'exact' };
}

/** Types of which Postgres holds fewer years than the vectors. */
const CALENDAR: ReadonlySet<string> = new Set(['date', 'timestamp', 'timestamptz']);

/** Types whose values are names of the source's own objects: they may name nothing here, or something else. */
const NAMES_AT_SOURCE = /^"pg_catalog"\."reg[a-z]+"$/;

/** The source's own text: exact where its type exists. */
function mapOrigin(field: Field, origin: string, spelled: string | undefined): MappedType {
  if (NAMES_AT_SOURCE.test(origin)) return { sql: 'text', outcome: 'mapped', note: 'names of objects at the source, as text' };
  if (spelled === undefined) return { sql: 'text', outcome: 'mapped', note: `${origin} does not exist here: its text is kept` };
  const modifier = /^"pg_catalog"\."(bit|varbit|timetz|interval)"$/.test(origin) ? modifierOf(field) : '';
  return { sql: spelled.replace(/(?= with time zone$)|$/, modifier), outcome: 'exact' };
}

function refinedType(field: Field, origin: string, known: boolean): string | undefined {
  const name = origin.startsWith('"pg_catalog".') ? origin.slice('"pg_catalog".'.length).replaceAll('"', '') : undefined;
  if (name === undefined) return undefined;
  if (!known || !(REFINED[field.type.kind] ?? []).includes(name)) return undefined;
  if (field.type.kind === 'text' && (name === 'varchar' || name === 'bpchar')) {
    if (field.type.maxLength !== undefined) return `${name === 'varchar' ? 'character varying' : 'character'}(${field.type.maxLength})`;
    return name === 'varchar' ? 'character varying' : 'text';
  }
  return canonicalName(name);
}

/** Types whose binary form the writer makes from the column's vector. */
const WRITTEN = new Set([
  'boolean', 'smallint', 'integer', 'bigint', 'real', 'double precision', 'text', 'character varying', 'character', 'name', 'bytea', 'uuid', 'date', 'time without time zone',
  'timestamp without time zone', 'timestamp with time zone', 'interval', 'json', 'jsonb', 'numeric',
]);

/** In a stage a column is of the target's type if the writer makes that; else its text lies there until the INSERT casts it. */
export function stageTypeOf(field: Field, target: string): string {
  const base = canonicalName(target).replace(/\(.*\)/, '');
  if (field.type.kind === 'text') return ['text', 'character varying', 'character', 'name'].includes(base) ? target : 'text';
  if (field.type.kind === 'json') return base === 'jsonb' || base === 'json' ? base : 'text';
  if (field.type.kind === 'list' && isFlat(field.type)) return plainType(field.type);
  return WRITTEN.has(base) ? plainType(field.type) : 'text';
}

const WIDER: Readonly<Record<string, readonly string[]>> = {
  smallint: ['integer', 'bigint', 'numeric'], integer: ['bigint', 'numeric'], bigint: ['numeric'], real: ['double precision'], date: ['timestamp without time zone'],
  'character varying': ['text'], character: ['text'], name: ['text'],
};
const DIGITS: Readonly<Record<string, number>> = { smallint: 5, integer: 10, bigint: 19 };

const modifiers = (type: string): readonly number[] => (/\(([\d,\s]+)\)/.exec(type)?.[1] ?? '').split(',').filter((part) => part.trim() !== '').map(Number);
const bare = (type: string): string => canonicalName(type).replace(/\(.*\)/, '');

/** Is every value of `from` one of `to` (rule 30)? */
export function widensName(from: string, to: string): boolean {
  const [left, right] = [bare(from), bare(to)];
  if (left === right) return widensModifier(left, modifiers(canonicalName(from)), modifiers(canonicalName(to)));
  if (!(WIDER[left] ?? []).includes(right)) return false;
  if (right !== 'numeric') return true;
  const [precision, scale = 0] = modifiers(canonicalName(to));
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
  const [precision, scale = 0] = right === 'numeric' ? modifiers(canonicalName(to)) : [];
  return precision === undefined ? undefined : `abs(round(${value}, ${scale})) >= 10::numeric ^ ${precision - scale} or ${value} <> round(${value}, ${scale})`;
}

/** Trailing blanks do not count, as in an assignment. `from`: the same type with its own length. */
function longer(expression: string, from: string | undefined, to: string): string | undefined {
  const [length] = modifiers(canonicalName(to));
  const [known] = from === undefined ? [] : modifiers(canonicalName(from));
  if (length === undefined || (known !== undefined && known <= length)) return undefined;
  return `char_length(rtrim(${expression}::text, ' ')) > ${length}`;
}

import type { Field, LogicalType } from '#batch';
import { copyKinds } from '#kernels';
import type { ColumnPlan } from './source/columns.ts';

/** A row of pg_type, as far as it decides how a column is read. */
export interface PgType {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** b base, d domain, e enum, c composite, r range, m multirange, p pseudo */
  readonly type: string;
  readonly baseOid: number;
  readonly baseTypmod: number;
  /** Element of a true array; 0 else. */
  readonly elementOid: number;
  /** Of an enum. */
  readonly labels: readonly string[] | null;
}
export type PgTypes = ReadonlyMap<number, PgType>;

/** A column as the catalogue has it. */
export interface PgColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typmod: number;
  readonly notNull: boolean;
  /** `numeric(18,2)`, `public.amount` */
  readonly typeName: string;
  /** The same but for domains: the type below them, with its modifiers. */
  readonly valueType: string;
}

/** A column as it is read: what COPY selects of it, and how its bytes become a vector. */
export interface ReadColumn {
  readonly field: Field;
  readonly plan: ColumnPlan;
  /** Selected as `column::text`. */
  readonly castToText: boolean;
  /** The type's name for a literal: `pg_catalog."timestamptz"`. */
  readonly pgType: PgType | undefined;
}

const FIXED: Readonly<Record<string, ColumnPlan>> = {
  bool: { type: { kind: 'bool' }, kind: copyKinds.bool },
  int2: { type: { kind: 'int16' }, kind: copyKinds.int16 },
  int4: { type: { kind: 'int32' }, kind: copyKinds.int32 },
  int8: { type: { kind: 'int64' }, kind: copyKinds.int64 },
  float4: { type: { kind: 'float32' }, kind: copyKinds.int32 },
  float8: { type: { kind: 'float64' }, kind: copyKinds.int64 },
  date: { type: { kind: 'date' }, kind: copyKinds.date },
  time: { type: { kind: 'time' }, kind: copyKinds.int64 },
  timestamp: { type: { kind: 'timestamp' }, kind: copyKinds.timestamp },
  timestamptz: { type: { kind: 'timestamptz' }, kind: copyKinds.timestamp },
  interval: { type: { kind: 'interval' }, kind: copyKinds.interval },
  uuid: { type: { kind: 'uuid' }, kind: copyKinds.uuid },
  bytea: { type: { kind: 'bytes' }, kind: copyKinds.bytes },
  json: { type: { kind: 'json' }, kind: copyKinds.bytes },
  jsonb: { type: { kind: 'json' }, kind: copyKinds.jsonb },
  text: { type: { kind: 'text' }, kind: copyKinds.bytes },
  name: { type: { kind: 'text' }, kind: copyKinds.bytes },
};

const TEXT: ColumnPlan = { type: { kind: 'text' }, kind: copyKinds.bytes };

function numeric(typmod: number): ColumnPlan {
  const number: ColumnPlan = { type: { kind: 'number' }, kind: copyKinds.number };
  if (typmod < 4) return number;
  const declared = (typmod - 4) >> 16;
  const scale = (((typmod - 4) & 0x7ff) ^ 1024) - 1024;
  // numeric(2, 5) has five digits after the point, numeric(3, -2) five before it
  const precision = scale < 0 ? declared - scale : Math.max(declared, scale);
  if (precision > 38) return number;
  const type: LogicalType = { kind: 'decimal', precision, scale: Math.max(scale, 0) };
  return { type, kind: precision <= 18 ? copyKinds.decimal64 : copyKinds.decimal128 };
}

function builtin(type: PgType, typmod: number): ColumnPlan | undefined {
  if (type.type === 'e') return TEXT;
  if (type.schema !== 'pg_catalog') return undefined;
  if (type.name === 'numeric') return numeric(typmod);
  if (type.name === 'varchar' || type.name === 'bpchar') {
    return { ...TEXT, type: typmod > 4 ? { kind: 'text', maxLength: typmod - 4 } : { kind: 'text' } };
  }
  return FIXED[type.name];
}

/** The type below a domain, through domains over domains. */
function base(types: PgTypes, oid: number, typmod: number): { readonly type: PgType | undefined; readonly typmod: number } {
  let type = types.get(oid);
  let modifier = typmod;
  while (type?.type === 'd') {
    modifier = type.baseTypmod;
    type = types.get(type.baseOid);
  }
  return { type, typmod: modifier };
}

/** A type without its domains, and whether it is an array of it. */
export interface ValueType { readonly oid: number; readonly typmod: number; readonly isArray: boolean }

/** What the values of a column are: the type below domains, or below those of an array's elements. */
export function valueTypeOf(types: PgTypes, oid: number, typmod: number): ValueType {
  const { type, typmod: modifier } = base(types, oid, typmod);
  if (!type || type.elementOid === 0) return { oid: type?.oid ?? oid, typmod: modifier, isArray: false };
  const element = base(types, type.elementOid, modifier);
  // an array of a domain over arrays has a text form of its own
  if (!element.type || element.type.elementOid !== 0) return { oid: type.oid, typmod: modifier, isArray: false };
  return { oid: element.type.oid, typmod: element.typmod, isArray: true };
}

function planOf(types: PgTypes, oid: number, typmod: number): ColumnPlan | undefined {
  const { type, typmod: modifier } = base(types, oid, typmod);
  if (!type) return undefined;
  if (type.elementOid === 0) return builtin(type, modifier);
  const element = planOf(types, type.elementOid, modifier);
  if (!element || element.element) return undefined;
  return { type: { kind: 'list', element: element.type }, kind: copyKinds.list, element };
}

/** A decimal's text is a number: NaN fits there, and the zeros that it loses come back with the column's scale. */
function textPlan(plan: ColumnPlan | undefined): ColumnPlan | undefined {
  return plan?.type.kind === 'decimal' ? { type: { kind: 'number' }, kind: copyKinds.number } : undefined;
}

/** How a column is read: typed where we have a vector for it, else the server's own text, whose origin says of what. */
export function readColumn(column: PgColumn, types: PgTypes, asText: boolean): ReadColumn {
  const type = types.get(column.typeOid);
  const origin = `pg:${column.valueType}`;
  const labels = types.get(valueTypeOf(types, column.typeOid, column.typmod).oid)?.labels;
  const shared = { name: column.name, nullable: !column.notNull, sourceType: column.typeName, origin, ...(labels ? { labels } : {}) };
  const typed = planOf(types, column.typeOid, column.typmod);
  const plan = asText ? textPlan(typed) : typed;
  if (plan) return { field: { ...shared, type: plan.type }, plan, castToText: false, pgType: type };
  const text: LogicalType = { kind: 'text', origin };
  return { field: { ...shared, type: text }, plan: { ...TEXT, type: text }, castToText: true, pgType: type };
}

/** `clock`: set by the server's clock, so that its time bounds a pass; `local`: by a clock of a zone that nobody knows. */
export type CursorKind = 'clock' | 'local' | 'value';

/** Types with one order that only grows, as a cursor needs. */
export function cursorKind(type: PgType | undefined): CursorKind | undefined {
  if (type?.schema !== 'pg_catalog') return undefined;
  if (type.name === 'timestamp') return 'local';
  if (type.name === 'timestamptz' || type.name === 'date') return 'clock';
  return ['int2', 'int4', 'int8', 'numeric', 'text', 'varchar', 'uuid', 'xid8'].includes(type.name) ? 'value' : undefined;
}

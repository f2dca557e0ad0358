import type { Field, LogicalType, Schema } from '#batch';
import type { FormatOptions } from '../contract.ts';
import type { ThriftWriter } from './thrift.ts';

/** Physical types, as Parquet numbers them. */
export const Physical = { BOOLEAN: 0, INT32: 1, INT64: 2, FLOAT: 4, DOUBLE: 5, BYTE_ARRAY: 6, FIXED: 7 } as const;
/** How a vector's values become PLAIN: the kernel pqCopy's kinds. */
const Copy = { BYTE: 0, I8: 1, I16: 2, U8: 3, U16: 4, FOUR: 5, EIGHT: 6, NARROW: 7, SIXTEEN: 8, SWAP: 9 } as const;
/** How PLAIN values are ordered: the kernel pqRange's kinds. */
export const Order = { BOOL: 0, I32: 1, U32: 2, I64: 3, U64: 4, F32: 5, F64: 6, DECIMAL: 7, BYTES16: 8, TEXT: 9 } as const;

/** What a leaf's values are in the file. */
export interface LeafType {
  readonly physical: number;
  /** Bytes of a value as PLAIN; 0 for byte arrays. Booleans count one byte until they are packed. */
  readonly width: number;
  readonly copy: number;
  readonly order: number;
  /** How to name it in `plan`. */
  readonly name: string;
  readonly utf8: boolean;
  readonly converted?: number;
  readonly decimal?: { readonly precision: number; readonly scale: number };
  readonly logical?: (thrift: ThriftWriter) => void;
}

/** From one vector to the next on the way to a leaf. */
export type Step = { readonly kind: 'optional' } | { readonly kind: 'list'; readonly repetition: number } | { readonly kind: 'child'; readonly index: number };

/** A leaf of the schema: a column chunk a row group. */
export interface Leaf {
  readonly path: readonly string[];
  /** The top-level column that it belongs to. */
  readonly column: number;
  readonly type: LeafType;
  readonly steps: readonly Step[];
  readonly maxDefinition: number;
  readonly maxRepetition: number;
}

/** A line of the footer's schema, depth first. */
export interface SchemaElement {
  readonly name: string;
  readonly repetition: number;
  readonly leaf?: LeafType;
  readonly children?: number;
  readonly list?: boolean;
}
const REQUIRED = 0;
const OPTIONAL = 1;
const REPEATED = 2;

export interface ParquetSchema {
  readonly elements: readonly SchemaElement[];
  readonly leaves: readonly Leaf[];
}

/** The type that a column has once conversions are done: see convert.ts. */
export function writtenType(type: LogicalType, options: FormatOptions): LogicalType {
  switch (type.kind) {
    case 'date': case 'timestamp': case 'timestamptz': return options.infinite === 'text' ? { kind: 'text' } : type;
    case 'interval': return options.interval === 'struct' ? INTERVAL_STRUCT : { kind: 'text' };
    case 'list': return { kind: 'list', element: writtenType(type.element, options) };
    case 'struct': return { kind: 'struct', fields: type.fields.map((field) => ({ ...field, type: writtenType(field.type, options) })) };
    default: return type;
  }
}
const INTERVAL_STRUCT: LogicalType & { kind: 'struct' } = { kind: 'struct', fields: [
  { name: 'months', type: { kind: 'int32' }, nullable: true }, { name: 'days', type: { kind: 'int32' }, nullable: true },
  { name: 'micros', type: { kind: 'int64' }, nullable: true },
] };

interface Walk {
  readonly elements: SchemaElement[];
  readonly leaves: Leaf[];
  readonly column: number;
}
interface Place {
  readonly path: readonly string[];
  readonly steps: readonly Step[];
  readonly definition: number;
  readonly repetition: number;
}

export function parquetSchema(schema: Schema, options: FormatOptions): ParquetSchema {
  const elements: SchemaElement[] = [];
  const leaves: Leaf[] = [];
  schema.fields.forEach((field, column) => {
    const place = { path: [], steps: [], definition: 0, repetition: 0 };
    walk({ ...field, type: writtenType(field.type, options) }, place, { elements, leaves, column });
  });
  return { elements, leaves };
}

/** Only a column itself may be required: what lies within lists and structs is always optional. */
function walk(field: Field, above: Place, into: Walk): void {
  const repetition = field.nullable ? OPTIONAL : REQUIRED;
  const place: Place = field.nullable ? { ...above, steps: [...above.steps, { kind: 'optional' }], definition: above.definition + 1 } : above;
  const path = [...above.path, field.name];
  if (field.type.kind === 'struct') {
    into.elements.push({ name: field.name, repetition, children: field.type.fields.length });
    field.type.fields.forEach((child, index) =>
      walk({ ...child, nullable: true }, { ...place, path, steps: [...place.steps, { kind: 'child', index }] }, into));
  } else if (field.type.kind === 'list') {
    const inner = place.repetition + 1;
    into.elements.push({ name: field.name, repetition, children: 1, list: true }, { name: 'list', repetition: REPEATED, children: 1 });
    const steps: Step[] = [...place.steps, { kind: 'list', repetition: inner }];
    walk({ name: 'element', type: field.type.element, nullable: true },
      { path: [...path, 'list'], steps, definition: place.definition + 1, repetition: inner }, into);
  } else {
    const type = leafType(field.type);
    into.elements.push({ name: field.name, repetition, leaf: type });
    into.leaves.push({ path, column: into.column, type, steps: place.steps, maxDefinition: place.definition, maxRepetition: place.repetition });
  }
}

const integer = (bits: number, signed: boolean) => (thrift: ThriftWriter) => thrift.field(10, () => {
  thrift.i8(1, bits);
  thrift.bool(2, signed);
});
const MICROS = (thrift: ThriftWriter) => thrift.field(2, () => thrift.field(2, () => {}));
const moment = (id: number, utc: boolean) => (thrift: ThriftWriter) => thrift.field(id, () => {
  thrift.bool(1, utc);
  MICROS(thrift);
});
const mark = (id: number) => (thrift: ThriftWriter) => thrift.field(id, () => {});

const { INT32, INT64, FIXED, BYTE_ARRAY } = Physical;
const four = { physical: INT32, width: 4, utf8: false };
const eight = { physical: INT64, width: 8, utf8: false, copy: Copy.EIGHT };
const array = { physical: BYTE_ARRAY, width: 0, copy: Copy.BYTE, order: Order.TEXT };
const STRING: LeafType = { ...array, utf8: true, converted: 0, logical: mark(1), name: 'STRING' };

/** What a type without children is in the file. */
export function leafType(type: LogicalType): LeafType {
  switch (type.kind) {
    case 'bool': return { physical: Physical.BOOLEAN, width: 1, copy: Copy.BYTE, order: Order.BOOL, utf8: false, name: 'BOOLEAN' };
    case 'int8': return { ...four, copy: Copy.I8, order: Order.I32, converted: 15, logical: integer(8, true), name: 'INT(8, true)' };
    case 'int16': return { ...four, copy: Copy.I16, order: Order.I32, converted: 16, logical: integer(16, true), name: 'INT(16, true)' };
    case 'int32': return { ...four, copy: Copy.FOUR, order: Order.I32, converted: 17, logical: integer(32, true), name: 'INT(32, true)' };
    case 'int64': return { ...eight, order: Order.I64, converted: 18, logical: integer(64, true), name: 'INT(64, true)' };
    case 'uint8': return { ...four, copy: Copy.U8, order: Order.U32, converted: 11, logical: integer(8, false), name: 'INT(8, false)' };
    case 'uint16': return { ...four, copy: Copy.U16, order: Order.U32, converted: 12, logical: integer(16, false), name: 'INT(16, false)' };
    case 'uint32': return { ...four, copy: Copy.FOUR, order: Order.U32, converted: 13, logical: integer(32, false), name: 'INT(32, false)' };
    case 'uint64': return { ...eight, order: Order.U64, converted: 14, logical: integer(64, false), name: 'INT(64, false)' };
    default: return otherType(type);
  }
}

function otherType(type: LogicalType): LeafType {
  switch (type.kind) {
    case 'float32': return { ...four, physical: Physical.FLOAT, copy: Copy.FOUR, order: Order.F32, name: 'FLOAT' };
    case 'float64': return { ...eight, physical: Physical.DOUBLE, order: Order.F64, name: 'DOUBLE' };
    case 'decimal': return decimalType(type.precision, type.scale);
    case 'uuid': return { physical: FIXED, width: 16, copy: Copy.SIXTEEN, order: Order.BYTES16, utf8: false, logical: mark(14), name: 'UUID' };
    case 'date': return { ...four, copy: Copy.FOUR, order: Order.I32, converted: 6, logical: mark(6), name: 'DATE' };
    case 'time': return { ...eight, order: Order.I64, logical: moment(7, false), name: 'TIME(MICROS, local)' };
    case 'timestamp': return { ...eight, order: Order.I64, logical: moment(8, false), name: 'TIMESTAMP(MICROS, local)' };
    case 'timestamptz': return { ...eight, order: Order.I64, converted: 10, logical: moment(8, true), name: 'TIMESTAMP(MICROS, UTC)' };
    case 'bytes': return { ...array, utf8: false, name: 'BYTE_ARRAY' };
    case 'json': return { ...array, utf8: true, converted: 19, logical: mark(12), name: 'JSON' };
    default: return STRING;
  }
}

function decimalType(precision: number, scale: number): LeafType {
  const shared = {
    converted: 5, decimal: { precision, scale }, utf8: false, name: `DECIMAL(${precision}, ${scale})`,
    logical: (thrift: ThriftWriter) => thrift.field(5, () => {
      thrift.i32(1, scale);
      thrift.i32(2, precision);
    }),
  };
  if (precision <= 9) return { ...four, ...shared, copy: Copy.NARROW, order: Order.I32 };
  if (precision <= 18) return { ...eight, ...shared, order: Order.I64 };
  return { physical: FIXED, width: 16, copy: Copy.SWAP, order: Order.DECIMAL, ...shared };
}

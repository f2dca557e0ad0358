import { isInteger, type IntegerKind, type LogicalType } from '../batch/index.ts';

const DIGITS: Readonly<Record<IntegerKind, number>> = { int8: 3, uint8: 3, int16: 5, uint16: 5, int32: 10, uint32: 10, int64: 19, uint64: 20 };

function bitsOf(kind: IntegerKind): number {
  return Number(kind.replace(/^u?int/, ''));
}

/** Whether every value of `from` is one of `to` by the list of changes that a schema may make in place, and no other. */
export function isWidening(from: LogicalType, to: LogicalType): boolean {
  if (sameType(from, to)) return true;
  if (isInteger(from.kind)) return integerWidens(from.kind, to);
  switch (from.kind) {
    case 'decimal':
      return to.kind === 'number' || (to.kind === 'decimal' && to.scale >= from.scale && to.precision - to.scale >= from.precision - from.scale);
    case 'float32': return to.kind === 'float64';
    case 'date': return to.kind === 'timestamp';
    case 'text': return to.kind === 'text' && (to.maxLength === undefined || (from.maxLength ?? Infinity) <= to.maxLength);
    default: return false;
  }
}

function integerWidens(from: IntegerKind, to: LogicalType): boolean {
  if (to.kind === 'number') return true;
  if (to.kind === 'decimal') return to.precision - to.scale >= DIGITS[from];
  if (!isInteger(to.kind)) return false;
  const sameSign = from.startsWith('u') === to.kind.startsWith('u');
  return bitsOf(to.kind) > bitsOf(from) && (sameSign || from.startsWith('u'));
}

export function sameType(a: LogicalType, b: LogicalType): boolean {
  if (a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'decimal': return b.kind === 'decimal' && a.precision === b.precision && a.scale === b.scale;
    case 'text': return b.kind === 'text' && a.maxLength === b.maxLength && a.origin === b.origin;
    case 'list': return b.kind === 'list' && sameType(a.element, b.element);
    case 'struct':
      return b.kind === 'struct' && a.fields.length === b.fields.length
        && a.fields.every((field, i) => field.name === b.fields[i]?.name && sameType(field.type, b.fields[i].type));
    default: return true;
  }
}

/** The type as a person reads it: `decimal(18,2)`. */
export function typeName(type: LogicalType): string {
  switch (type.kind) {
    case 'decimal': return `decimal(${type.precision},${type.scale})`;
    case 'list': return `list<${typeName(type.element)}>`;
    default: return type.kind;
  }
}

import type { LogicalType } from '#batch';

const SIMPLE: Readonly<Record<string, LogicalType['kind']>> = {
  bool: 'bool', boolean: 'bool',
  int8: 'int8', int16: 'int16', int32: 'int32', int64: 'int64', uint8: 'uint8', uint16: 'uint16', uint32: 'uint32', uint64: 'uint64',
  smallint: 'int16', integer: 'int32', int: 'int32', bigint: 'int64',
  float32: 'float32', float64: 'float64', real: 'float32', double: 'float64',
  number: 'number', text: 'text', string: 'text', bytes: 'bytes', uuid: 'uuid', json: 'json',
  date: 'date', time: 'time', timestamp: 'timestamp', timestamptz: 'timestamptz', interval: 'interval',
};

export const CAST_NAMES: readonly string[] = [...Object.keys(SIMPLE), 'decimal(p,s)', 'varchar(n)'];

/** `decimal(18,2)`, `varchar(40)`, `timestamptz`. Undefined: not a type. The widths are in bits: `int8` is one byte. */
export function parseCast(text: string): LogicalType | undefined {
  const name = text.trim().toLowerCase();
  const kind = Object.hasOwn(SIMPLE, name) ? SIMPLE[name] : undefined;
  if (kind !== undefined) return simple(kind);
  const decimal = /^(?:decimal|numeric)\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\)$/.exec(name);
  if (decimal) {
    const precision = Number(decimal[1]);
    const scale = Number(decimal[2] ?? 0);
    return precision >= 1 && precision <= 38 && scale <= precision ? { kind: 'decimal', precision, scale } : undefined;
  }
  const varchar = /^(?:varchar|char|text)\(\s*(\d+)\s*\)$/.exec(name);
  return varchar && Number(varchar[1]) > 0 ? { kind: 'text', maxLength: Number(varchar[1]) } : undefined;
}

function simple(kind: LogicalType['kind']): LogicalType | undefined {
  if (kind === 'decimal' || kind === 'list' || kind === 'struct') return undefined;
  return { kind };
}

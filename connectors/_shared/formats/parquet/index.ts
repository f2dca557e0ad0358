import type { Field, LogicalType } from '#batch';
import type { ColumnMapping } from '#sdk';
import type { Format, FormatOptions } from '../contract.ts';
import { check } from './check.ts';
import { leafType, writtenType } from './schema.ts';
import { ParquetWriter } from './writer.ts';

export const parquet: Format = {
  name: 'parquet',
  extension: 'parquet',
  mapColumn,
  check,
  open: (schema, options, sink) => new ParquetWriter(schema, options, sink),
};

function mapColumn(field: Field, options: FormatOptions): ColumnMapping {
  const to = nameOf(writtenType(field.type, options));
  return { column: field.name, from: field.type, to, ...outcomeOf(field.type, options) };
}

function nameOf(type: LogicalType): string {
  switch (type.kind) {
    case 'list': return `LIST(${nameOf(type.element)})`;
    case 'struct': return `GROUP(${type.fields.map((field) => `${field.name} ${nameOf(field.type)}`).join(', ')})`;
    default: return leafType(type).name;
  }
}

type Outcome = Pick<ColumnMapping, 'outcome' | 'note'>;
const EXACT: Outcome = { outcome: 'exact' };
const WEIGHT = { exact: 0, checked: 1, mapped: 2 } as const;

function outcomeOf(type: LogicalType, options: FormatOptions): Outcome {
  switch (type.kind) {
    case 'date': case 'timestamp': case 'timestamptz':
      if (options.infinite === 'text') return { outcome: 'mapped', note: 'canonical text, since infinite: text' };
      if (options.infinite === 'null') return { outcome: 'mapped', note: 'infinity becomes null' };
      return { outcome: 'checked', note: 'infinity is rejected' };
    case 'time': return { outcome: 'checked', note: '24:00 is rejected' };
    case 'number': return { outcome: 'mapped', note: 'canonical text' };
    case 'interval': return { outcome: 'mapped', note: options.interval === 'struct' ? 'months, days, micros' : 'ISO 8601 text' };
    case 'list': return outcomeOf(type.element, options);
    case 'struct': return type.fields.map((field) => outcomeOf(field.type, options)).reduce((a, b) => (WEIGHT[b.outcome] > WEIGHT[a.outcome] ? b : a), EXACT);
    default: return EXACT;
  }
}

import { isJson, type Batch, type LogicalType, type Vector } from '#batch';
import type { ColumnMapping } from '#sdk';
import type { Format, FormatReject } from '../contract.ts';
import { JsonlWriter } from './writer.ts';

/** One JSON object a line, in canonical texts. A value that the source did not send has no member. */
export const jsonl: Format = {
  name: 'jsonl',
  extension: 'jsonl',
  mapColumn: (field) => ({ column: field.name, from: field.type, ...OUTCOMES[field.type.kind] }),
  check,
  open: (schema, _options, sink) => new JsonlWriter(schema, sink),
};

type Outcome = Pick<ColumnMapping, 'to' | 'outcome' | 'note'>;
const SMALL: Outcome = { to: 'number', outcome: 'exact' };
const LARGE: Outcome = { to: 'number', outcome: 'exact', note: 'all digits: read it with a lossless parser' };
const FLOAT: Outcome = { to: 'number', outcome: 'mapped', note: 'NaN and the infinities as strings' };
const CANONICAL: Outcome = { to: 'string', outcome: 'mapped', note: 'canonical text' };
const OUTCOMES: Readonly<Record<LogicalType['kind'], Outcome>> = {
  bool: { to: 'boolean', outcome: 'exact' },
  int8: SMALL, int16: SMALL, int32: SMALL, int64: LARGE, uint8: SMALL, uint16: SMALL, uint32: SMALL, uint64: LARGE, decimal: LARGE,
  float32: FLOAT, float64: FLOAT, number: FLOAT,
  text: { to: 'string', outcome: 'exact' },
  bytes: { to: 'string', outcome: 'mapped', note: 'lower-case hex' },
  json: { to: 'JSON', outcome: 'checked', note: 'as it came, line breaks between tokens as blanks; what is not JSON is rejected' },
  list: { to: 'array', outcome: 'mapped', note: 'of canonical texts' },
  struct: { to: 'object', outcome: 'mapped', note: 'of canonical texts' },
  uuid: CANONICAL, date: CANONICAL, time: CANONICAL, timestamp: CANONICAL, timestamptz: CANONICAL, interval: CANONICAL,
};

/** A line must be JSON, so what calls itself json has to be it. */
function check(batch: Batch): FormatReject[] {
  return batch.schema.fields.flatMap((field, i) => {
    const vector = batch.columns[i];
    return vector && holdsJson(field.type) ? faults(vector).map((row) => ({ row, column: field.name, code: 'ETL-FMT-001', reason: 'json that is not valid' })) : [];
  });
}

function holdsJson(type: LogicalType): boolean {
  if (type.kind === 'list') return holdsJson(type.element);
  return type.kind === 'json' || type.kind === 'struct' && type.fields.some((field) => holdsJson(field.type));
}

/** Rows of a json column, or of what holds one, that don't parse. */
function faults(vector: Vector): number[] {
  const { type, children, offsets } = vector;
  if (type.kind === 'struct') return children.flatMap(faults);
  if (type.kind === 'list') return children.flatMap(faults).map((element) => (offsets ?? new Int32Array(0)).findLastIndex((start) => start <= element));
  return type.kind === 'json' ? invalid(vector) : [];
}

function invalid({ length, data, offsets, validity }: Vector): number[] {
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const rows: number[] = [];
  for (let i = 0; i < length; i++) {
    if ((validity?.[i] ?? 1) === 1 && !isJson(text.toString('utf8', offsets?.[i] ?? 0, offsets?.[i + 1] ?? 0))) rows.push(i);
  }
  return rows;
}

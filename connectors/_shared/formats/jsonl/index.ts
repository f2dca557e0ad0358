import type { Batch, Field, LogicalType, Vector } from '#batch';
import type { ColumnMapping } from '#sdk';
import type { Format, FormatReject } from '../contract.ts';
import { JsonlWriter } from './writer.ts';

/** One JSON object a line, in canonical texts. A value that the source did not send has no member. */
export const jsonl: Format = {
  name: 'jsonl',
  extension: 'jsonl',
  mapColumn: (field) => ({ column: field.name, from: field.type, ...outcomeOf(field) }),
  check,
  open: (schema, _options, sink) => new JsonlWriter(schema, sink),
};

function outcomeOf({ type }: Field): Pick<ColumnMapping, 'to' | 'outcome' | 'note'> {
  switch (type.kind) {
    case 'bool': return { to: 'boolean', outcome: 'exact' };
    case 'int64': case 'uint64': case 'decimal': return { to: 'number', outcome: 'exact', note: 'all digits: read it with a lossless parser' };
    case 'float32': case 'float64': case 'number': return { to: 'number', outcome: 'mapped', note: 'NaN and the infinities as strings' };
    case 'json': return { to: 'JSON', outcome: 'checked', note: 'as it came, line breaks between tokens as blanks; what is not JSON is rejected' };
    case 'list': return { to: 'array', outcome: 'mapped', note: 'of canonical texts' };
    case 'struct': return { to: 'object', outcome: 'mapped', note: 'of canonical texts' };
    case 'text': return { to: 'string', outcome: 'exact' };
    case 'bytes': return { to: 'string', outcome: 'mapped', note: 'lower-case hex' };
    case 'uuid': case 'date': case 'time': case 'timestamp': case 'timestamptz': case 'interval': return { to: 'string', outcome: 'mapped', note: 'canonical text' };
    default: return { to: 'number', outcome: 'exact' };
  }
}

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
  const { type, children, offsets, validity, data } = vector;
  if (type.kind === 'struct') return children.flatMap(faults);
  if (type.kind === 'list') return children.flatMap(faults).map((element) => (offsets ?? new Int32Array(0)).findLastIndex((start) => start <= element));
  if (type.kind !== 'json') return [];
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const rows: number[] = [];
  for (let i = 0; i < vector.length; i++) {
    if ((validity?.[i] ?? 1) === 1 && !isJson(text.toString('utf8', offsets?.[i] ?? 0, offsets?.[i + 1] ?? 0))) rows.push(i);
  }
  return rows;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

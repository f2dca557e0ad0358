import type { BatchParts, Vector } from './batch.ts';
import { readScalar } from './scalar.ts';
import { NULL, PRESENT, UNAVAILABLE, widthOf, type Field } from './types.ts';
import { OP_NAMES, UNAVAILABLE_VALUE, type ChangeRow, type Value } from './value.ts';

/** The value of row `i` in its JavaScript form; bytes are a copy. Text that is not valid UTF-8 shows U+FFFD. */
export function valueAt(vector: Vector, i: number): Value {
  const valid = vector.validity?.[i] ?? PRESENT;
  if (valid === NULL) return null;
  if (valid === UNAVAILABLE) return UNAVAILABLE_VALUE;
  const { type, data } = vector;
  if (type.kind === 'struct') {
    return Object.fromEntries(type.fields.map((field, child) => [field.name, childValue(vector, child, i)]));
  }
  const width = widthOf(type);
  if (width > 0) return readScalar(type, new DataView(data.buffer, data.byteOffset, data.byteLength), i * width);
  const start = vector.offsets?.[i] ?? 0;
  const end = vector.offsets?.[i + 1] ?? start;
  if (type.kind === 'list') return Array.from({ length: end - start }, (_, element) => childValue(vector, 0, start + element));
  return type.kind === 'bytes' ? data.slice(start, end) : Buffer.from(data.buffer, data.byteOffset + start, end - start).toString('utf8');
}

function childValue(vector: Vector, child: number, i: number): Value {
  const values = vector.children[child];
  return values ? valueAt(values, i) : null;
}

/** The rows of a batch as objects, for tests and for destinations without columns. The batch must live as long. */
export function* rows(batch: BatchParts): Iterable<ChangeRow> {
  const keyFields = batch.schema.key.flatMap((name) => batch.schema.fields.filter((field) => field.name === name));
  for (let i = 0; i < batch.length; i++) {
    const oldKey = batch.oldKeys && changed(batch.oldKeys, i) ? record(keyFields, batch.oldKeys, i) : undefined;
    const before = batch.before && changed(batch.before, i) ? record(batch.schema.fields, batch.before, i) : undefined;
    yield {
      values: record(batch.schema.fields, batch.columns, i),
      ...(batch.ops && { op: OP_NAMES[batch.ops[i] ?? 0] ?? 'snapshot' }),
      ...(oldKey && { oldKey }),
      ...(before && { before }),
      ...(batch.seq && { seq: batch.seq[i] ?? 0n }),
    };
  }
}

/** Whether any of these vectors holds something for the row. */
function changed(vectors: readonly Vector[], i: number): boolean {
  return vectors.some((vector) => (vector.validity?.[i] ?? PRESENT) !== NULL);
}

function record(fields: readonly Field[], vectors: readonly Vector[], i: number): Record<string, Value> {
  const values: [string, Value][] = [];
  fields.forEach((field, column) => {
    const vector = vectors[column];
    if (vector) values.push([field.name, valueAt(vector, i)]);
  });
  return Object.fromEntries(values);
}

import { Arena, NULL, PRESENT, UNAVAILABLE, batchOf, varVector, viewInt32, viewInt64, vectorOf, type Batch, type Field, type Schema, type Vector } from '#batch';
import type { Target } from '#sdk';

/** How the rows of a target lie in its files: the stream's columns, then ours. */
export interface FileColumns {
  readonly target: Target;
  /** An append log of changes: it keeps what each row did and what it did not send. */
  readonly changes: boolean;
  readonly runId: string;
  readonly nowMs: number;
}

const OP = '_etl_op';
const UNCHANGED = '_etl_unchanged';
const OP_TEXTS = ['snapshot', 'insert', 'update', 'delete', 'truncate'].map((name) => Buffer.from(name));
const TRUNCATE = 4;
const TEXT = { kind: 'text' } as const;

function ownFields({ target, changes }: FileColumns): Field[] {
  const names = [...(changes ? [OP, UNCHANGED] : []), ...target.addedColumns];
  return names.map((name) => ({ name, type: name === '_etl_loaded_at' ? { kind: 'timestamptz' } : TEXT, nullable: true }));
}

/** The columns of a file. In a log of changes every column may be NULL: a delete sends little more than the key. */
export function fileSchema(columns: FileColumns, schema: Schema): Schema {
  const own = ownFields(columns).filter(({ name }) => !schema.fields.some((field) => field.name === name));
  const fields = columns.changes ? schema.fields.map((field) => ({ ...field, nullable: true })) : schema.fields;
  return own.length === 0 && !columns.changes ? schema : { fields: [...fields, ...own], key: schema.key };
}

/** The batch as its file holds it. Takes the batch over; whoever asked releases the one that comes back. */
export function fileBatch(columns: FileColumns, batch: Batch, schema: Schema): Batch {
  if (!columns.changes && schema.fields.length === batch.columns.length) return batch;
  const arena = new Arena();
  const given = batch.columns.map((vector) => withoutUnavailable(vector, columns.target, arena));
  const own = schema.fields.slice(batch.columns.length).map((field) => ownVector(field.name, columns, { batch, arena }));
  const whole = batch.derive({ stream: batch.stream, schema, length: batch.length, columns: [...given, ...own] }, [arena]);
  batch.release();
  return whole;
}

/** A truncate is a row of its own in a log of changes: it takes nothing from the rows before it. */
export function truncateRow(columns: FileColumns, stream: string, schema: Schema): Batch {
  const names = new Map(schema.fields.map((field, index) => [field.name, index]));
  const plain: Schema = { fields: schema.fields.slice(0, names.get(OP)), key: schema.key };
  const row = batchOf(stream, plain, [{ values: {} }]);
  const arena = new Arena();
  const own = schema.fields.slice(plain.fields.length).map((field) =>
    (field.name === OP ? opVector(Uint8Array.of(TRUNCATE), 1, arena) : ownVector(field.name, columns, { batch: row, arena })));
  const whole = row.derive({ stream, schema, length: 1, columns: [...row.columns, ...own] }, [arena]);
  row.release();
  return whole;
}

function ownVector(name: string, { runId, nowMs }: FileColumns, { batch, arena }: { batch: Batch; arena: Arena }): Vector {
  const { length } = batch;
  switch (name) {
    case OP: return opVector(batch.ops, length, arena);
    case UNCHANGED: return unchangedVector(batch, arena);
    case '_etl_loaded_at': {
      const instants = viewInt64(arena.allocate(length * 8), length).fill(BigInt(Math.trunc(nowMs * 1000)));
      return { type: { kind: 'timestamptz' }, length, validity: undefined, data: new Uint8Array(instants.buffer, instants.byteOffset, length * 8), offsets: undefined, children: [] };
    }
    case '_etl_run_id': return constantText(runId, length, arena);
    default: return vectorOf(TEXT, Array.from({ length }, (_, row) => batch.seq?.[row]?.toString() ?? null), arena);
  }
}

function constantText(text: string, length: number, arena: Arena): Vector {
  const bytes = Buffer.from(text);
  const vector = varVector(TEXT, length, bytes.length * length, arena);
  for (let row = 0; row < length; row++) vector.data.set(bytes, row * bytes.length);
  for (let row = 0; row <= length; row++) vector.offsets[row] = row * bytes.length;
  return vector;
}

function opVector(ops: Uint8Array | undefined, length: number, arena: Arena): Vector {
  const texts = Array.from({ length: 5 }, (_, op) => OP_TEXTS[op] ?? Buffer.alloc(0));
  let total = 0;
  for (let row = 0; row < length; row++) total += texts[ops?.[row] ?? 0]?.length ?? 0;
  const vector = varVector(TEXT, length, total, arena);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const text = texts[ops?.[row] ?? 0] ?? Buffer.alloc(0);
    vector.data.set(text, at);
    vector.offsets[row + 1] = at += text.length;
  }
  return vector;
}

/** The names of the columns that the source did not send, so that their NULL is told from a real one. */
function unchangedVector({ schema, columns, length }: Batch, arena: Arena): Vector {
  const held = columns.flatMap((vector, index) => (vector.validity?.includes(UNAVAILABLE) ? [{ validity: vector.validity, name: schema.fields[index]?.name ?? '' }] : []));
  if (held.length === 0) {
    const none = varVector(TEXT, length, 0, arena);
    none.offsets.fill(0);
    return { ...none, validity: arena.bytes(length).fill(NULL) };
  }
  const names = Array.from({ length }, (_, row) => held.filter(({ validity }) => validity[row] === UNAVAILABLE).map(({ name }) => name).join(',') || null);
  return vectorOf(TEXT, names, arena);
}

/** Unavailable becomes the declared placeholder where the column is text, else NULL: `_etl_unchanged` names it either way. */
function withoutUnavailable(vector: Vector, target: Target, arena: Arena): Vector {
  const { validity } = vector;
  if (!validity?.includes(UNAVAILABLE)) return vector;
  if (vector.type.kind === 'text' && target.unavailable !== 'error') return withPlaceholder(vector, validity, Buffer.from(target.unavailable.placeholder), arena);
  const plain = arena.bytes(vector.length);
  for (let row = 0; row < vector.length; row++) plain[row] = validity[row] === PRESENT ? PRESENT : NULL;
  return { ...vector, validity: plain };
}

function withPlaceholder(vector: Vector, validity: Uint8Array, placeholder: Uint8Array, arena: Arena): Vector {
  const { length, data } = vector;
  const from = vector.offsets ?? viewInt32(arena.allocate((length + 1) * 4), length + 1).fill(0);
  const missing = validity.reduce((count, valid) => count + (valid === UNAVAILABLE ? 1 : 0), 0);
  const filled = varVector(vector.type, length, (from[length] ?? 0) + missing * placeholder.length, arena);
  const valid = arena.bytes(length);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const value = validity[row] === UNAVAILABLE ? placeholder : data.subarray(from[row], from[row + 1]);
    valid[row] = validity[row] === NULL ? NULL : PRESENT;
    filled.data.set(value, at);
    filled.offsets[row + 1] = at += value.length;
  }
  return { ...filled, validity: valid };
}

import { Arena, bigInstantText, canonicalText, INSTANT_GREATEST, INSTANT_LEAST, viewBytes, viewInt32, type Vector } from '#batch';
import { copyKinds, copyRefused, copyState, copyStatus, kernels } from '#kernels';
import { EtlError } from '#sdk';
import { Columns, type ColumnPlan } from './columns.ts';

const MICROS_TO_2000 = 946_684_800_000_000n;

/** The texts of row `row`, whose message begins at `message`: what has no place in its vector is read from there, as the source has it. */
export function textsOf(plans: readonly ColumnPlan[], vectors: readonly Vector[], row: number, message: number): (string | null)[] {
  const bytes = viewBytes(message, 1 + wordAt(viewBytes(message, 5), 1));
  let at = 7;
  return plans.map((plan, index) => {
    const value = bytes.subarray(at + 4, at + 4 + Math.max(wordAt(bytes, at), 0));
    at += 4 + value.length;
    const vector = vectors[index];
    if (!vector) return null;
    return vector.validity?.[row] === copyRefused ? refusedText(plan, value) : canonicalText(vector, row);
  });
}

function wordAt(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getInt32(at);
}

function refusedText(plan: ColumnPlan, value: Uint8Array): string {
  return plan.element ? arrayText(plan.element, value) : decoded(wide(plan), value, (vector) => wideText(plan, vector, 0) ?? '');
}

/** A plan whose vector holds every value. */
function wide(plan: ColumnPlan): ColumnPlan {
  if (plan.type.kind === 'decimal') return { type: { kind: 'number' }, kind: copyKinds.number };
  return plan.kind === copyKinds.timestamp ? { type: { kind: 'int64' }, kind: copyKinds.int64 } : plan;
}

function wideText({ type, kind }: ColumnPlan, vector: Vector, i: number): string | null {
  const text = canonicalText(vector, i);
  if (kind !== copyKinds.timestamp || text === null) return text;
  const micros = BigInt(text);
  if (micros === INSTANT_LEAST || micros === INSTANT_GREATEST) return bigInstantText(micros);
  return `${bigInstantText(micros + MICROS_TO_2000)}${type.kind === 'timestamptz' ? 'Z' : ''}`;
}

/** One value by a plan of its own; `look` takes from the vector what outlives it. */
function decoded<T>(plan: ColumnPlan, value: Uint8Array, look: (vector: Vector) => T): T {
  const columns = new Columns([plan]);
  const own = new Arena();
  try {
    const message = Buffer.concat([Buffer.from('d'), int32(10 + value.length), Buffer.from([0, 1]), int32(value.length), value]);
    const from = own.allocate(message.length);
    viewBytes(from, message.length).set(message);
    const state = viewInt32(own.allocate(4 * copyState.words), copyState.words).fill(0);
    state[copyState.header] = 1;
    columns.begin();
    while (kernels().copyRows(from, from + message.length, columns.descriptors, 1, state.byteOffset, 1) === copyStatus.need) {
      columns.grow(0, state[copyState.needChild] ?? 0, state[copyState.needBytes] ?? 0, 0);
    }
    const [vector] = state[copyState.rows] === 1 ? columns.peek(1) : [];
    if (!vector) throw damaged();
    return look(vector);
  } finally {
    columns.release();
    own.release();
  }
}

function damaged(): EtlError {
  return new EtlError({ kind: 'transient', code: 'ETL-PG-006', message: 'An array of the COPY stream is damaged.' });
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

/** As Postgres prints it: `[0:1]={1,2}`, `{{1,2},{3,4}}`. */
function arrayText(element: ColumnPlan, value: Uint8Array): string {
  const dimensions = Array.from({ length: wordAt(value, 0) }, (_, index) => ({ size: wordAt(value, 12 + 8 * index), first: wordAt(value, 16 + 8 * index) }));
  const total = dimensions.reduce((product, { size }) => product * Math.max(size, 0), 1);
  if (4 * total > value.length) throw damaged();
  const flat = Buffer.concat([int32(1), value.subarray(4, 12), int32(total), int32(1), value.subarray(12 + 8 * dimensions.length)]);
  const loose = wide(element);
  const texts = decoded({ type: { kind: 'list', element: loose.type }, kind: copyKinds.list, element: loose }, flat, ({ children: [child] }) =>
    Array.from({ length: total }, (_, i) => literal(child ? wideText(element, child, i) : null)));
  const usual = dimensions.every(({ first }) => first === 1);
  return `${usual ? '' : `${dimensions.map(({ size, first }) => `[${first}:${first + size - 1}]`).join('')}=`}${nested(texts, dimensions.map(({ size }) => size))}`;
}

function nested(texts: readonly string[], [size = 0, ...inner]: readonly number[]): string {
  if (inner.length === 0) return `{${texts.join(',')}}`;
  const each = texts.length / size;
  return `{${Array.from({ length: size }, (_, i) => nested(texts.slice(i * each, (i + 1) * each), inner)).join(',')}}`;
}

function literal(text: string | null): string {
  if (text === null) return 'NULL';
  return /^$|[{}",\\\s]|^null$/i.test(text) ? `"${text.replaceAll(/["\\]/g, '\\$&')}"` : text;
}

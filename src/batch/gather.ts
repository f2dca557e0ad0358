import { EtlError } from '../errors/error.ts';
import { Batch, type BatchParts, type Vector } from './batch.ts';
import { Arena, linearMemory, viewBytes, viewInt32, viewInt64 } from './memory.ts';
import { PRESENT, widthOf } from './types.ts';
import { varVector } from './builder.ts';

const memory = new Uint8Array(linearMemory.buffer);

/** The rows at these indices, in their order, as a batch of its own; the given one stays its holder's. */
export function gather(batch: Batch, rowIndices: Int32Array | readonly number[]): Batch {
  const arena = new Arena();
  const indices = Int32Array.from(rowIndices);
  const all = (vectors: readonly Vector[]): Vector[] => vectors.map((vector) => gatherVector(vector, indices, arena));
  return new Batch({
    stream: batch.stream, schema: batch.schema, length: indices.length, columns: all(batch.columns),
    ...(batch.ops && { ops: gatherBytes(batch.ops, 1, indices, arena) }),
    ...(batch.oldKeys && { oldKeys: all(batch.oldKeys) }),
    ...(batch.before && { before: all(batch.before) }),
    ...(batch.seq && { seq: gatherSeq(batch.seq, indices, arena) }),
  }, [arena]);
}

function gatherSeq(seq: BigInt64Array, indices: Int32Array, arena: Arena): BigInt64Array {
  const bytes = gatherBytes(new Uint8Array(seq.buffer, seq.byteOffset, seq.byteLength), 8, indices, arena);
  return viewInt64(bytes.byteOffset, indices.length);
}

/** The values of a vector at these indices. */
export function gatherVector(vector: Vector, indices: Int32Array, arena: Arena): Vector {
  const length = indices.length;
  const validity = vector.validity && gatherBytes(vector.validity, 1, indices, arena);
  const width = widthOf(vector.type);
  if (width > 0) return { ...vector, length, validity, data: gatherBytes(vector.data, width, indices, arena) };
  if (vector.type.kind === 'struct') {
    return { ...vector, length, validity, children: vector.children.map((child) => gatherVector(child, indices, arena)) };
  }
  if (vector.type.kind === 'list') return { ...gatherList(vector, indices, arena), validity };
  return { ...gatherVar(vector, indices, arena), validity };
}

function gatherBytes(data: Uint8Array, width: number, indices: Int32Array, arena: Arena): Uint8Array {
  const taken = arena.bytes(indices.length * width);
  let to = taken.byteOffset;
  forRuns(indices, (first, count) => {
    const from = data.byteOffset + first * width;
    // Vectors lie in the linear memory; moving inside it makes no views.
    memory.copyWithin(to, from, from + count * width);
    to += count * width;
  });
  return taken;
}

/** Calls for each run of indices that follow one another. */
function forRuns(indices: Int32Array, take: (first: number, count: number) => void): void {
  for (let i = 0; i < indices.length;) {
    const first = indices[i] ?? 0;
    let count = 1;
    while (indices[i + count] === first + count) count++;
    take(first, count);
    i += count;
  }
}

function gatherOffsets(offsets: Int32Array, indices: Int32Array, taken: Int32Array): number {
  let at = 0;
  taken[0] = 0;
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] ?? 0;
    at += (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    taken[i + 1] = at;
  }
  return at;
}

function gatherVar(vector: Vector, indices: Int32Array, arena: Arena): Vector {
  const offsets = vector.offsets ?? new Int32Array(1);
  const taken = viewInt32(arena.allocate((indices.length + 1) * 4), indices.length + 1);
  const total = gatherOffsets(offsets, indices, taken);
  const data = viewBytes(arena.allocate(total), total);
  let to = data.byteOffset;
  forRuns(indices, (first, count) => {
    const start = offsets[first] ?? 0;
    const end = offsets[first + count] ?? start;
    memory.copyWithin(to, vector.data.byteOffset + start, vector.data.byteOffset + end);
    to += end - start;
  });
  return { ...vector, length: indices.length, data, offsets: taken };
}

function gatherList(vector: Vector, indices: Int32Array, arena: Arena): Vector {
  const offsets = vector.offsets ?? new Int32Array(1);
  const taken = viewInt32(arena.allocate((indices.length + 1) * 4), indices.length + 1);
  const elements = new Int32Array(gatherOffsets(offsets, indices, taken));
  let at = 0;
  for (const row of indices) {
    for (let element = offsets[row] ?? 0; element < (offsets[row + 1] ?? 0); element++) elements[at++] = element;
  }
  return { ...vector, length: indices.length, offsets: taken, children: vector.children.map((child) => gatherVector(child, elements, arena)) };
}

/** These batches one after the other, as a batch of its own; the given ones stay their holders'. They have the same columns. */
export function concat(batches: readonly Batch[]): Batch {
  const [first] = batches;
  if (!first || batches.some((batch) => batch.columns.length !== first.columns.length)) {
    throw new EtlError({ kind: 'internal', code: 'ETL-BAT-003', message: `Batches of different shapes were put together: ${first?.stream ?? 'none'}.` });
  }
  const arena = new Arena();
  const length = batches.reduce((sum, batch) => sum + batch.length, 0);
  const column = (pick: (batch: BatchParts) => readonly Vector[] | undefined): Vector[] | undefined => {
    const model = batches.map(pick).find((vectors) => vectors !== undefined);
    return model?.map((vector, i) => concatVectors(batches.map((batch) => pick(batch)?.[i] ?? emptyLike(vector, batch.length, arena)), arena));
  };
  const oldKeys = column((batch) => batch.oldKeys);
  const before = column((batch) => batch.before);
  return new Batch({
    stream: first.stream, schema: first.schema, length, columns: column((batch) => batch.columns) ?? [],
    ...(batches.some((batch) => batch.ops) && { ops: concatBytes(batches.map((batch) => batch.ops ?? new Uint8Array(batch.length)), arena) }),
    ...(oldKeys && { oldKeys }), ...(before && { before }),
    ...(batches.some((batch) => batch.seq) && { seq: concatSeq(batches, arena) }),
  }, [arena]);
}

function concatSeq(batches: readonly Batch[], arena: Arena): BigInt64Array {
  const parts = batches.map(({ seq, length }) => (seq ? new Uint8Array(seq.buffer, seq.byteOffset, seq.byteLength) : new Uint8Array(length * 8)));
  const bytes = concatBytes(parts, arena);
  return viewInt64(bytes.byteOffset, bytes.length / 8);
}

function concatBytes(parts: readonly Uint8Array[], arena: Arena): Uint8Array {
  const joined = arena.bytes(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** A column of NULLs of this one's shape. */
function emptyLike(vector: Vector, length: number, arena: Arena): Vector {
  const data = arena.bytes(length * widthOf(vector.type)).fill(0);
  const offsets = vector.offsets && viewInt32(arena.allocate((length + 1) * 4), length + 1).fill(0);
  const childLength = vector.type.kind === 'struct' ? length : 0;
  const children = vector.children.map((child) => emptyLike(child, childLength, arena));
  return { type: vector.type, length, validity: arena.bytes(length).fill(0), data, offsets, children };
}

/** These vectors of one type, one after the other. */
export function concatVectors(vectors: readonly Vector[], arena: Arena): Vector {
  const [first] = vectors;
  if (!first) throw new EtlError({ kind: 'internal', code: 'ETL-BAT-003', message: 'No vectors to put together.' });
  const length = vectors.reduce((sum, vector) => sum + vector.length, 0);
  const validity = vectors.some((vector) => vector.validity)
    ? concatBytes(vectors.map((vector) => vector.validity ?? new Uint8Array(vector.length).fill(PRESENT)), arena) : undefined;
  const children = first.children.map((_, i) => concatVectors(vectors.flatMap((vector) => vector.children[i] ?? []), arena));
  const width = widthOf(first.type);
  if (width > 0) {
    return { ...first, length, validity, data: concatBytes(vectors.map((vector) => vector.data.subarray(0, vector.length * width)), arena) };
  }
  if (!first.offsets) return { ...first, length, validity, children };
  const { data, offsets } = concatVar(vectors, length, arena);
  return { ...first, length, validity, data, offsets, children };
}

function concatVar(vectors: readonly Vector[], length: number, arena: Arena): { data: Uint8Array; offsets: Int32Array } {
  const lengths = vectors.map((vector) => vector.offsets?.[vector.length] ?? 0);
  const { data, offsets } = varVector({ kind: 'bytes' }, length, lengths.reduce((sum, bytes) => sum + bytes, 0), arena);
  let row = 0;
  let at = 0;
  vectors.forEach((vector, i) => {
    for (let j = 1; j <= vector.length; j++) offsets[row + j] = at + (vector.offsets?.[j] ?? 0);
    if (vector.data.length > 0) data.set(vector.data.subarray(0, lengths[i]), at);
    row += vector.length;
    at += lengths[i] ?? 0;
  });
  return { data, offsets };
}

import { toTextVector, viewBytes, type Arena, type Vector } from '#batch';
import { kernels } from '#kernels';
import type { FormatOptions } from '../contract.ts';
import { writtenType } from './schema.ts';

/** The column as it is written: what Parquet has no type for becomes text, parts, or null, as the options say. */
export function convert(vector: Vector, options: FormatOptions, arena: Arena): Vector {
  const { type } = vector;
  switch (type.kind) {
    case 'date': case 'timestamp': case 'timestamptz':
      if (options.infinite === 'text') return toTextVector(vector, arena);
      return options.infinite === 'null' ? withoutInfinite(vector, arena) : vector;
    case 'interval': return options.interval === 'struct' ? parts(vector, options, arena) : toTextVector(vector, arena);
    case 'list': case 'struct':
      return { ...vector, type: writtenType(type, options), children: vector.children.map((child) => convert(child, options, arena)) };
    default: return vector;
  }
}

function withoutInfinite(vector: Vector, arena: Arena): Vector {
  const out = arena.bytes(vector.length);
  const width = vector.type.kind === 'date' ? 4 : 8;
  const found = kernels().pqFinite(width, vector.data.byteOffset, vector.validity?.byteOffset ?? 0, vector.length, out.byteOffset);
  return found === 0 ? vector : { ...vector, validity: out };
}

/** Months, days and microseconds of intervals, which lie as int64 microseconds, int32 days, int32 months. */
function parts(vector: Vector, options: FormatOptions, arena: Arena): Vector {
  const { length } = vector;
  const pick = (width: 4 | 8, offset: number): Uint8Array => {
    const out = arena.allocate(length * width);
    kernels().pqPick(width, vector.data.byteOffset + offset, length, out);
    return viewBytes(out, length * width);
  };
  const child = (kind: 'int32' | 'int64', data: Uint8Array): Vector => ({ type: { kind }, length, validity: undefined, data, offsets: undefined, children: [] });
  return {
    type: writtenType(vector.type, options), length, validity: vector.validity, data: viewBytes(0, 0), offsets: undefined,
    children: [child('int32', pick(4, 12)), child('int32', pick(4, 8)), child('int64', pick(8, 0))],
  };
}

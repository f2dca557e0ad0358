import type { Vector } from '#batch';
import { kernels } from '#kernels';
import { unwritable } from '../errors.ts';
import { Region } from '../region.ts';
import type { Leaf } from './schema.ts';

/** Two sets of entries, from one to the other at each list, and the marks of a leaf's rows. */
export class Shredder {
  readonly marks = new Region();
  private readonly sets = [new Region(), new Region()] as const;
  private current: 0 | 1 = 0;

  get here(): Region {
    return this.sets[this.current];
  }
  get there(): Region {
    return this.sets[this.current === 0 ? 1 : 0];
  }
  turn(): void {
    this.current = this.current === 0 ? 1 : 0;
  }
  release(): void {
    for (const region of [this.marks, ...this.sets]) region.release();
  }
}

/** What some rows are at a leaf: an entry a value or a null or an empty list; the values are rows from..to that `valid` marks. */
export interface Shreds {
  readonly count: number;
  readonly definitions: number;
  readonly repetitions: number;
  readonly vector: Vector;
  readonly valid: number;
  readonly from: number;
  readonly to: number;
}

/** Entry sets lie as: i32 rows, then u8 definitions, then u8 repetitions. */
const ENTRY = 6;

/** Dremel's shredding, a step of the path at a time. Valid until the next call with the same shredder. */
export function shred(shredder: Shredder, leaf: Leaf, top: Vector, rows: { from: number; to: number }): Shreds {
  let { from, to } = rows;
  let count = to - from;
  let vector = top;
  kernels().pqStepRoot(from, to, shredder.here.ensure(count * ENTRY));
  for (const step of leaf.steps) {
    const entries = shredder.here.address;
    if (step.kind === 'optional') kernels().pqStepOptional(vector.validity?.byteOffset ?? 0, entries + count * 4, entries, count);
    else if (step.kind === 'child') vector = childOf(vector, step.index, leaf);
    else {
      const offsets = vector.offsets?.byteOffset ?? 0;
      const size = kernels().pqStepListSize(offsets, entries, count);
      kernels().pqStepList(offsets, entries, count, shredder.there.ensure(size * ENTRY), size, step.repetition);
      [from, to] = [vector.offsets?.[from] ?? 0, vector.offsets?.[to] ?? 0];
      vector = childOf(vector, 0, leaf);
      count = size;
      shredder.turn();
    }
  }
  const entries = shredder.here.address;
  const valid = shredder.marks.ensure(to - from);
  kernels().pqStepLeaf(entries, count, valid, from, to);
  return { count, definitions: entries + count * 4, repetitions: entries + count * 5, vector, valid: valid - from, from, to };
}

function childOf(vector: Vector, index: number, leaf: Leaf): Vector {
  const child = vector.children[index];
  if (!child) throw unwritable(leaf.path.join('.'), 'a nested value without its values');
  return child;
}

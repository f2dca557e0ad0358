import { expect, test } from 'vitest';
import { Arena, viewInt32 } from '#batch';
import { kernels } from '#kernels';

test('a kernel works on the linear memory', () => {
  const arena = new Arena();
  const pointer = arena.allocate(16);
  viewInt32(pointer, 4).set([0, 3, 3, 9]);
  kernels().shiftOffsets(pointer, 4, 2);
  expect([...viewInt32(pointer, 4)]).toEqual([2, 5, 5, 11]);
  arena.release();
});

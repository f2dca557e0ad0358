import { expect, test } from 'vitest';
import { createSlots } from './pipe-run.ts';

test('work waits until so many slots are free as it wants, first come, first served, and what wants too many takes all', async () => {
  const slots = createSlots(10);
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const work = (name: string, wanted: number) => slots(async () => {
    log.push(name);
    await new Promise<void>((end) => { ends.set(name, end); });
  }, wanted);
  const turn = () => new Promise((resolve) => { setImmediate(resolve); });
  const all = [work('a', 6), work('b', 4), work('c', 100), work('d', 1)];
  await turn();
  expect(log).toEqual(['a', 'b']);
  ends.get('a')?.();
  await turn();
  expect(log, 'd is small, but comes after c').toEqual(['a', 'b']);
  ends.get('b')?.();
  await turn();
  expect(log).toEqual(['a', 'b', 'c']);
  ends.get('c')?.();
  await turn();
  ends.get('d')?.();
  await Promise.all(all);
  expect(log).toEqual(['a', 'b', 'c', 'd']);
});

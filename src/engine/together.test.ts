import { expect, test } from 'vitest';
import { together } from './together.ts';

const NEVER = new AbortController().signal;

test('all that is done side by side has ended when the first error is thrown, and was told to stop', async () => {
  const ended: string[] = [];
  const patient = (name: string) => async (stop: AbortSignal) => {
    await new Promise((resolve) => { stop.addEventListener('abort', resolve, { once: true }); });
    await Promise.resolve();
    ended.push(name);
    return name;
  };
  const broken = () => Promise.reject(new RangeError('broken'));
  await expect(together(NEVER, [patient('a'), broken, patient('b')])).rejects.toThrow('broken');
  expect(ended).toEqual(['a', 'b']);
});

test('a stop reaches all; what they came to stands in order', async () => {
  const stop = new AbortController();
  const waits = (name: string) => (signal: AbortSignal) => new Promise<string>((resolve) => { signal.addEventListener('abort', () => { resolve(name); }, { once: true }); });
  const both = together(stop.signal, [waits('a'), waits('b')]);
  stop.abort();
  expect(await both).toEqual(['a', 'b']);
});

import { memoryInUse, poisonReleased } from '#batch';
import { lacking, type DestinationUnderTest, type RuleTest, type TestApi } from './api.ts';
import { Bench } from './bench.ts';
import { changes } from './changes.ts';
import { fences } from './fences.ts';
import { scriptedRuns } from './scripted-runs.ts';
import { visibility } from './visibility.ts';

export type { DestinationUnderTest, TestApi } from './api.ts';

let suites = 0;

/**
 * Registers a test for every promise of a destination that can be checked from outside. What it does not declare to be able to is left
 * out, and said: once in the suite's output, each with the capability that is lacking.
 */
export function destinationAcceptance(under: DestinationUnderTest, api: TestApi): void {
  const suite = ++suites;
  const all: readonly RuleTest[] = [...fences, ...visibility, ...changes, ...scriptedRuns(under)];
  const leftOut = all.flatMap((test) => {
    const need = lacking(under, test.needs);
    return need === undefined ? [] : [`${test.name} (does not declare: ${need})`];
  });
  api.describe(`destination ${under.name}`, () => {
    api.beforeAll(async () => {
      poisonReleased(0xdb);
      await under.start?.();
    });
    api.afterAll(async () => {
      poisonReleased(undefined);
      await under.stop?.();
      if (leftOut.length > 0) process.stderr.write(`${under.name}: ${leftOut.length} of ${all.length} acceptance tests left out:\n  ${leftOut.join('\n  ')}\n`);
    });
    all.forEach((test, i) => {
      if (lacking(under, test.needs) !== undefined) return;
      api.test(test.name, () => once(under, api, test, `t${process.pid}_${suite}_${i}`));
    });
    api.test('declares the same capabilities offline and made', async () => {
      const destination = await under.make();
      api.expect(destination.capabilities).toEqual(under.capabilities);
      await destination[Symbol.asyncDispose]();
    });
  });
}

/** A test in a place of its own; every batch must have been released at its end. */
async function once(under: DestinationUnderTest, api: TestApi, test: RuleTest, name: string): Promise<void> {
  const before = memoryInUse();
  const bench = new Bench(under, api, name);
  try {
    await test.run(bench);
  } finally {
    await bench.end();
  }
  api.expect(memoryInUse(), 'bytes of batches that were not released').toBe(before);
}

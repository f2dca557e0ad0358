import { afterAll, describe, test } from 'vitest';
import { KINDS, type PlaceKind } from './places.ts';
import { playRound } from './rounds.ts';

/** A few of the seeded rounds on every run of the tests; `npm run rounds` plays thousands. Each plays one killed round. */
const ROUNDS: Readonly<Record<string, number>> = { memory: 60, jsonl: 20, parquet: 20, duckdb: 20, postgres: 20 };

for (const [name, rounds] of Object.entries(ROUNDS)) {
  describe(`rounds into ${name}`, () => {
    let kind: PlaceKind | undefined;
    afterAll(async () => { await kind?.stop?.(); });
    test(`${rounds} rounds with a break in each: 0 lost, 0 doubled, order kept`, async () => {
      kind = await KINDS[name]?.();
      for (let seed = 1; kind && seed <= rounds; seed++) await playRound(kind, seed);
    });
  });
}

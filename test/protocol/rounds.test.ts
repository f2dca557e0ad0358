import { afterAll, describe, test } from 'vitest';
import { KINDS, type PlaceKind } from './places.ts';
import { playRound } from './rounds.ts';

/** A few of the seeded rounds on every run of the tests; `npm run rounds` plays thousands. Each plays one killed round. */
const ROUNDS: Readonly<Record<string, number>> = { memory: 60, jsonl: 20, parquet: 20, duckdb: 20, postgres: 20 };
/** Rounds that once found something: a file of DuckDB's whose log could not be replayed. */
const FOUND: Readonly<Record<string, readonly number[]>> = { duckdb: [1248] };

for (const [name, rounds] of Object.entries(ROUNDS)) {
  describe(`rounds into ${name}`, () => {
    let kind: PlaceKind | undefined;
    afterAll(async () => { await kind?.stop?.(); });
    test(`${rounds} rounds with a break in each: 0 lost, 0 doubled, order kept`, async () => {
      kind = await KINDS[name]?.();
      const seeds = [...Array.from({ length: rounds }, (_, index) => index + 1), ...(FOUND[name] ?? [])];
      for (const seed of seeds) if (kind) await playRound(kind, seed);
    });
  });
}

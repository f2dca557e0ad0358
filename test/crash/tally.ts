import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface RouteTally { kills: number; rounds: number; failed: number; kinds: Record<string, number>; failpoints: Record<string, number>; seeds: number[] }
export type Tally = Record<string, RouteTally>;

export const emptyTally = (): RouteTally => ({ kills: 0, rounds: 0, failed: 0, kinds: {}, failpoints: {}, seeds: [] });

export function count(into: Record<string, number>, name: string, by = 1): void {
  into[name] = (into[name] ?? 0) + by;
}

export function add(into: RouteTally, one: RouteTally): void {
  into.kills += one.kills;
  into.rounds += one.rounds;
  into.failed += one.failed;
  into.seeds.push(...one.seeds);
  for (const key of ['kinds', 'failpoints'] as const) for (const [name, value] of Object.entries(one[key])) count(into[key], name, value);
}

/** Adds a round to the numbers that are kept beside the docs. */
export function addTo(file: string, route: string, one: RouteTally): void {
  const all = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Tally;
  const kept = all[route] ?? emptyTally();
  add(kept, one);
  all[route] = kept;
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
}

export function printTally(route: string, tally: RouteTally, say: (line: string) => void): void {
  const list = (from: Record<string, number>): string => Object.entries(from).toSorted(([, a], [, b]) => b - a).map(([name, value]) => `  ${String(value).padStart(6)}  ${name}`).join('\n');
  say(`${route}: ${tally.kills} breaks in ${tally.rounds} rounds`);
  say(`by kind\n${list(tally.kinds)}`);
  say(`died at failpoint\n${list(tally.failpoints)}`);
}

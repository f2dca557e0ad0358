import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export interface RouteTally {
  /** Breaks that hit a live run. */
  kills: number;
  /** Draws that hit nothing alive: runs that ended before, and were judged like any other. */
  missed: number;
  rounds: number;
  failed: number;
  seconds: number;
  kinds: Record<string, number>;
  outcomes: Record<string, number>;
  failpoints: Record<string, number>;
  /** The campaign: round n of a seed is drawn from both. */
  seeds: number[];
}
type Tally = Record<string, RouteTally>;

export const emptyTally = (): RouteTally => ({ kills: 0, missed: 0, rounds: 0, failed: 0, seconds: 0, kinds: {}, outcomes: {}, failpoints: {}, seeds: [] });

export function count(into: Record<string, number>, name: string, by = 1): void {
  into[name] = (into[name] ?? 0) + by;
}

export function add(into: RouteTally, one: RouteTally): void {
  for (const key of ['kills', 'missed', 'rounds', 'failed', 'seconds'] as const) into[key] += one[key];
  for (const key of ['kinds', 'outcomes', 'failpoints'] as const) for (const [name, value] of Object.entries(one[key])) count(into[key], name, value);
  for (const seed of one.seeds) if (!into.seeds.includes(seed)) into.seeds.push(seed);
}

function read(file: string): Tally {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) as Tally : {};
}

export const keptTally = (file: string, route: string): RouteTally => read(file)[route] ?? emptyTally();

/** Adds a round to the numbers that are kept beside the docs. */
export function addTo(file: string, route: string, one: RouteTally): void {
  const kept = keptTally(file, route);
  add(kept, one);
  writeFileSync(file, `${JSON.stringify({ ...read(file), [route]: kept }, null, 2)}\n`);
}

export function printTally(route: string, tally: RouteTally, say: (line: string) => void): void {
  const list = (from: Record<string, number>): string => Object.entries(from).toSorted(([, a], [, b]) => b - a).map(([name, value]) => `  ${String(value).padStart(6)}  ${name}`).join('\n');
  say(`${route}: ${tally.kills} breaks in ${tally.rounds} rounds, ${(tally.seconds / Math.max(1, tally.kills)).toFixed(1)} s a break; ${tally.missed} draws missed`);
  say(`by kind\n${list(tally.kinds)}`);
  say(`and then\n${list(tally.outcomes)}`);
  say(`at failpoint\n${list(tally.failpoints)}`);
}

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Played } from './rounds.ts';

/** What the rounds into one destination came to, over all campaigns. */
export interface Tally {
  /** Rounds in which at least one run was broken: only they count. */
  rounds: number;
  /** Of them, those whose run was a child that was killed. */
  killed: number;
  /** Rounds whose breaks never came to their place. */
  unbroken: number;
  nextSeed: number;
  routes: Record<string, number>;
  kinds: Record<string, number>;
  /** Breaks by the step where they happened. */
  breaks: Record<string, number>;
}

export const TALLY_FILE = fileURLToPath(new URL('../../docs/rounds-tally.json', import.meta.url));

export function emptyTally(nextSeed = 1): Tally {
  return { rounds: 0, killed: 0, unbroken: 0, nextSeed, routes: {}, kinds: {}, breaks: {} };
}

function all(file: string): Record<string, Tally> {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Tally>) : {};
}

export function keptTally(destination: string, file = TALLY_FILE): Tally {
  return all(file)[destination] ?? emptyTally();
}

export function keepTally(destination: string, tally: Tally, file = TALLY_FILE): void {
  const sorted = Object.entries({ ...all(file), [destination]: tally }).sort(([one], [other]) => (one < other ? -1 : 1));
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}

function count(into: Record<string, number>, name: string): void {
  into[name] = (into[name] ?? 0) + 1;
}

export function addRound(tally: Tally, { round, hits }: Played): void {
  tally.nextSeed = round.seed + 1;
  if (hits.length === 0) {
    tally.unbroken++;
    return;
  }
  const { job, options } = round;
  tally.rounds++;
  if (hits.some(({ kind }) => kind === 'kill')) tally.killed++;
  count(tally.routes, [options.endless && 'endless', options.world, job.maxTransactionBytes !== undefined && 'in parts', job.deletes === 'soft' && 'soft', job.write].filter(Boolean).join(' '));
  for (const { kind, where } of hits) {
    count(tally.kinds, kind);
    count(tally.breaks, where);
  }
}

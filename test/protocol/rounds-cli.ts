import { parseArgs } from 'node:util';
import type { WriteMode } from '#sdk';
import { KINDS } from './places.ts';
import { playRound } from './rounds.ts';
import { RoundFailure } from './scene.ts';
import { addRound, emptyTally, keepTally, keptTally } from './tally.ts';

/**
 * `npm run rounds -- --destination memory --rounds 2000 --seed 1`: rounds with a break in each, until there are so many. Stops at the first
 * failure, with the line that replays it. With `--continue` they are added to docs/rounds-tally.json, until that holds so many; a round that
 * fails is played again by the next call.
 */
const { values } = parseArgs({
  options: {
    destination: { type: 'string', default: 'memory' }, rounds: { type: 'string', default: '200' }, seed: { type: 'string' },
    seconds: { type: 'string' }, write: { type: 'string' }, continue: { type: 'boolean', default: false },
  },
});
const make = KINDS[values.destination];
if (!make) throw new RangeError(`destinations: ${Object.keys(KINDS).join(', ')}`);
const kind = await make();
const started = performance.now();
const until = values.seconds === undefined ? Infinity : started + Number(values.seconds) * 1000;
const wanted = Number(values.rounds);
const tally = values.continue ? keptTally(kind.name) : emptyTally();
if (values.seed !== undefined) tally.nextSeed = Number(values.seed);
const told = (): string => `${kind.name}: ${tally.rounds} rounds with a break in each, ${tally.killed} of them killed, ${tally.unbroken} more without, next seed ${tally.nextSeed}, ${Math.round((performance.now() - started) / 1000)} s`;
const kept = (): void => { if (values.continue) keepTally(kind.name, tally); };
try {
  while (tally.rounds < wanted && performance.now() < until) {
    addRound(tally, await playRound(kind, tally.nextSeed, values.write as WriteMode | undefined));
    if (tally.rounds % 20 === 0) kept();
    if (tally.rounds % 100 === 0) console.log(told());
  }
  console.log(`${told()}: 0 lost, 0 doubled, order kept`);
} catch (error) {
  if (!(error instanceof RoundFailure)) throw error;
  console.log(error.message);
  process.exitCode = 1;
} finally {
  kept();
  await kind.stop?.();
}
process.exit();

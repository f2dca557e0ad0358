import { parseArgs } from 'node:util';
import type { WriteMode } from '#sdk';
import { KINDS } from './places.ts';
import { playRound, RoundFailure } from './rounds.ts';

/** `npm run rounds -- --destination memory --rounds 2000 --seed 1`: stops at the first failure, with the line that replays it. */
const { values } = parseArgs({
  options: { destination: { type: 'string', default: 'memory' }, rounds: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' }, seconds: { type: 'string' }, write: { type: 'string' } },
});
const make = KINDS[values.destination];
if (!make) throw new RangeError(`destinations: ${Object.keys(KINDS).join(', ')}`);
const kind = await make();
const first = Number(values.seed);
const started = performance.now();
const until = values.seconds === undefined ? Infinity : started + Number(values.seconds) * 1000;
let played = 0;
let kills = 0;
try {
  for (; played < Number(values.rounds) && performance.now() < until; played++) {
    const round = await playRound(kind, first + played, values.write as WriteMode | undefined);
    if (round.breaks.some((one) => one.kind === 'kill')) kills++;
    if ((played + 1) % 100 === 0) console.log(`${kind.name}: ${played + 1} rounds, ${kills} of them killed, ${Math.round((performance.now() - started) / 1000)} s`);
  }
  console.log(`${kind.name}: ${played} rounds from seed ${first}, ${kills} of them killed: 0 lost, 0 doubled, order kept, ${Math.round((performance.now() - started) / 1000)} s`);
} catch (error) {
  if (!(error instanceof RoundFailure)) throw error;
  console.log(error.message);
  process.exitCode = 1;
} finally {
  await kind.stop?.();
}
process.exit();

import { hunt, LIMIT_SECONDS, type PlantedBug, type Verdict } from './harness.ts';
import { PLANTED } from './planted.ts';
import { foundBefore, keepTable } from './table.ts';

/**
 * `npm run bugs [-- words of a name]`: each planted mistake must be found, by its catcher, within five minutes. What was found is kept in
 * the table of docs/testing.md.
 */
const wanted = process.argv.slice(2).join(' ');
const chosen: readonly PlantedBug[] = PLANTED.filter((bug) => bug.name.includes(wanted));
let missed = 0;
for (const bug of chosen) {
  const verdict: Verdict | string = await hunt(bug).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  const caughtBy = typeof verdict !== 'string' && verdict.seconds < LIMIT_SECONDS ? verdict.caughtBy : undefined;
  const found = foundBefore();
  if (typeof verdict === 'string' || caughtBy === undefined) missed++;
  else found.set(bug.name, { by: caughtBy, seconds: verdict.seconds });
  if (caughtBy === undefined) found.delete(bug.name);
  keepTable(PLANTED, found);
  const told = typeof verdict === 'string' ? `COULD NOT BE TRIED: ${verdict}` : `${String(verdict.seconds).padStart(4)} s  ${verdict.caughtBy ?? 'NOT CAUGHT'}`;
  console.log(`${bug.name.padEnd(62)} ${told}`);
}
console.log(`${chosen.length - missed} of ${chosen.length} planted mistakes caught`);
process.exit(missed > 0 ? 1 : 0);

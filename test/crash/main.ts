import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { CommitProxy } from './proxy.ts';
import { Random } from './random.ts';
import { Round } from './round.ts';
import { add, addTo, emptyTally, printTally, type RouteTally } from './tally.ts';
import { ROUTES, type Route } from './targets.ts';

/**
 * npm run crash -- --route postgres-duckdb --kills 50 --seed 7 [--continue] [--round 3]
 * Real processes are killed, stopped and cut off while writers change the source. The seed decides every draw; when the
 * operating system lets a process go on is not in its hand, so a replay repeats the plan, not each microsecond.
 */
const BREAKS_PER_ROUND = 10;
const { values } = parseArgs({ options: { route: { type: 'string' }, kills: { type: 'string', default: '50' }, seed: { type: 'string' }, round: { type: 'string' }, continue: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } });
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const route = ROUTES.find((name) => name === values.route);
if (route === undefined) {
  process.stderr.write(`--route is one of ${ROUTES.join(', ')}\n`);
  process.exit(2);
}
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9));
const tallyFile = fileURLToPath(new URL('../../../docs/crash-tally.json', import.meta.url));

interface RoundOf { readonly server: PostgresServer; readonly proxy: CommitProxy; readonly number: number; readonly breaks: number; readonly tally: RouteTally; readonly on: Route }

async function oneRound({ server, proxy, number, breaks, tally, on }: RoundOf): Promise<boolean> {
  const folder = mkdtempSync(join(tmpdir(), 'etl-crash-'));
  const names = [`source_${number}`, `target_${number}`] as const;
  const [sourceUrl, targetUrl] = [await server.createDatabase(names[0]), await server.createDatabase(names[1])];
  const round = new Round({ route: on, random: new Random(Math.imul(seed, 1_000_003) + number), folder, sourceUrl, targetUrl, proxy, breaks, tally, say });
  const before = tally.kills;
  const since = performance.now();
  try {
    await round.run();
    say(`round ${number}: ${round.title}: ${tally.kills - before} breaks, ${Math.round((performance.now() - since) / 1000)} s`);
    return true;
  } catch (error) {
    tally.failed++;
    say(`round ${number} FAILED: ${round.title}\n${error instanceof Error ? (error.name === 'Error' ? error.message : error.stack) : String(error)}`);
    say(`  again: npm run crash -- --route ${on} --kills ${breaks} --seed ${seed} --round ${number} --keep${values.keep ? `   (kept: ${folder})` : ''}`);
    return false;
  } finally {
    tally.rounds++;
    if (!values.keep) {
      rmSync(folder, { recursive: true, force: true });
      for (const name of names) await server.query(`drop database if exists ${name} with (force)`);
    }
  }
}

const kills = Number(values.kills);
const tally = emptyTally();
// A campaign that is broken off still ends the server that it started, and keeps what its finished rounds have counted.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`seed ${seed}: broken off after ${tally.kills} breaks, ${tally.failed} rounds failed`);
    process.exit(1);
  });
}
say(`seed ${seed}: ${kills} breaks on ${route}`);
const server = await startPostgres();
const proxy = await CommitProxy.start(server.port);
for (let number = Number(values.round ?? 0); tally.kills < kills; number++) {
  const one = emptyTally();
  if (number === Number(values.round ?? 0)) one.seeds.push(seed);
  await oneRound({ server, proxy, number, breaks: Math.min(BREAKS_PER_ROUND, kills - tally.kills), tally: one, on: route });
  add(tally, one);
  if (values.continue) addTo(tallyFile, route, one);
  if (values.round !== undefined || tally.failed >= 5) break;
}
await proxy.close();
await server.stop();
printTally(route, tally, say);
if (values.continue) {
  say('added to docs/crash-tally.json');
}
say(`seed ${seed}: ${tally.kills} breaks survived, ${tally.failed} rounds failed`);
process.exit(tally.failed > 0 ? 1 : 0);

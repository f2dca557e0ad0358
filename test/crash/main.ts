import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { CommitProxy } from './proxy.ts';
import { Random } from './random.ts';
import { Round } from './round.ts';
import { ROUTES, type Route } from './routes.ts';
import { RoundFailed } from './runs.ts';
import { add, addTo, emptyTally, keptTally, printTally, type RouteTally } from './tally.ts';

/**
 * npm run crash -- --route postgres-duckdb --kills 50 --seed 7 [--round 3] [--keep]
 * npm run crash -- --route postgres-duckdb --kills 500 --continue
 * Real processes are killed, stopped and cut off while writers change the source. The seed decides every draw; when the operating system
 * lets a process go on is not in its hand, so a replay repeats the plan, not each microsecond.
 * `--continue` goes on with the kept campaign until its tally holds so many; `--failures` and `--seconds` end it earlier.
 */
const BREAKS_PER_ROUND = 12;
const TALLY = fileURLToPath(new URL('../../../docs/crash-tally.json', import.meta.url));
const { values } = parseArgs({ options: { route: { type: 'string' }, kills: { type: 'string', default: '50' }, seed: { type: 'string' }, round: { type: 'string' }, failures: { type: 'string', default: '5' }, seconds: { type: 'string', default: 'Infinity' }, continue: { type: 'boolean', default: false }, keep: { type: 'boolean', default: false } } });
const until = 1000 * Number(values.seconds);
const say = (line: string): void => void process.stdout.write(`${line}\n`);

interface Campaign { readonly route: Route; readonly seed: number; readonly server: PostgresServer; readonly proxy: CommitProxy }

async function oneRound({ route, seed, server, proxy }: Campaign, number: number, breaks: number): Promise<RouteTally> {
  const tally: RouteTally = { ...emptyTally(), rounds: 1, seeds: [seed] };
  const folder = mkdtempSync(join(tmpdir(), 'etl-crash-'));
  const names = [`source_${number}`, `target_${number}`] as const;
  const [sourceUrl, targetUrl] = [await server.createDatabase(names[0]), await server.createDatabase(names[1])];
  const round = new Round({ route, random: new Random(Math.imul(seed, 1_000_003) + number), folder, sourceUrl, targetUrl, proxy, breaks, until, tally });
  const since = performance.now();
  try {
    await round.run();
  } catch (error) {
    tally.failed = 1;
    say(`${route}, round ${number} FAILED: ${error instanceof RoundFailed ? error.message : error instanceof Error ? error.stack : String(error)}`);
    say(`  again: npm run crash -- --route ${route} --kills ${breaks} --seed ${seed} --round ${number} --keep${values.keep ? `   (kept: ${folder})` : ''}`);
  }
  tally.seconds = Math.round((performance.now() - since) / 100) / 10;
  say(`${route}, round ${number}: ${round.title}: ${tally.kills} breaks, ${tally.missed} missed, ${tally.seconds} s`);
  if (!values.keep) {
    rmSync(folder, { recursive: true, force: true });
    for (const name of names) await server.query(`drop database if exists ${name} with (force)`);
  }
  return tally;
}

const route = ROUTES.find((name) => name === values.route);
if (route === undefined) {
  process.stderr.write(`--route is one of ${ROUTES.join(', ')}\n`);
  process.exit(2);
}
const kept = values.continue ? keptTally(TALLY, route) : emptyTally();
const seed = Number(values.seed ?? kept.seeds.at(-1) ?? Math.floor(Math.random() * 1e9));
const kills = Number(values.kills) - kept.kills;
const first = Number(values.round ?? kept.rounds);
const tally = emptyTally();
// A campaign that is broken off still ends the server that it started, and keeps what its finished rounds have counted.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    say(`seed ${seed}: broken off after ${tally.kills} breaks, ${tally.failed} rounds failed`);
    process.exit(1);
  });
}
say(`seed ${seed}: ${Math.max(0, kills)} breaks on ${route}, from round ${first}`);
const server = await startPostgres({ settings: { autovacuum: 'off' } });
const proxy = await CommitProxy.start(server.port);
for (let number = first; tally.kills < kills && tally.failed < Number(values.failures) && performance.now() < until; number++) {
  const one = await oneRound({ route, seed, server, proxy }, number, Math.min(BREAKS_PER_ROUND, kills - tally.kills));
  add(tally, one);
  if (values.continue) addTo(TALLY, route, one);
  if (values.round !== undefined) break;
}
await proxy.close();
await server.stop();
printTally(route, tally, say);
say(`seed ${seed}: ${tally.kills} breaks survived, ${tally.failed} rounds failed`);
process.exit(tally.failed > 0 ? 1 : 0);

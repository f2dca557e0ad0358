/**
 * `npm run bench`: every gate of speed in one run, each contestant in turn, the contents compared, ratios only.
 *   --install-peers   fetch the other tools into a cache, and end
 *   --only a,b        these cells        --pg URL   a server that is there, instead of one of our own
 *   --rows N          rows of `mixed`    --rounds N rounds of the long cells (5), --short N of the short (11)
 */
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startPostgres } from '../services/postgres.ts';
import { cells, freshFolder, warmMerge, type Cell, type Setting } from './cells.ts';
import { Content } from './content.ts';
import { World } from './data.ts';
import { gates, GROWTH, passes, type Gate, type Medians } from './gates.ts';
import { measure, median, type Cost } from './measure.ts';
import { findPeers, installPeers } from './peers.ts';

const { values: flags } = parseArgs({ options: {
  'install-peers': { type: 'boolean' }, only: { type: 'string' }, pg: { type: 'string' },
  rows: { type: 'string', default: '1000000' }, rounds: { type: 'string', default: '5' }, short: { type: 'string', default: '11' },
} });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const missing = new Set<string>();
const wrong: string[] = [];

async function bench(cell: Cell, setting: Setting): Promise<Map<string, Cost>> {
  const costs = new Map<string, Cost[]>();
  await warmMerge(setting, cell, (command, log) => measure(command, log));
  for (let round = 0; round < cell.rounds; round++) {
    for (const contestant of round % 2 === 0 ? cell.contestants : cell.contestants.toReversed()) {
      if (contestant.command === undefined) {
        missing.add(contestant.name);
        continue;
      }
      try {
        await contestant.prepare?.();
        const cost = await measure(contestant.command, join(setting.folder, `${cell.name}.log`));
        await contestant.check?.();
        costs.set(contestant.name, [...(costs.get(contestant.name) ?? []), cost]);
      } catch (error) {
        wrong.push(`${cell.name}, ${contestant.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return new Map([...costs].map(([name, all]) => [name, {
    wallSeconds: median(all.map((cost) => cost.wallSeconds)), cpuSeconds: median(all.map((cost) => cost.cpuSeconds)), peakMegabytes: Math.max(...all.map((cost) => cost.peakMegabytes)),
  }]));
}

function table(cell: Cell, costs: ReadonlyMap<string, Cost>): void {
  say(`\n${cell.title} (${cell.rounds} rounds)`);
  for (const [name, cost] of costs) {
    const million = cell.rows / 1e6;
    const rates = cell.rows >= 1000 ? `${Math.round(cell.rows / cost.wallSeconds / 1000)} k rows/s, ${(cost.cpuSeconds / million).toFixed(2)} CPU-s/M` : `${cost.cpuSeconds.toFixed(2)} CPU-s`;
    say(`  ${name.padEnd(30)} ${cost.wallSeconds.toFixed(3)} s, ${rates}, ${Math.round(cost.peakMegabytes)} MB`);
  }
}

function verdicts(results: Medians): boolean {
  let good = true;
  say('\nGates');
  const line = (gate: Pick<Gate, 'cell' | 'text' | 'kind' | 'limit'>, ratio: number | undefined): void => {
    const verdict = ratio === undefined ? 'not measured' : passes(gate, ratio) ? 'PASS' : 'FAIL';
    if (verdict === 'FAIL') good = false;
    say(`  ${verdict.padEnd(12)} ${gate.cell.padEnd(8)} ${(ratio?.toFixed(2) ?? '-').padStart(6)} × ${gate.text} (${gate.kind === 'least' ? '≥' : '≤'} ${gate.limit})`);
  };
  for (const gate of gates) {
    const costs = results.get(gate.cell);
    if (costs) line(gate, gate.ratio((name) => costs.get(name)));
  }
  const [once, tenfold] = ['mixed', 'tenfold'].map((name) => results.get(name)?.get('etl')?.peakMegabytes);
  if (tenfold !== undefined) line(GROWTH, once === undefined ? undefined : tenfold / once);
  return good;
}

async function main(): Promise<void> {
  if (flags['install-peers']) return installPeers();
  const folder = freshFolder(join(tmpdir(), `etl-bench-${process.pid}`));
  const server = flags.pg === undefined ? await startPostgres({ settings: { shared_buffers: '512MB' } }) : undefined;
  try {
    const mixed = Number(flags.rows);
    const world = new World(flags.pg ?? server?.url ?? '', { mixed, wide: Math.ceil(mixed * 0.4) });
    await world.load();
    const setting: Setting = { world, content: new Content(world), peers: findPeers(), folder, short: Number(flags.short), long: Number(flags.rounds) };
    say(`${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), node ${process.version}, Postgres on the same cores, ${mixed} rows`);
    const results = new Map<string, Map<string, Cost>>();
    for (const cell of cells(setting).filter(({ name }) => flags.only === undefined || flags.only.split(',').includes(name))) {
      const costs = await bench(cell, setting);
      results.set(cell.name, costs);
      table(cell, costs);
    }
    const good = verdicts(results);
    for (const text of wrong) say(`\nWRONG: ${text}`);
    if (missing.size > 0) say(`\nNOT THERE, so not compared: ${[...missing].join(', ')}. npm run bench -- --install-peers fetches what a package registry has; psql comes with Postgres.`);
    process.exitCode = good && wrong.length === 0 && missing.size === 0 ? 0 : 1;
  } finally {
    await server?.stop();
    freshFolder(folder);
  }
}

await main();

/**
 * `npm run bench`: every gate of speed in one run, each contestant in turn, the contents compared, ratios only.
 *   --install-peers   fetch the other tools into a cache, and end
 *   --only a,b        these cells: help one merge mixed tls wide pg-heap pg-key duckdb hash memory
 *   --rounds N        of each cell, instead of 5, and 11 of what is short
 *   --rows N          of `mixed`, instead of a million
 *   --pg URL          a server that is there, instead of one of our own
 *   --report FILE     default: docs/benchmark.md when all cells run with all rounds and rows, otherwise none
 */
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { writeCertificate } from '../services/certificate.ts';
import { startPostgres } from '../services/postgres.ts';
import { cells, freshFolder, type Cell, type Setting } from './cells.ts';
import { Content } from './content.ts';
import { World } from './data.ts';
import type { Runs } from './gates.ts';
import { root } from './jobs.ts';
import { measure, type Cost } from './measure.ts';
import { findPeers, installPeers } from './peers.ts';
import { cellLines, gateLines, judge, reportFile, type Outcome } from './report.ts';

const { values: flags } = parseArgs({ options: {
  'install-peers': { type: 'boolean' }, only: { type: 'string' }, pg: { type: 'string' }, rows: { type: 'string' }, rounds: { type: 'string' }, report: { type: 'string' },
} });
const say = (text: string): void => void process.stdout.write(`${text}\n`);
const missing = new Set<string>();
const wrong: string[] = [];
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function bench(cell: Cell, setting: Setting): Promise<Runs> {
  const runs = new Map<string, (Cost | undefined)[]>();
  try {
    await cell.before?.();
    for (let round = 0; round < cell.rounds; round++) {
      for (const contestant of round % 2 === 0 ? cell.contestants : cell.contestants.toReversed()) {
        if (contestant.command === undefined) {
          missing.add(`${contestant.name} (${cell.name})`);
          continue;
        }
        const costs = runs.get(contestant.name) ?? [];
        runs.set(contestant.name, costs);
        try {
          await contestant.prepare?.();
          const cost = await measure(contestant.command, join(setting.folder, `${cell.name}.log`));
          await contestant.check?.();
          costs[round] = cost;
        } catch (error) {
          wrong.push(`${cell.name}, ${contestant.name}: ${messageOf(error)}`);
        }
      }
    }
  } catch (error) {
    wrong.push(`${cell.name}: ${messageOf(error)}`);
  } finally {
    await cell.after?.().catch((error: unknown) => wrong.push(`${cell.name}: ${messageOf(error)}`));
  }
  return runs;
}

/** A server of our own with all data in it, unless one is named. */
async function openWorld(folder: string, rows: number): Promise<{ world: World; stop(): Promise<void> }> {
  const server = flags.pg === undefined ? await startPostgres({ settings: { shared_buffers: '512MB' } }) : undefined;
  const certificate = server && writeCertificate(folder);
  const world = new World(flags.pg ?? server?.url ?? '', { mixed: rows, wide: Math.ceil(rows * 0.4) }, certificate);
  await world.load();
  return { world, stop: async () => server?.stop() };
}

async function benchAll(world: World, folder: string): Promise<Outcome> {
  const started = performance.now();
  const [long, short] = flags.rounds === undefined ? [5, 11] : [Number(flags.rounds), Number(flags.rounds)];
  const setting: Setting = { world, content: new Content(world), peers: findPeers(), folder, short, long };
  const measured: { cell: Cell; runs: Runs }[] = [];
  for (const cell of cells(setting).filter(({ name }) => flags.only === undefined || flags.only.split(',').includes(name))) {
    const runs = await bench(cell, setting);
    measured.push({ cell, runs });
    say(`\n${cellLines(cell, runs).join('\n')}`);
  }
  const [version] = await world.query<{ server_version: string }>(undefined, 'show server_version');
  return {
    measured, wrong, missing: [...missing], verdicts: judge(new Map(measured.map(({ cell, runs }) => [cell.name, runs]))), postgres: version?.server_version ?? 'unknown',
    minutes: (performance.now() - started) / 60_000, command: ['npm run bench', ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : [])].join(' '),
  };
}

async function main(): Promise<void> {
  const folder = freshFolder(join(tmpdir(), `etl-bench-${process.pid}`));
  const { world, stop } = await openWorld(folder, Number(flags.rows ?? 1_000_000));
  try {
    const outcome = await benchAll(world, folder);
    say(`\n${gateLines(outcome).join('\n')}`);
    const whole = flags.only === undefined && flags.rows === undefined && flags.rounds === undefined;
    const file = flags.report ?? (whole ? join(root, 'docs/benchmark.md') : undefined);
    if (file !== undefined) {
      reportFile(file, outcome);
      say(`\nWritten to ${file}`);
    }
    process.exitCode = outcome.verdicts.every(({ verdict }) => verdict === 'PASS') && wrong.length === 0 && missing.size === 0 ? 0 : 1;
  } finally {
    await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

if (flags['install-peers']) process.exitCode = installPeers() ? 0 : 1;
else await main();

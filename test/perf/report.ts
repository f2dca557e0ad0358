import { writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import type { Cell } from './cells.ts';
import { costsOf, gates, middle, passes, type Gate, type Runs } from './gates.ts';
import { VERSIONS } from './peers.ts';

export interface Verdict { readonly gate: Gate; readonly ratio: number | undefined; readonly verdict: 'PASS' | 'FAIL' | 'not measured' }

export interface Outcome {
  readonly measured: readonly { readonly cell: Cell; readonly runs: Runs }[];
  readonly verdicts: readonly Verdict[];
  /** What failed or wrote something else than the source holds. */
  readonly wrong: readonly string[];
  /** Contestants that are not on this machine. */
  readonly missing: readonly string[];
  readonly postgres: string;
  readonly minutes: number;
  readonly command: string;
}

/** Gates of the cells that ran. */
export function judge(cells: ReadonlyMap<string, Runs>): Verdict[] {
  return gates.flatMap((gate): Verdict[] => {
    const runs = cells.get(gate.cell);
    if (!runs) return [];
    const ratio = gate.ratio(runs);
    return [{ gate, ratio, verdict: ratio === undefined || Number.isNaN(ratio) ? 'not measured' : passes(gate, ratio) ? 'PASS' : 'FAIL' }];
  });
}

const HEAD = ['contestant', 'seconds', 'fastest', 'k rows/s', 'CPU-s', 'CPU-s/M', 'peak MB', 'runs'] as const;

function rowsOf(cell: Cell, runs: Runs): string[][] {
  return [...runs.keys()].map((name) => {
    const costs = costsOf(runs, name);
    if (costs.length === 0) return [name, 'failed', '-', '-', '-', '-', '-', '0'];
    const [wall, cpu] = [middle(runs, name, 'wallSeconds') ?? 0, middle(runs, name, 'cpuSeconds') ?? 0];
    const rows = cell.contestants.find((contestant) => contestant.name === name)?.rows ?? cell.rows;
    const many = rows >= 1000;
    return [
      name, wall.toFixed(3), Math.min(...costs.map((cost) => cost.wallSeconds)).toFixed(3), many ? String(Math.round(rows / wall / 1000)) : '-',
      cpu.toFixed(2), many ? (cpu / (rows / 1e6)).toFixed(2) : '-', String(Math.round(Math.max(...costs.map((cost) => cost.peakMegabytes)))), String(costs.length),
    ];
  });
}

/** For the terminal: columns of equal width. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => `  ${row.map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0))).join('  ')}`);
}

const markdown = (rows: readonly (readonly string[])[]): string[] => [rows[0] ?? [], (rows[0] ?? []).map(() => '---'), ...rows.slice(1)].map((row) => `| ${row.join(' | ')} |`);

const GATE_HEAD = ['', 'cell', 'measured', 'against', 'must be'] as const;
function gateRows(verdicts: readonly Verdict[]): string[][] {
  return verdicts.map(({ gate, ratio, verdict }) => [verdict, gate.cell, ratio === undefined ? '-' : `${ratio.toFixed(2)} ×`, gate.text, `${gate.kind === 'least' ? '≥' : '≤'} ${gate.limit} ×`]);
}

export function cellLines(cell: Cell, runs: Runs): string[] {
  return [`${cell.title} (${cell.name}, ${cell.rounds} rounds)`, ...aligned([HEAD, ...rowsOf(cell, runs)])];
}

function notices({ wrong, missing }: Outcome): string[] {
  return [
    ...wrong.map((text) => `WRONG: ${text}`),
    ...(missing.length > 0 ? [`NOT THERE, so not compared: ${missing.join(', ')}. \`npm run bench -- --install-peers\` fetches what package registries have; psql comes with Postgres.`] : []),
  ];
}

export function gateLines(outcome: Outcome): string[] {
  return ['Gates', ...aligned([GATE_HEAD, ...gateRows(outcome.verdicts)]), ...notices(outcome), `${outcome.minutes.toFixed(1)} minutes`];
}

export function reportFile(file: string, outcome: Outcome): void {
  const [cpu] = cpus();
  const lines = [
    '# Benchmark', '',
    `Written by \`${outcome.command}\` on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, in ${outcome.minutes.toFixed(0)} minutes. How to repeat it: [testing.md](testing.md).`, '',
    `Machine: ${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 1e9)} GB; node ${process.version}; Postgres ${outcome.postgres} on the same cores, over loopback. Beside us: ${VERSIONS}.`, '',
    'Machines differ by two or three times, so only ratios within one run count. Contestants take turns, forwards and backwards, each into an empty place; what each wrote is compared with the source by a sum of every column, and a run that wrote something else does not count. Seconds and CPU are medians, memory is the largest of all runs, in decimal megabytes of the largest process; ratios of time and CPU are the median of the rounds\' own ratios. No contestant gets `NODE_EXTRA_CA_CERTS` or `NODE_OPTIONS` of the shell, which change how Node starts.', '',
    '## Gates', '', ...markdown([GATE_HEAD, ...gateRows(outcome.verdicts)]), '',
    ...notices(outcome).flatMap((text) => [`**${text.replaceAll(/\s*\n\s*/g, ' ')}**`, '']),
    ...outcome.measured.flatMap(({ cell, runs }) => [`## ${cell.title}`, '', ...markdown([HEAD, ...rowsOf(cell, runs)]), '']),
  ];
  writeFileSync(file, `${lines.join('\n').trimEnd()}\n`);
}

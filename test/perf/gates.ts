import { median, type Cost } from './measure.ts';

/** What each contestant of a cell cost, round by round; undefined where a run failed. */
export type Runs = ReadonlyMap<string, readonly (Cost | undefined)[]>;

export interface Gate {
  readonly cell: string;
  readonly text: string;
  readonly limit: number;
  /** `least`: the ratio must reach the limit; `most`: it must stay below. */
  readonly kind: 'least' | 'most';
  /** Undefined where a contestant is missing. */
  readonly ratio: (runs: Runs) => number | undefined;
}

type Measure = Exclude<keyof Cost, 'peakMegabytes'>;

/** Both ran side by side, so each round gives a ratio of its own; the median of these forgets what the machine did meanwhile. */
function paired(measure: Measure, upper: string, lower: string): Gate['ratio'] {
  return (runs) => {
    const below = runs.get(lower) ?? [];
    const ratios = (runs.get(upper) ?? []).flatMap((cost, round) => {
      const other = below[round];
      return cost && other ? [cost[measure] / other[measure]] : [];
    });
    return ratios.length === 0 ? undefined : median(ratios);
  };
}

export function costsOf(runs: Runs, name: string): readonly Cost[] {
  return (runs.get(name) ?? []).filter((cost) => cost !== undefined);
}

export function middle(runs: Runs, name: string, measure: keyof Cost): number | undefined {
  const costs = costsOf(runs, name);
  return costs.length === 0 ? undefined : median(costs.map((cost) => cost[measure]));
}

/** The largest of all rounds: memory is a promise about the worst. */
function peak(runs: Runs, name: string): number | undefined {
  const costs = costsOf(runs, name);
  return costs.length === 0 ? undefined : Math.max(...costs.map((cost) => cost.peakMegabytes));
}

const faster = (cell: string, them: string, limit: number, us = 'etl'): Gate => ({ cell, limit, kind: 'least', text: `rows/s of ${them}`, ratio: paired('wallSeconds', them, us) });
const cpu = (cell: string, them: string, limit: number): Gate => ({ cell, limit, kind: 'most', text: `CPU of ${them}`, ratio: paired('cpuSeconds', 'etl', them) });
const wall = (cell: string, them: string, limit: number): Gate => ({ cell, limit, kind: 'most', text: `time of ${them}`, ratio: paired('wallSeconds', 'etl', them) });

const hashing: Gate['ratio'] = (runs) => {
  const [plain, hashed, none, hmac] = ['etl, plain', 'etl, hashed', 'createHmac, values only', 'createHmac'].map((name) => middle(runs, name, 'cpuSeconds'));
  return plain !== undefined && hashed !== undefined && none !== undefined && hmac !== undefined ? (hashed - plain) / (hmac - none) : undefined;
};
const against = (megabytes: number): Gate['ratio'] => (runs) => {
  const ours = peak(runs, 'etl, one split');
  return ours === undefined ? undefined : ours / megabytes;
};
const growth: Gate['ratio'] = (runs) => {
  const [once, tenfold] = ['etl, one split', 'etl, ten times the rows'].map((name) => peak(runs, name));
  return once !== undefined && tenfold !== undefined ? tenfold / once : undefined;
};

export const OBVIOUS = 'pg-cursor + parquetjs';

export const gates: readonly Gate[] = [
  wall('help', 'node -e 0', 2.5),
  wall('one', 'node -e 0', 5),
  wall('merge', 'node -e 0', 7), wall('merge', 'Sling', 0.5),
  faster('mixed', 'psql COPY', 0.9), faster('mixed', 'DuckDB', 1.1), cpu('mixed', 'DuckDB', 0.6), faster('mixed', OBVIOUS, 10),
  faster('tls', 'etl, no TLS', 0.7),
  faster('wide', 'DuckDB', 1.2), cpu('wide', 'DuckDB', 0.6),
  faster('pg-heap', 'DuckDB', 1.2),
  faster('pg-key', 'ingestr', 1.5), cpu('pg-key', 'ingestr', 1),
  faster('duckdb', 'DuckDB', 1),
  { cell: 'hash', limit: 0.45, kind: 'most', text: 'CPU of createHmac', ratio: hashing },
  { cell: 'memory', limit: 1, kind: 'most', text: '110 MB', ratio: against(110) },
  { cell: 'memory', limit: 1.15, kind: 'most', text: 'memory of a tenth of the rows', ratio: growth },
];

export function passes(gate: Gate, ratio: number): boolean {
  return gate.kind === 'least' ? ratio >= gate.limit : ratio <= gate.limit;
}

import type { Cost } from './measure.ts';

/** The medians of each contestant, by cell and name. */
export type Medians = ReadonlyMap<string, ReadonlyMap<string, Cost>>;

export interface Gate {
  readonly cell: string;
  readonly text: string;
  readonly limit: number;
  /** `least`: the ratio must reach the limit; `most`: it must stay below. */
  readonly kind: 'least' | 'most';
  /** Undefined where a contestant is missing. */
  readonly ratio: (of: (name: string) => Cost | undefined) => number | undefined;
}

type Measure = 'speed' | 'cpuSeconds' | 'wallSeconds';

function between(measure: Measure, us: string, them: string): Gate['ratio'] {
  return (of) => {
    const [ours, theirs] = [of(us), of(them)];
    if (!ours || !theirs) return undefined;
    return measure === 'speed' ? theirs.wallSeconds / ours.wallSeconds : ours[measure] / theirs[measure];
  };
}

const faster = (cell: string, them: string, limit: number): Gate => ({ cell, limit, kind: 'least', text: `rows/s of ${them}`, ratio: between('speed', 'etl', them) });
const cpu = (cell: string, them: string, limit: number): Gate => ({ cell, limit, kind: 'most', text: `CPU of ${them}`, ratio: between('cpuSeconds', 'etl', them) });
const wall = (cell: string, them: string, limit: number): Gate => ({ cell, limit, kind: 'most', text: `time of ${them}`, ratio: between('wallSeconds', 'etl', them) });

const hashing: Gate['ratio'] = (of) => {
  const [plain, hashed, none, hmac] = ['etl_plain', 'etl_hashed', 'createHmac, values only', 'createHmac'].map(of);
  return plain && hashed && none && hmac ? (hashed.cpuSeconds - plain.cpuSeconds) / (hmac.cpuSeconds - none.cpuSeconds) : undefined;
};

export const gates: readonly Gate[] = [
  wall('help', 'node -e 0', 2.5),
  wall('one', 'node -e 0', 5),
  wall('merge', 'node -e 0', 7), wall('merge', 'Sling', 0.5),
  faster('mixed', 'psql COPY', 0.9), faster('mixed', 'DuckDB', 1.1), cpu('mixed', 'DuckDB', 0.6), faster('mixed', 'pg-cursor + hyparquet-writer', 10),
  faster('wide', 'DuckDB', 1.2), cpu('wide', 'DuckDB', 0.6),
  faster('pg-heap', 'DuckDB', 1.2),
  faster('pg-key', 'ingestr', 1.5), cpu('pg-key', 'ingestr', 1),
  faster('duckdb', 'DuckDB', 1),
  { cell: 'hash', limit: 0.45, kind: 'most', text: 'CPU of createHmac', ratio: hashing },
  { cell: 'mixed', limit: 1, kind: 'most', text: '110 MB of memory', ratio: (of) => { const ours = of('etl'); return ours && ours.peakMegabytes / 110; } },
];

/** The one gate across two cells: ten times the rows in the same memory. */
export const GROWTH = { cell: 'tenfold', text: 'memory of 1 × the rows', kind: 'most', limit: 1.15 } as const;

export function passes(gate: Pick<Gate, 'kind' | 'limit'>, ratio: number): boolean {
  return gate.kind === 'least' ? ratio >= gate.limit : ratio <= gate.limit;
}

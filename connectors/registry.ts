import type { Connector } from '#sdk';

/** Every connector by the name that `type:` gives it. Nothing is loaded before a job names it. */
export const registry: Readonly<Record<string, () => Promise<{ readonly default: Connector }>>> = {
  postgres: () => import('./postgres/index.ts'),
  duckdb: () => import('./duckdb/index.ts'),
  file: () => import('./file/index.ts'),
  stdout: () => import('./stdout/index.ts'),
};

/** URL schemes, so that a URL on the command line loads one connector and not all. */
export const schemes: Readonly<Record<string, string>> = { postgres: 'postgres', postgresql: 'postgres', duckdb: 'duckdb', file: 'file', stdout: 'stdout' };

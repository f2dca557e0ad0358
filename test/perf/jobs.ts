import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from './measure.ts';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Job {
  readonly name: string;
  readonly source: string;
  readonly target: Readonly<Record<string, unknown>>;
  readonly stream: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** Splits read at once. */
  readonly concurrency?: number;
}

/** Writes a job file (JSON is YAML) and gives the command that runs it as a user would. */
export function etl(folder: string, job: Job): Command {
  const file = join(folder, `${job.name}.yaml`);
  writeFileSync(file, JSON.stringify({
    version: 1, name: job.name,
    connections: { source: { type: 'postgres', url: '${BENCH_SOURCE}' }, target: job.target },
    source: 'source', target: { use: 'target' }, ...(job.concurrency !== undefined && { limits: { concurrency: job.concurrency } }),
    streams: { [`public.${job.stream}`]: job.settings },
  }, null, 2));
  return { argv: [process.execPath, join(root, 'bin/etl.js'), 'run', file, '--progress', 'none'], env: { BENCH_SOURCE: job.source } };
}

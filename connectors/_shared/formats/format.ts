import { EtlError } from '#sdk';
import type { Format } from './contract.ts';
import { jsonl } from './jsonl/index.ts';
import { parquet } from './parquet/index.ts';

export * from './contract.ts';
export * from './errors.ts';
export { jsonl, parquet };

const FORMATS: readonly Format[] = [parquet, jsonl];

/** The format of that name, as a job file says it. */
export function formatOf(name: string): Format {
  const format = FORMATS.find((known) => known.name === name);
  if (format) return format;
  throw new EtlError({
    kind: 'config', code: 'ETL-FMT-004', message: `There is no file format ${name}.`,
    hint: `Known are ${FORMATS.map((known) => known.name).join(' and ')}.`, configPath: 'target.format',
  });
}

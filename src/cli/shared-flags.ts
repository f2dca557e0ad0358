import { Args, Flags } from './oclif.ts';
import { EtlError } from '../errors/error.ts';
import type { Override } from '../job/load.ts';
import { parseDuration } from '../job/units.ts';

export const jobArg = Args.string({ ignoreStdin: true, description: 'A job file.', required: true });
/** Of a run, for commands about what it left at its destination. */
export const ranArgs = { job: Args.string({ ignoreStdin: true, description: 'A job file, or the URL of the source.', required: true }), target: Args.string({ ignoreStdin: true, description: 'The URL of the destination.' }) };
export const selectFlag = Flags.string({ char: 's', multiple: true, description: 'Only streams that match this glob.' });
export const streamFlag = Flags.string({ multiple: true, description: 'A stream, or a pattern.' });

/** The flags of the form with two URLs. */
export const urlFlags = {
  stream: Flags.string({ multiple: true, description: 'A stream or a pattern, for the form with two URLs.' }),
  sync: Flags.string({ options: ['full', 'incremental'], description: 'For the form with two URLs.' }),
  write: Flags.string({ options: ['append', 'merge', 'replace', 'scd2'], description: 'For the form with two URLs.' }),
  key: Flags.string({ description: 'Key columns, for the form with two URLs: id or a,b.' }),
  cursor: Flags.string({ description: 'Cursor column, for the form with two URLs.' }),
};

export const limitFlags = {
  concurrency: Flags.integer({ min: 1, description: 'Splits read at once.', env: 'ETL_CONCURRENCY' }),
  memory: Flags.string({ description: 'Memory for batches: 512MiB.', env: 'ETL_MEMORY' }),
  rate: Flags.string({ description: 'At most this fast: 200 rows/s.', env: 'ETL_RATE' }),
};

/** Flags and `ETL_*` stand above the job. */
export function overridesOf(flags: { concurrency?: number | undefined; memory?: string | undefined; rate?: string | undefined }): Override[] {
  return (['concurrency', 'memory', 'rate'] as const).flatMap((name) => {
    const value = flags[name];
    const variable = `ETL_${name.toUpperCase()}`;
    return value === undefined ? [] : [{ path: ['limits', name], value, from: process.env[variable] === String(value) ? `environment ${variable}` : `flag --${name}` }];
  });
}

export function durationFlag(name: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms === undefined) throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: `--${name} ${value} is not a duration`, hint: 'write 30s, 10m, 2h' });
  return ms;
}

import { EtlError } from '../errors/error.ts';
import type { JobState } from '#sdk';

/** The streams of a state that are asked for; none asked for: all. */
export function pickStreams(state: JobState, wanted: readonly string[] | undefined): string[] {
  const known = Object.keys(state.streams);
  if (!wanted?.length) return known;
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `the state holds no stream ${unknown}`, hint: known.length === 0 ? 'this job never ran' : `it holds ${known.join(', ')}` });
  return [...wanted];
}

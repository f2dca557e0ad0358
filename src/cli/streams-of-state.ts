import type { EngineContext } from '../engine/index.ts';
import { EtlError } from '../errors/error.ts';
import { suggest } from '../job/diagnostics.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import { selected } from '../plan/pipes.ts';
import type { JobState } from '#sdk';
import { eachPipe } from './job-tools.ts';

/** Of one pipe: its state, and the streams in it that are asked for. */
export interface Picked {
  readonly state: JobState;
  readonly streams: readonly string[];
}

/** The streams of each pipe's state that are asked for, by name or pattern; none asked for: all. What takes none of any pipe is an error. Reads only. */
export async function pickStreams(job: ResolvedJob, engine: EngineContext, wanted: readonly string[] | undefined): Promise<ReadonlyMap<string, Picked>> {
  const states = await eachPipe(job, engine, async ({ id, destination }) => [id, await destination.state(id)] as const);
  const known = [...new Set(states.flatMap(([, state]) => Object.keys(state.streams)))];
  const unknown = wanted?.find((pattern) => !known.some((name) => selected([pattern], name)));
  if (unknown !== undefined) {
    throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `the state holds no stream ${unknown}`, hint: suggest(unknown, known, 'it holds') ?? 'this job has moved nothing yet' });
  }
  return new Map(states.map(([id, state]) => [id, { state, streams: Object.keys(state.streams).filter((name) => selected(wanted, name)) }]));
}

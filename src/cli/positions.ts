import type { EngineContext } from '../engine/index.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import { bind } from '../plan/bind.ts';
import { matchStreams, readCatalogue } from '../plan/pipes.ts';
import type { Capabilities, JobState, Position, Positions, Source } from '#sdk';
import { eachPipe, withSource } from './job-tools.ts';
import { systemPorts } from './ports.ts';

export interface Stored {
  readonly pipe: string;
  readonly streams: readonly string[];
  /** Streams that the job does not move: nothing was stored for them. */
  readonly leftOut: readonly string[];
  /** What the next run does before it looks at these positions, or never does by them. */
  readonly first: readonly string[];
}

/** Stores positions that the source can go on from. It plans a load from each, and what it throws there leaves all as it was. */
export async function storePositions(job: ResolvedJob, engine: EngineContext, wanted: (pipe: string) => Positions): Promise<readonly Stored[]> {
  const pipes = await eachPipe(job, engine, async ({ id, destination }) => ({ id, capabilities: destination.capabilities, state: await destination.state(id) }));
  const readable = new Set<string>();
  await withSource(job, engine, async (source) => {
    for (const { id, streams } of matchStreams(job, await readCatalogue(job, source))) {
      const capabilities = pipes.find((pipe) => pipe.id === id)?.capabilities;
      for (const match of streams) {
        const position = wanted(id)[match.info.name];
        if (!position || !capabilities) continue;
        await planFrom(source, bind(match, capabilities, { fullRefresh: false }).selection, position);
        readable.add(match.info.name);
      }
    }
  });
  return eachPipe(job, engine, async ({ id, destination }) => {
    const positions = Object.entries(wanted(id)).filter(([stream]) => readable.has(stream));
    if (positions.length > 0) await destination.administer(id, { type: 'import', streams: Object.fromEntries(positions.map(([stream, position]) => [stream, { position }])) });
    const streams = positions.map(([stream]) => stream);
    const before = pipes.find((pipe) => pipe.id === id);
    return { pipe: id, streams, leftOut: Object.keys(wanted(id)).filter((stream) => !readable.has(stream)), first: before ? streams.flatMap((stream) => firstOf(before, stream)) : [] };
  });
}

async function planFrom(source: Source, selection: Parameters<Source['plan']>[0][number], position: Position): Promise<void> {
  const state: JobState = { runEpoch: 0, streams: { [selection.stream]: { position, rebuild: false, incarnations: {} } }, loads: [] };
  await source.plan([selection], state, { maxSplits: 1, nextLoadId: () => systemPorts.random.uuidv7() });
}

/** A position ends neither a rebuild nor a load (rules 4 and 8). */
function firstOf({ state, capabilities }: { readonly state: JobState; readonly capabilities: Capabilities }, stream: string): readonly string[] {
  if (state.streams[stream]?.rebuild) return [`${stream} was reset: the next run reads it anew, replaces its table and does not look at this position`];
  const open = state.loads.some(({ openStreams }) => openStreams.includes(stream));
  if (open) return [`${stream} has an unfinished load: the next run finishes it first, and its position takes the place of this one`];
  const isThere = !capabilities.keepsState || Object.keys(state.streams[stream]?.incarnations ?? {}).length > 0;
  return isThere ? [] : [`${stream}: this job has moved nothing to its target yet, and the next run reads only what lies behind this position; to have the rows before it, too, run with --full-refresh`];
}

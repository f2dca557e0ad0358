import { dirname, basename } from 'node:path';
import type { Position, WriteMode } from '#sdk';
import { driveRun, ScriptedWorld, selectionFor, targetFor, testPorts } from '#testing';
import { createDestination } from './destination.ts';

export interface World {
  readonly world: 'live' | 'full' | 'incremental';
  readonly write: WriteMode;
}
const SEED = 3;

/** Some runs of the scripted world into a file. What an earlier process left is finished first. */
export async function runWorld(path: string, { world: kind, write }: World, who: string): Promise<{ world: ScriptedWorld; positions: Record<string, Position | undefined> }> {
  const world = new ScriptedWorld(SEED, { world: kind, ...(kind !== 'full' && { features: { rebuilds: false, truncates: write === 'merge', changes: kind === 'live', unavailable: write === 'merge' } }) });
  const began = world.state.now;
  if (kind === 'live') world.state.now = 10;
  const context = { ports: testPorts(SEED), directory: dirname(path), maxBufferedBytes: 1 << 24, note: () => undefined };
  let positions: Record<string, Position | undefined> = {};
  for (let run = 0; run < 3; run++) {
    await using destination = await createDestination({ path: basename(path), memory_limit: '256MB', threads: 1 }, context);
    let loads = 0;
    const ended = await driveRun({
      source: world.source(), destination, pipe: 'p', runId: `${who}${run}`, nextLoadId: () => `${who}-${run}-${++loads}`,
      selection: world.script.streams.map(({ name, schema }) => selectionFor(name, schema.key, { sync: kind === 'live' ? 'cdc' : kind, write })),
      targets: world.script.streams.map(({ name, schema }) => targetFor(name, schema.key, { write })),
    });
    await ended[Symbol.asyncDispose]();
    positions = Object.fromEntries(Object.entries((await destination.state('p')).streams).map(([stream, state]) => [stream, state.position]));
    world.advance(began);
  }
  return { world, positions };
}

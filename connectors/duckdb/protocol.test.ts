import { memoryInUse } from '#batch';
import type { Position, WriteMode } from '#sdk';
import { describeDifferences, driveRun, Oracle, ScriptedWorld, seeded, selectionFor, targetFor, type Drive, type ScriptedOptions } from '#testing';
import { expect, test } from 'vitest';
import { scratch } from './helper.ts';

interface Case {
  readonly world: NonNullable<ScriptedOptions['world']>;
  readonly write: WriteMode;
  readonly deletes?: 'hard' | 'soft';
  readonly snapshot?: boolean;
  readonly features?: ScriptedOptions['features'];
}
const CASES: readonly Case[] = [
  { world: 'full', write: 'replace' },
  { world: 'full', write: 'merge', features: { changes: false } },
  { world: 'incremental', write: 'merge', features: { changes: false } },
  { world: 'incremental', write: 'append', features: { changes: false } },
  { world: 'live', write: 'merge' },
  { world: 'live', write: 'merge', snapshot: false },
  { world: 'live', write: 'merge', deletes: 'soft', features: { rebuilds: false } },
  { world: 'live', write: 'append', features: { rebuilds: false, truncates: false, unavailable: false } },
  { world: 'live', write: 'scd2', features: { rebuilds: false, truncates: false, unavailable: false } },
];
const SEEDS = 4;

for (const one of CASES) {
  test(`rules 11 to 16: the scripted ${one.world} world${one.snapshot === false ? ' without a snapshot' : ''} arrives in DuckDB by ${one.deletes ?? ''} ${one.write}`, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await compareRun(seed, one);
  });
}

async function compareRun(seed: number, one: Case): Promise<void> {
  const world = new ScriptedWorld(seed, { world: one.world, ...(one.snapshot === false && { snapshot: false }), ...(one.features && { features: one.features }) });
  const began = world.state.now;
  if (one.world === 'live') world.state.now = 10;
  const file = scratch();
  const draw = seeded(seed);
  const { streams } = world.script;
  const before = memoryInUse();
  let loads = 0;
  let positions: Record<string, Position | undefined> = {};
  for (let run = 0; run < 4; run++) {
    await using destination = await file.destination();
    const drive: Drive = {
      source: world.source(), destination, pipe: 'p', runId: `r${run}`, nextLoadId: () => `l${++loads}`,
      selection: streams.map(({ name, schema }) => selectionFor(name, schema.key, { sync: one.world === 'live' ? 'cdc' : one.world, write: one.write })),
      targets: streams.map(({ name, schema }) => targetFor(name, schema.key, { write: one.write, deletes: one.deletes ?? 'hard', ...(one.write === 'scd2' && { validFrom: 'at' }) })),
      due: () => draw.chance(0.5),
    };
    const ended = await driveRun(drive);
    await ended[Symbol.asyncDispose]();
    positions = Object.fromEntries(Object.entries((await destination.state('p')).streams).map(([stream, state]) => [stream, state.position]));
    world.advance(began);
  }
  expect(memoryInUse(), 'every batch is released').toBe(before);
  const oracle = new Oracle(world.script, world.history);
  for (const { name } of streams) {
    const have = await file.table(name.replaceAll('.', '_'));
    const differences = oracle.compare(name, have, positions[name], {
      write: one.write, placeholder: '__unavailable__', ordered: one.write === 'append', ...(one.deletes && { deletes: one.deletes }), ...(one.snapshot !== false && { snapshotLsn: one.world === 'live' ? 10 : 0 }),
    });
    expect(positions[name], `seed ${seed}`).toBeDefined();
    expect(describeDifferences(differences), `seed ${seed}, ${name} at ${JSON.stringify(positions[name])}`).toBe('');
  }
  file.remove();
}

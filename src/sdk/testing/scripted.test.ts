import { memoryInUse, poisonReleased } from '#batch';
import { expect, test } from 'vitest';
import type { WriteMode } from '../contract.ts';
import { describeDifferences } from './compare.ts';
import { driveRun, selectionFor, targetFor, type Drive } from './drive.ts';
import { memoryDestination, memoryTable } from './memory-destination.ts';
import { emptyStore } from './memory-store.ts';
import { Oracle } from './oracle.ts';
import { seeded } from './random.ts';
import type { ScriptFeatures } from './script.ts';
import { ScriptedWorld, type ScriptedOptions } from './scripted-world.ts';

poisonReleased(0xab);

interface Case {
  readonly world: NonNullable<ScriptedOptions['world']>;
  readonly write: WriteMode;
  readonly deletes?: 'hard' | 'soft';
  readonly snapshot?: boolean;
  readonly features?: Partial<ScriptFeatures>;
}
const CASES: readonly Case[] = [
  { world: 'live', write: 'merge' },
  { world: 'live', write: 'merge', snapshot: false },
  { world: 'live', write: 'merge', deletes: 'soft', features: { rebuilds: false } },
  { world: 'live', write: 'append', features: { rebuilds: false, truncates: false } },
  { world: 'live', write: 'scd2', features: { rebuilds: false, truncates: false } },
  { world: 'full', write: 'replace' },
  { world: 'full', write: 'merge', features: { changes: false } },
  { world: 'incremental', write: 'merge', features: { changes: false } },
  { world: 'incremental', write: 'append', features: { changes: false } },
];

for (const one of CASES) {
  test(`the scripted ${one.world} world${one.snapshot === false ? ' without a snapshot' : ''} arrives in memory by ${one.deletes ?? ''} ${one.write}`, async () => {
    for (let seed = 1; seed <= 25; seed++) await compareRun(seed, one);
    expect(memoryInUse()).toBe(0);
  });
}

async function compareRun(seed: number, one: Case): Promise<void> {
  const world = new ScriptedWorld(seed, { world: one.world, ...(one.snapshot === false && { snapshot: false }), ...(one.features && { features: one.features }) });
  const began = world.state.now;
  if (one.world === 'live') world.state.now = 10;
  const store = emptyStore();
  const draw = seeded(seed);
  let loads = 0;
  const { streams } = world.script;
  for (let run = 0; run < 4; run++) {
    const drive: Drive = {
      source: world.source(), destination: memoryDestination({ store }), pipe: 'p', runId: `r${run}`, nextLoadId: () => `l${++loads}`,
      selection: streams.map(({ name, schema }) => selectionFor(name, schema.key, { sync: one.world === 'live' ? 'cdc' : one.world, write: one.write })),
      targets: streams.map(({ name, schema }) => targetFor(name, schema.key, { write: one.write, deletes: one.deletes ?? 'hard', ...(one.write === 'scd2' && { validFrom: 'at' }) })),
      due: () => draw.chance(0.5),
    };
    await driveRun(drive);
    world.advance(began);
  }
  const oracle = new Oracle(world.script, world.history);
  for (const { name } of streams) {
    const position = store.pipes['p']?.streams[name]?.position;
    const differences = oracle.compare(name, memoryTable(store, name.replaceAll('.', '_')), position, {
      write: one.write, placeholder: '__unavailable__', ordered: one.write === 'append', ...(one.deletes && { deletes: one.deletes }), ...(one.snapshot !== false && { snapshotLsn: one.world === 'live' ? 10 : 0 }),
    });
    expect(position, `seed ${seed}`).toBeDefined();
    expect(describeDifferences(differences), `seed ${seed}, ${name} at ${JSON.stringify(position)}`).toBe('');
  }
}

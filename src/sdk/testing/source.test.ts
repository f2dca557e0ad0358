import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sourceAcceptance } from './acceptance/source.ts';
import { selectionFor } from './drive.ts';
import { ScriptedWorld, type ScriptedOptions } from './scripted-world.ts';

const WORLDS: readonly ScriptedOptions[] = [
  { world: 'live' }, { world: 'live', snapshot: false, features: { rebuilds: false } }, { world: 'full', immutableKeys: true }, { world: 'incremental' },
];
for (const options of WORLDS) {
  const world = new ScriptedWorld(7, options);
  sourceAcceptance({
    name: `scripted ${options.world}${options.snapshot === false ? ' without a snapshot' : ''}`,
    make: () => Promise.resolve(world.source()),
    selection: () => world.script.streams.map(({ name, schema }) => selectionFor(name, schema.key, { sync: options.world === 'live' ? 'cdc' : options.world ?? 'cdc', write: 'merge' })),
    fingerprint: () => Promise.resolve(JSON.stringify(world.state.slots)),
  }, { describe, test, expect, beforeAll, afterAll });
}

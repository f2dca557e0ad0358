import type { Target, WriteMode } from '../../contract.ts';
import { describeDifferences } from '../compare.ts';
import { driveRun, selectionFor, targetFor, type Drive } from '../drive.ts';
import { Oracle } from '../oracle.ts';
import { seeded } from '../random.ts';
import { ScriptedWorld, type ScriptedOptions } from '../scripted-world.ts';
import type { DestinationUnderTest, Need, RuleTest } from './api.ts';
import type { Bench } from './bench.ts';

interface ScriptedCase {
  readonly world: NonNullable<ScriptedOptions['world']>;
  readonly write: WriteMode;
  readonly deletes?: 'hard' | 'soft';
  readonly needs: readonly Need[];
  readonly features?: ScriptedOptions['features'];
}

/** What of a script suits a target: an append log has no shadow to swap, and neither it nor scd2 learns when a truncate was. */
const LOG = { rebuilds: false, truncates: false };
const CASES: readonly ScriptedCase[] = [
  { world: 'live', write: 'merge', needs: ['merge', 'changes', 'hard deletes', 'rebuild of merge'] },
  { world: 'live', write: 'merge', deletes: 'soft', needs: ['merge', 'changes', 'soft deletes'], features: { rebuilds: false } },
  { world: 'live', write: 'append', needs: ['append', 'changes'], features: LOG },
  { world: 'live', write: 'scd2', needs: ['scd2', 'changes'], features: LOG },
  { world: 'full', write: 'replace', needs: ['replace'] },
  { world: 'incremental', write: 'merge', needs: ['merge'], features: { changes: false } },
  { world: 'incremental', write: 'append', needs: ['append'], features: { changes: false } },
];

/** Whole runs of the scripted source, without a break, by every write mode: the table must be the oracle's after each. */
export function scriptedRuns(under: DestinationUnderTest): RuleTest[] {
  return CASES.flatMap((one) => Array.from({ length: under.scriptedSeeds ?? 3 }, (_, i): RuleTest => ({
    name: `scripted ${one.world} into ${one.deletes === 'soft' ? 'soft ' : ''}${one.write}, seed ${i + 1}`,
    needs: one.needs,
    run: (bench) => scriptedRun(bench, one, i + 1),
  })));
}

async function scriptedRun(bench: Bench, one: ScriptedCase, seed: number): Promise<void> {
  const { under } = bench;
  const world = new ScriptedWorld(seed, { world: one.world, transactions: 24, ...(one.features && { features: one.features }) });
  world.state.now = 8;
  const oracle = new Oracle(world.script, world.history);
  const draw = seeded(seed);
  let loads = 0;
  const { streams } = world.script;
  const { schema, options } = under.target ?? {};
  const targets = streams.map(({ name, schema: { key } }): Target => targetFor(name, key, {
    write: one.write, table: `${bench.name}_${name.replace('app.', '')}`, deletes: one.deletes ?? 'hard', ...(one.write === 'scd2' && { validFrom: 'at' }),
    ...(schema !== undefined && { schema }), ...(options && { options }),
  }));
  for (let pass = 0; pass < 3; pass++) {
    const destination = await bench.process();
    const drive: Drive = {
      source: world.source(), destination, pipe: bench.pipe, runId: `run-${pass}`, targets, nextLoadId: () => `load-${bench.name}-${++loads}`,
      selection: streams.map(({ name, schema: { key } }) => selectionFor(name, key, { sync: one.world === 'live' ? 'cdc' : one.world, write: one.write })),
      due: () => draw.chance(0.3),
    };
    const run = await driveRun(drive);
    await run[Symbol.asyncDispose]();
    const state = await destination.state(bench.pipe);
    for (const target of targets) {
      const as = { write: one.write, placeholder: '__unavailable__', snapshotLsn: one.world === 'live' ? 8 : 0, ...(one.deletes && { deletes: one.deletes }), ordered: one.write === 'append' && (under.ordered ?? false) };
      const differences = oracle.compare(target.stream, await under.readTable(target, destination), state.streams[target.stream]?.position, as);
      bench.expect(describeDifferences(differences), `${target.stream} after run ${pass + 1}, seed ${seed}`).toBe('');
    }
    world.advance(8);
  }
}

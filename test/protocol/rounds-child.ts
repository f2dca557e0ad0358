import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WriteMode } from '#sdk';
import { ScriptedWorld, type WorldState } from '#testing';
import { Breaker, installBreakers, type Break } from './breaker.ts';
import { drawRound } from './draw.ts';
import { runScripted, type Wish } from './job.ts';
import { KINDS } from './places.ts';

/** A process that runs one round's job and is killed at its step, leaving word where; ends with 0 when it never came to it. */
interface Told {
  readonly kind: string;
  readonly folder: string;
  readonly seed: number;
  readonly how: Break;
  readonly wish: Wish;
  readonly write?: WriteMode;
}
const { kind: name, folder, seed, how, wish, write } = JSON.parse(process.argv[2] ?? '{}') as Told;
const kind = await KINDS[name]?.();
if (!kind) throw new RangeError(`no destination ${name}`);
installBreakers();
const place = await kind.make(folder);
const round = drawRound(seed, place, write);
const file = join(folder, 'world.json');
const state = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as WorldState) : undefined;
const world = new ScriptedWorld(seed, round.options, state);
const breaker = new Breaker(how, (where) => { writeFileSync(join(folder, 'died-at.txt'), where); });
await runScripted({ world, place, job: round.job, breaker, seed, folder, wish }).catch(() => undefined);
process.exit(0);

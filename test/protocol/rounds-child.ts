import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WriteMode } from '#sdk';
import { ScriptedWorld, type WorldState } from '#testing';
import { Breaker, installBreakers, type Break } from './breaker.ts';
import { runScripted } from './job.ts';
import { KINDS } from './places.ts';
import { drawRound } from './rounds.ts';

/** A process that runs one round's job and is killed at its step; ends with 0 when it never came to it. */
const { kind: name, folder, seed, break: one, write } = JSON.parse(process.argv[2] ?? '{}') as { kind: string; folder: string; seed: number; break: Break; write?: WriteMode };
const kind = await KINDS[name]?.();
if (!kind) throw new RangeError(`no destination ${name}`);
installBreakers();
const place = await kind.make(folder);
const round = drawRound(seed, place, write);
const file = join(folder, 'world.json');
const state = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as WorldState) : undefined;
const world = new ScriptedWorld(seed, round.options, state);
await runScripted({ world, place, job: round.job, breaker: new Breaker(one), seed, folder }).catch(() => undefined);
process.exit(0);

import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryInUse, poisonReleased } from '#batch';
import type { JobState, Position, Target, WriteMode } from '#sdk';
import { describeDifferences, Oracle, ScriptedWorld, seeded, targetFor, type ScriptedOptions, type Seeded, type WorldState } from '#testing';
import { Breaker, drawBreak, installBreakers, type Break } from './breaker.ts';
import { PIPE, PLACEHOLDER, runScripted, saveWorld, type RoundJob } from './job.ts';
import { temporaryFolder, type Place, type PlaceKind } from './places.ts';

/** Every so many rounds the run that breaks is a child process that is killed. */
export const KILL_EVERY = 20;

/** All that is decided about a round: a pure function of destination and seed. */
export interface Round {
  readonly seed: number;
  readonly job: RoundJob;
  readonly options: ScriptedOptions;
  readonly breaks: readonly Break[];
  readonly lossy: boolean;
  /** Only this write mode was asked for. */
  readonly only?: WriteMode;
}

export class RoundFailure extends Error {}

/** Worlds and write modes that fit the destination. */
function jobsFor(place: Place): { job: RoundJob; options: ScriptedOptions }[] {
  const { writeModes, takesChanges, deletes } = place.capabilities;
  const log = { rebuilds: false, truncates: false };
  const jobs: { job: RoundJob; options: ScriptedOptions }[] = [];
  const add = (sync: RoundJob['sync'], write: RoundJob['write'], options: ScriptedOptions, deletion: 'hard' | 'soft' = 'hard'): void => {
    if (writeModes.includes(write) && (write !== 'merge' || deletes.includes(deletion))) jobs.push({ job: { sync, write, deletes: deletion }, options });
  };
  if (takesChanges) {
    add('cdc', 'merge', { world: 'live' });
    add('cdc', 'merge', { world: 'live', snapshot: false });
    add('cdc', 'merge', { world: 'live', features: { rebuilds: false } }, 'soft');
    add('cdc', 'append', { world: 'live', features: log });
    add('cdc', 'append', { world: 'live', snapshot: false, features: log });
    add('cdc', 'scd2', { world: 'live', features: log });
  }
  add('full', 'replace', { world: 'full' });
  add('full', 'replace', { world: 'full', immutableKeys: true });
  add('incremental', 'merge', { world: 'incremental', features: { changes: false } });
  add('incremental', 'append', { world: 'incremental', features: { changes: false } });
  return jobs;
}

export function drawRound(seed: number, place: Place, write?: WriteMode): Round {
  const draw = seeded(seed).fork('round');
  const { job, options } = draw.any(jobsFor(place).filter((one) => write === undefined || one.job.write === write)) ?? { job: { sync: 'full', write: 'replace', deletes: 'hard' }, options: {} };
  const kinds: Break['kind'][] = place.capabilities.processes === 1 ? ['throw', 'throw', 'stop'] : ['throw', 'stop', 'zombie', 'zombie'];
  const killed = seed % KILL_EVERY === 0;
  const breaks = killed ? [drawBreak(draw, ['kill'])] : Array.from({ length: 1 + draw.below(2) }, () => drawBreak(draw, kinds));
  return { seed, job, options: { ...options, streams: 1 + draw.below(3), transactions: 12 + draw.below(20) }, breaks, lossy: !killed && draw.chance(0.3) };
}

/** One round: broken runs, each looked at; then undisturbed runs to the end; then the oracle. Throws RoundFailure. */
export async function playRound(kind: PlaceKind, seed: number, write?: WriteMode): Promise<Round> {
  installBreakers();
  poisonReleased(0xdb);
  const before = memoryInUse();
  const folder = temporaryFolder();
  const place = await kind.make(folder);
  const round = drawRound(seed, place, write);
  const scene = new Scene(kind.name, place, { ...round, ...(write && { only: write }) }, folder);
  try {
    for (const [i, one] of round.breaks.entries()) {
      await scene.broken(one, i);
      await scene.look(`after break ${i + 1}`);
      scene.world.advance(scene.draw.below(6));
    }
    await scene.recover();
    if (memoryInUse() !== before) throw new RoundFailure(`${memoryInUse() - before} bytes of batches were not released`);
  } catch (error) {
    throw new RoundFailure(`${kind.name}, seed ${seed} (${describe(round)}): ${error instanceof Error ? error.stack ?? error.message : String(error)}\n${scene.trail.join('\n')}\nreplay: npm run rounds -- --destination ${kind.name} --rounds 1 --seed ${seed}${write ? ` --write ${write}` : ''}`);
  } finally {
    await place.remove();
  }
  return round;
}

function describe({ job, options, breaks, lossy }: Round): string {
  return `${options.world}${options.snapshot === false ? ' without snapshot' : ''} ${job.deletes === 'soft' ? 'soft ' : ''}${job.write}, ${breaks.map((one) => JSON.stringify(one)).join(' ')}${lossy ? ', lossy' : ''}`;
}

/** The world of one round and what is done in it. */
class Scene {
  readonly world: ScriptedWorld;
  readonly draw: Seeded;
  /** What happened, for a failure's message. */
  readonly trail: string[] = [];
  private readonly oracle: Oracle;
  private runs = 0;

  constructor(readonly kindName: string, readonly place: Place, readonly round: Round, readonly folder: string) {
    this.draw = seeded(round.seed).fork('scene');
    this.world = new ScriptedWorld(round.seed, round.options);
    this.world.state.now = Math.ceil(this.world.script.log.length / 3);
    this.oracle = new Oracle(this.world.script, this.world.history);
  }

  /** A run with a break in it. A paused one wakes while its successor is at work, or after. */
  async broken(one: Break, index: number): Promise<void> {
    if (one.kind === 'kill') return this.killedChild(one);
    const breaker = new Breaker(one);
    const run = this.run(breaker, this.round.lossy ? this.draw.fork(`faults ${index}`) : undefined);
    if (one.kind !== 'zombie') {
      await run;
      return;
    }
    await Promise.race([breaker.paused, run]);
    if (breaker.happened && this.draw.chance(0.5)) this.world.advance(this.draw.below(4));
    const together = this.draw.chance(0.5);
    const next = new Breaker(drawBreak(this.draw, ['none', 'stop']));
    const successor = this.run(next);
    if (!together) await successor;
    breaker.release();
    await Promise.all([run, successor]);
  }

  /** Undisturbed runs until all that the source has is there. */
  async recover(): Promise<void> {
    this.place.deliverLate();
    await this.look('after late calls');
    this.world.advance(this.world.script.log.length);
    for (let attempt = 0; attempt < 6; attempt++) {
      const failure = await this.run(new Breaker({ kind: 'none' }));
      await this.look(`after undisturbed run ${attempt + 1}`);
      if (failure === undefined && await this.finished()) return;
    }
    throw new RoundFailure('six undisturbed runs did not bring it to its end');
  }

  /** Every table must be the oracle's at the position that its state names, at every moment. */
  async look(when: string): Promise<void> {
    if (this.place.settlesAtClaim) await this.settle();
    const { world, place, round: { job, options } } = this;
    const state = await this.state();
    for (const { name, schema } of world.script.streams) {
      const position = visiblePosition(state, name);
      if (options.world === 'incremental' && state.loads.some(({ openStreams }) => openStreams.includes(name))) continue; // its parts show as they come
      const target = this.target(name, schema.key);
      const have = await place.readTable(target);
      const differences = position === undefined ? (have.length > 0 ? [{ kind: 'unexpected' as const, text: `${have.length} rows without a position` }] : [])
        : this.oracle.compare(name, have, position, { write: job.write, deletes: job.deletes, placeholder: PLACEHOLDER, ordered: place.ordered && job.write === 'append', ...this.snapshotOf(position) });
      if (differences.length > 0) throw new RoundFailure(`${when}: ${name} at ${JSON.stringify(position)}:\n${describeDifferences(differences)}`);
    }
    if (options.world === 'live') await this.lookAtRejects(when, state);
  }

  private async settle(): Promise<void> {
    const destination = await this.place.open();
    const run = await destination.claim(PIPE, { job: 'round', runId: `look-${++this.runs}`, sourceIdentity: `script:${this.round.seed}`, host: 'test', pid: process.pid });
    await run[Symbol.asyncDispose]();
    await destination[Symbol.asyncDispose]();
  }

  private async lookAtRejects(when: string, state: JobState): Promise<void> {
    const destination = await this.place.open();
    try {
      for (const { name } of this.world.script.streams) {
        const position = visiblePosition(state, name);
        const from = position && this.snapshotOf(position).snapshotLsn;
        const want = position === undefined ? [] : this.oracle.rejections(name, position, from);
        const have = (await destination.quarantine(PIPE, { stream: name, limit: 10_000 })).map((row) => row.id);
        if (have.toSorted().join() !== [...want].sort().join()) throw new RoundFailure(`${when}: ${name} has rejects ${have.toSorted().join()}, should have ${[...want].sort().join()}`);
      }
    } finally {
      await destination[Symbol.asyncDispose]();
    }
  }

  /** With `snapshot: false` a stream begins empty. Else its slot knows at which moment its snapshot was. */
  private snapshotOf(position: Position): { readonly snapshotLsn?: number } {
    if (this.round.options.world !== 'live') return { snapshotLsn: 0 };
    const slot = this.world.state.slots[String(position['slot'])];
    return slot?.snapshot === undefined ? {} : { snapshotLsn: slot.snapshot };
  }

  private target(stream: string, key: readonly string[]): Target {
    const { schema, options } = this.place.target ?? {};
    return targetFor(stream, key, { write: this.round.job.write, table: stream.replace('app.', ''), ...(schema !== undefined && { schema }), ...(options && { options }) });
  }

  private async finished(): Promise<boolean> {
    const state = await this.state();
    const end = this.world.script.log.length;
    return state.loads.length === 0 && this.world.script.streams.every(({ name }) => state.streams[name]?.position?.['lsn'] === end);
  }

  private async state(): Promise<JobState> {
    const destination = await this.place.open();
    try {
      return await destination.state(PIPE);
    } finally {
      await destination[Symbol.asyncDispose]();
    }
  }

  /** What the run failed with, or undefined. */
  private async run(breaker: Breaker, faults?: Seeded): Promise<string | undefined> {
    const { world, place, folder, round } = this;
    const number = ++this.runs;
    const failed = await runScripted({ world, place, job: round.job, breaker, folder, seed: round.seed * 100 + number, ...(faults && { faults }) }).then(
      (report) => (report.outcome === 'failed' ? report.error?.message ?? report.streams.find((stream) => stream.error)?.error?.message ?? 'failed' : report.outcome === 'stopped' ? 'stopped' : undefined),
      (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
    this.trail.push(`run ${number}: ${failed ?? 'done'}${breaker.where ? ` (broken at step ${breaker.count}, ${breaker.where})` : ''}`);
    return failed;
  }

  private async killedChild(one: Break): Promise<void> {
    saveWorld(this.world, this.folder);
    const runner = fileURLToPath(new URL('../helpers/run-ts.mjs', import.meta.url));
    const script = fileURLToPath(new URL('./rounds-child.ts', import.meta.url));
    const argument = JSON.stringify({ kind: this.kindName, folder: this.folder, seed: this.round.seed, break: one, write: this.round.only });
    const child = spawn(process.execPath, ['--conditions=etl-source', '--import', runner, script, argument], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => { errors += chunk.toString(); });
    const end = await new Promise<string>((resolve) => { child.once('exit', (code, signal) => { resolve(signal ?? `exit ${code}`); }); });
    this.trail.push(`child: ${end}`);
    if (end !== 'SIGKILL' && end !== 'exit 0') throw new RoundFailure(`the child ended with ${end}: ${errors}`);
    const file = join(this.folder, 'world.json');
    if (existsSync(file)) Object.assign(this.world.state, JSON.parse(readFileSync(file, 'utf8')) as WorldState);
  }
}

/** Up to where readers see: a live split's committed position, else the published one. */
function visiblePosition(state: JobState, stream: string): Position | undefined {
  const live = state.loads.find(({ load, openStreams }) => load.kind === 'live' && openStreams.includes(stream));
  const split = live && Object.values(live.splits)[0];
  return split?.position ?? state.streams[stream]?.position;
}

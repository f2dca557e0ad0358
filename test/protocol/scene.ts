import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunEvent, RunReport } from '../../src/engine/index.ts';
import type { Destination, JobState, Position, Target } from '#sdk';
import { describeDifferences, Oracle, ScriptedWorld, seeded, targetFor, type Seeded, type TableRow, type WorldState } from '#testing';
import { Breaker, drawBreak, type Break } from './breaker.ts';
import type { BrokenRun, Round } from './draw.ts';
import { PIPE, PLACEHOLDER, runScripted, saveWorld, type Wish } from './job.ts';
import type { Place } from './places.ts';

export class RoundFailure extends Error {}

/** What a look finds: state, and the table and the rejected rows of each stream. */
interface Seen {
  readonly state: JobState;
  readonly tables: ReadonlyMap<string, readonly TableRow[]>;
  readonly rejects?: ReadonlyMap<string, readonly string[]>;
}

interface Going {
  readonly wish?: Wish;
  readonly faults?: Seeded | undefined;
}

/** The world of one round and what is done in it. */
export class Scene {
  readonly world: ScriptedWorld;
  readonly draw: Seeded;
  /** What happened, for a failure's message. */
  readonly trail: string[] = [];
  /** Where runs were broken. */
  readonly hits: { readonly kind: Break['kind']; readonly where: string }[] = [];
  private readonly oracle: Oracle;
  private readonly targets: readonly Target[];
  /** As at the last look, per stream: a stream that begins anew keeps its rows until it is published. */
  private readonly last = new Map<string, readonly TableRow[]>();
  /** Streams that a paused run wanted to begin anew: what its successor did before that was seen by nobody. */
  private readonly unseen = new Set<string>();
  /** Rows rejected before a stream began anew: they may stay. */
  private readonly oldRejects = new Map<string, ReadonlySet<string>>();
  private lastRejects: ReadonlyMap<string, readonly string[]> = new Map();
  /** Runs that are abandoned to the end. */
  private readonly asleep: { readonly breaker: Breaker; readonly run: Promise<unknown> }[] = [];
  private failure: RoundFailure | undefined;
  private runs = 0;

  constructor(readonly kindName: string, readonly place: Place, readonly round: Round, readonly folder: string) {
    this.draw = seeded(round.seed).fork('scene');
    this.world = new ScriptedWorld(round.seed, round.options);
    this.world.state.now = Math.ceil(this.world.script.log.length / 3);
    this.oracle = new Oracle(this.world.script, this.world.history);
    const { schema, options } = place.target ?? {};
    this.targets = this.world.script.streams.map((stream) => targetFor(stream.name, stream.schema.key, {
      write: round.job.write, table: stream.name.replace('app.', ''), ...(schema !== undefined && { schema }), ...(options && { options }),
    }));
  }

  /** A run with a break in it, and those that follow it at once. */
  async broken({ how, wish }: BrokenRun, index: number): Promise<void> {
    this.beginsAnew(wish, how);
    if (how.kind === 'kill') return this.killedChild(how, wish);
    const breaker = new Breaker(how);
    const run = this.run(breaker, { wish, faults: this.round.lossy ? this.draw.fork(`faults ${index}`) : undefined });
    await (how.kind === 'zombie' ? this.succeeded(how.wakes, breaker, run) : run);
    if (breaker.where !== undefined) this.hits.push({ kind: how.kind, where: breaker.where });
  }

  /** The run is paused; readers look; its successor works; it wakes beside it, after it, or when all is done. */
  private async succeeded(wakes: 'beside' | 'after' | 'at the end', breaker: Breaker, run: Promise<unknown>): Promise<void> {
    await Promise.race([breaker.paused, run]);
    if (breaker.where === undefined) return;
    if (!this.place.settlesAtClaim) await this.look('beside a paused run', { mayWait: true });
    if (this.draw.chance(0.5)) this.world.advance(this.draw.below(4));
    const successor = this.run(new Breaker(drawBreak(this.draw, ['none', 'stop'], this.place.failpoints)));
    if (wakes !== 'beside') await successor;
    if (wakes === 'at the end') {
      this.asleep.push({ breaker, run });
      return;
    }
    breaker.release();
    await Promise.all([run, successor]);
  }

  /** Undisturbed runs until all that the source has is there; then whoever was abandoned wakes, and changes nothing, unless it was still to claim. */
  async recover(): Promise<void> {
    this.place.deliverLate();
    await this.look('after late calls');
    this.world.advance(this.world.script.log.length);
    await this.undisturbed();
    if (this.asleep.length === 0) return;
    await this.wakeAll();
    const { state } = await this.look('after the abandoned runs woke');
    if (!this.finished(state)) await this.undisturbed();
  }

  private async undisturbed(): Promise<void> {
    const attempts = this.round.options.endless ? 20 : 6; // a stop is answered by a checkpoint only if one is at hand
    for (let attempt = 1; attempt <= attempts; attempt++) {
      const failure = await this.run(new Breaker({ kind: 'none' }));
      const { state } = await this.look(`after undisturbed run ${attempt}`);
      if (failure === undefined && this.finished(state)) return;
    }
    throw new RoundFailure(`${attempts} undisturbed runs did not bring it to its end`);
  }

  /** Nobody is left at work, however the round ended. */
  async wakeAll(): Promise<void> {
    for (const { breaker, run } of this.asleep.splice(0)) {
      breaker.release();
      await run;
    }
  }

  /** Every table must be the oracle's at the position that its state names, at every moment. */
  async look(when: string, { mayWait = false } = {}): Promise<Pick<Seen, 'state'>> {
    if (this.failure) throw this.failure;
    if (this.place.settlesAtClaim) await this.settle();
    const destination = await this.place.open();
    try {
      const state = await destination.state(PIPE);
      const tables = await this.place.readTables(this.targets);
      const rejects = await this.rejectsIn(destination);
      // Of a paused run only one step stands still: what else it does may have come between these reads.
      if (mayWait && (!tables || JSON.stringify(await destination.state(PIPE)) !== JSON.stringify(state))) return { state };
      if (!tables) throw new RoundFailure(`${when}: a table is locked`);
      this.judge(when, { state, rejects, tables: new Map(this.targets.map((target, i) => [target.stream, tables[i] ?? []])) });
      return { state };
    } finally {
      await destination[Symbol.asyncDispose]();
    }
  }

  private async settle(): Promise<void> {
    const destination = await this.place.open();
    const run = await destination.claim(PIPE, { job: 'round', runId: `look-${++this.runs}`, sourceIdentity: `script:${this.round.seed}`, host: 'test', pid: process.pid });
    await run[Symbol.asyncDispose]();
    await destination[Symbol.asyncDispose]();
  }

  private async rejectsIn(destination: Destination): Promise<Map<string, readonly string[]>> {
    const rows = await destination.quarantine(PIPE, { limit: 10_000 });
    return new Map(this.targets.map(({ stream }) => [stream, rows.filter((row) => row.stream === stream).map((row) => row.id)]));
  }

  private judge(when: string, { state, tables, rejects }: Seen): void {
    const { round: { options } } = this;
    for (const [stream, have] of tables) {
      if (options.world === 'incremental' && state.loads.some(({ load, openStreams }) => !load.staged && openStreams.includes(stream))) {
        this.last.set(stream, have); // its parts show as they come
        continue;
      }
      const position = visiblePosition(state, stream);
      if (position?.['part'] !== undefined && this.round.job.maxTransactionBytes === undefined) throw new RoundFailure(`${when}: ${stream} stands inside a transaction that the destination could hold`); // rule 16
      const anew = state.streams[stream]?.rebuild === true;
      const wrong = anew ? this.changed(stream, have) : this.differences(stream, have, position);
      if (wrong !== '') throw new RoundFailure(`${when}: ${stream} at ${JSON.stringify(position)}${anew ? ', which begins anew' : ''}:\n${wrong}`);
      if (rejects && options.world === 'live') this.judgeRejects(when, stream, { position, have: rejects.get(stream) ?? [] });
      this.last.set(stream, have);
    }
    if (rejects) this.lastRejects = rejects;
  }

  private differences(stream: string, have: readonly TableRow[], position: Position | undefined): string {
    if (position === undefined) return have.length > 0 ? `unexpected: ${have.length} rows without a position` : '';
    const { place, round: { job } } = this;
    const rows = have.filter((row) => row['_etl_op'] !== 'truncate'); // some logs tell of a truncate in a row of its own; it takes nothing from the others
    return describeDifferences(this.oracle.compare(stream, rows, position, {
      write: job.write, deletes: job.deletes, placeholder: PLACEHOLDER, ordered: place.ordered && job.write === 'append', ...this.snapshotOf(position),
    }));
  }

  private changed(stream: string, have: readonly TableRow[]): string {
    if (this.unseen.delete(stream)) return '';
    const sorted = (rows: readonly TableRow[] = []): string => rows.map((row) => JSON.stringify(row)).sort().join('\n');
    return sorted(have) === sorted(this.last.get(stream)) ? '' : 'unexpected: its rows changed before it was published';
  }

  private judgeRejects(when: string, stream: string, { position, have }: { readonly position: Position | undefined; readonly have: readonly string[] }): void {
    const want = position === undefined ? [] : this.oracle.rejections(stream, position, this.snapshotOf(position).snapshotLsn);
    const old = this.oldRejects.get(stream) ?? new Set<string>();
    const right = new Set(have).size === have.length && want.every((id) => have.includes(id)) && have.every((id) => want.includes(id) || old.has(id));
    if (!right) throw new RoundFailure(`${when}: ${stream} has rejects ${have.toSorted().join()}, should have ${want.toSorted().join()}`);
  }

  /** With `snapshot: false` a stream begins empty. Else its slot knows at which moment its snapshot was. */
  private snapshotOf(position: Position): { readonly snapshotLsn?: number } {
    if (this.round.options.world !== 'live') return { snapshotLsn: 0 };
    const slot = this.world.state.slots[String(position['slot'])];
    return slot?.snapshot === undefined ? {} : { snapshotLsn: slot.snapshot };
  }

  private beginsAnew({ refresh, without }: Wish, how: Break): void {
    const stream = refresh ?? without;
    if (stream === undefined) return;
    const paused = how.kind === 'zombie';
    if (paused) this.unseen.add(stream);
    const before = paused ? this.oracle.rejections(stream, { lsn: this.world.script.log.length }) : this.lastRejects.get(stream) ?? [];
    this.oldRejects.set(stream, new Set([...this.oldRejects.get(stream) ?? [], ...before]));
  }

  private finished(state: JobState): boolean {
    const end = this.world.script.log.length;
    const atEnd = this.targets.every(({ stream }) => visiblePosition(state, stream)?.['lsn'] === end && state.streams[stream]?.rebuild === false);
    return atEnd && (this.round.options.endless ? state.loads.every(({ load }) => load.kind === 'live') : state.loads.length === 0);
  }

  /** What the run failed with, or undefined. */
  private async run(breaker: Breaker, { wish, faults }: Going = {}): Promise<string | undefined> {
    const { world, place, round } = this;
    const number = ++this.runs;
    let committed = 0;
    const events = (event: RunEvent): void => {
      if (event.type !== 'committed') return;
      committed += event.rows;
      this.lookNow(`in run ${number}`);
    };
    const failed = await runScripted({ world, place, job: round.job, breaker, seed: round.seed * 100 + number, events, ...(wish && { wish }), ...(faults && { faults }) }).then(
      (report) => {
        this.addsUp(report, committed);
        return failureOf(report, round.options.endless === true);
      },
      (error: unknown) => (error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
    this.trail.push(`run ${number}: ${failed ?? 'done'}${breaker.where === undefined ? '' : ` (broken at ${breaker.where})`}${wish && Object.keys(wish).length > 0 ? ` ${JSON.stringify(wish)}` : ''}`);
    return failed;
  }

  /** Rule 32: receipts add up to the report. */
  private addsUp(report: RunReport, committed: number): void {
    const written = report.streams.reduce((sum, stream) => sum + stream.written, 0);
    if (written !== committed) this.failure ??= new RoundFailure(`the report counts ${written} rows, its receipts ${committed}`);
  }

  /** After every single commit, where state and tables of one instant can be had. */
  private lookNow(when: string): void {
    const now = this.place.now?.(PIPE);
    if (!now || this.failure) return;
    try {
      this.judge(when, { state: now.state, tables: new Map(this.targets.map((target) => [target.stream, now.table(target)])) });
    } catch (error) {
      if (!(error instanceof RoundFailure)) throw error;
      this.failure = error;
    }
  }

  private async killedChild(how: Break, wish: Wish): Promise<void> {
    saveWorld(this.world, this.folder);
    const runner = fileURLToPath(new URL('../helpers/run-ts.mjs', import.meta.url));
    const script = fileURLToPath(new URL('./rounds-child.ts', import.meta.url));
    const argument = JSON.stringify({ kind: this.kindName, folder: this.folder, seed: this.round.seed, how, wish, write: this.round.only });
    const child = spawn(process.execPath, ['--conditions=etl-source', '--import', runner, script, argument], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    let errors = '';
    child.stderr?.on('data', (chunk: Buffer) => { errors += chunk.toString(); });
    const end = await new Promise<string>((resolve) => { child.once('exit', (code, signal) => { resolve(signal ?? `exit ${code}`); }); });
    const died = join(this.folder, 'died-at.txt');
    const where = existsSync(died) ? readFileSync(died, 'utf8') : undefined;
    this.trail.push(`child: ${end}${where === undefined ? '' : ` at ${where}`}`);
    if (end !== (where === undefined ? 'exit 0' : 'SIGKILL')) throw new RoundFailure(`the child ended with ${end}: ${errors}`);
    if (where !== undefined) this.hits.push({ kind: 'kill', where });
    const file = join(this.folder, 'world.json');
    if (existsSync(file)) Object.assign(this.world.state, JSON.parse(readFileSync(file, 'utf8')) as WorldState);
  }
}

/** An endless run ends by a stop, when it is idle. */
function failureOf(report: RunReport, endless: boolean): string | undefined {
  if (report.outcome === 'failed') return report.error?.message ?? report.streams.find((stream) => stream.error)?.error?.message ?? 'failed';
  return report.outcome === 'stopped' && !endless ? 'stopped' : undefined;
}

/** Up to where readers see: a live split's committed position, else the published one. */
function visiblePosition(state: JobState, stream: string): Position | undefined {
  const live = state.loads.find(({ load, openStreams }) => load.kind === 'live' && openStreams.includes(stream));
  const split = live && Object.values(live.splits)[0];
  return split?.position ?? state.streams[stream]?.position;
}

import { join } from 'node:path';
import { failpoint, type JobState, type Load, type LoadId, type Owner, type Positions, type Run, type RunToken, type Session, type Split, type Target } from '#sdk';
import { fenced } from '../_shared/commit-log/errors.ts';
import { jobState, replacesAt } from '../_shared/commit-log/fold.ts';
import { beginIntent, openIntent, publishIntent, resetIntent } from '../_shared/commit-log/intents.ts';
import type { Incarnation } from '../_shared/commit-log/records.ts';
import { fileGone, targetLost } from './errors.ts';
import { explained } from './fence.ts';
import { incarnationOf, knownIncarnation, settleTable } from './folder.ts';
import { hidden, tableOf } from './layout.ts';
import { leaseOf, readLease, writeLease } from './lease.ts';
import type { Pipe } from './place.ts';
import { FileSession } from './session.ts';

/** The load's files take the place of all that the folder holds. */
export function isReplaced(load: Load, { stream }: Target): boolean {
  return load.staged && replacesAt(load, stream);
}

const targetsOf = (load: Load, streams: readonly string[]): readonly Target[] => load.targets.filter((target) => streams.includes(target.stream));

export class FileRun implements Run {
  readonly token: RunToken;
  private readonly pipe: Pipe;
  /** Who renews the lease; an attached process leaves it to the one that claimed. */
  private readonly owner: Owner | undefined;
  private beat = 1;

  constructor(pipe: Pipe, token: RunToken, owner?: Owner) {
    this.pipe = pipe;
    this.token = token;
    this.owner = owner;
  }

  get state(): JobState {
    return jobState(this.pipe.log.fold);
  }

  async renewLease(): Promise<void> {
    await this.pipe.log.readOn();
    if (this.pipe.log.fold.run !== this.token.runEpoch) throw fenced('run');
    if (this.owner) await writeLease(this.pipe, { ...leaseOf(this.owner), beat: ++this.beat });
  }

  async begin(load: Load, after: Readonly<Record<string, LoadId | undefined>>): Promise<Load> {
    await this.pipe.log.append(beginIntent(this.token.runEpoch, load, after, this.pipe.nonce()));
    await failpoint('file.begin.recorded');
    return load;
  }

  open(load: Load, split: Split, _abort: AbortSignal): Promise<Session> {
    return explained(this.pipe, this.token.runEpoch, () => this.openSplit(load, split));
  }

  private async openSplit(load: Load, split: Split): Promise<Session> {
    const intent = openIntent(this.token.runEpoch, { load: load.id, split: split.id }, this.pipe.nonce());
    await this.pipe.log.append(intent);
    await failpoint('file.open.recorded');
    for (const target of targetsOf(load, split.streams)) {
      const known = knownIncarnation(this.pipe.log.fold, target, isReplaced(load, target));
      if (known !== undefined && (await incarnationOf(this.pipe, tableOf(target))) !== known) throw targetLost(tableOf(target));
      await settleTable(this.pipe, tableOf(target));
    }
    return new FileSession(this.pipe, { run: this.token.runEpoch, runId: this.token.runId, load, split, opened: intent.opened });
  }

  publish(load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
    return explained(this.pipe, this.token.runEpoch, () => this.publishStreams(load, streams));
  }

  private async publishStreams(load: Load, streams: readonly string[]): Promise<'published' | 'already'> {
    const { log } = this.pipe;
    await log.readOn();
    const targets = targetsOf(load, streams);
    const incarnations = log.fold.loads.has(load.id) ? await this.incarnationsNow(load, targets) : [];
    const outcome = await log.append(publishIntent(this.token.runEpoch, { load: load.id, streams, incarnations }, this.pipe.nonce()));
    await failpoint('file.publish.recorded');
    for (const table of new Set(targets.map(tableOf))) await settleTable(this.pipe, table); // all new files first, then the old ones go (rule 13)
    await failpoint('file.publish.visible');
    return outcome === 'written' ? 'published' : 'already';
  }

  /** The folders are those that the state names, and hold all that the load staged (rules 13, 22). */
  private async incarnationsNow(load: Load, targets: readonly Target[]): Promise<Incarnation[]> {
    const { fold } = this.pipe.log;
    const folded = fold.loads.get(load.id);
    const now: Incarnation[] = [];
    for (const target of targets) {
      const table = tableOf(target);
      const id = await incarnationOf(this.pipe, table);
      const staged = folded?.incarnations.find((one) => one.stream === target.stream && one.table === table)?.id;
      const wanted = knownIncarnation(fold, target, isReplaced(load, target)) ?? staged;
      if (wanted !== undefined && id !== wanted) throw targetLost(table);
      const names = new Set(await this.pipe.place.disk.list(join(this.pipe.place.root, table)));
      const gone = folded?.staged.find((file) => file.table === table && !names.has(hidden(file.name)));
      if (gone) throw fileGone(table, gone.name);
      if (id !== undefined) now.push({ stream: target.stream, table, id });
    }
    return now;
  }

  async reset(streams: readonly string[], to?: Positions): Promise<void> {
    await this.pipe.log.append(resetIntent(this.token.runEpoch, streams, to, this.pipe.nonce()));
    await failpoint('file.reset.recorded');
  }

  /** Gives the lease back, if it is still ours. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.owner) return;
    const lease = await readLease(this.pipe).catch(() => undefined);
    if (lease?.runId !== this.token.runId) return;
    await writeLease(this.pipe, { ...lease, released: true }).catch(() => undefined);
  }
}

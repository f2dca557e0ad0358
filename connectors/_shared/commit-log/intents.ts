import { EtlError, type Load, type LoadId, type Owner, type Position, type Positions } from '#sdk';
import { fenced } from './errors.ts';
import type { FoldedLoad } from './fold.ts';
import type { Intent } from './log.ts';
import type { CommitBody, Incarnation, RecordBody } from './records.ts';

/** Run epoch + 1. It took whatever number was free, so it is known by its nonce alone. */
export function claimIntent(pipe: string, owner: Owner, nonce: string): Intent & { readonly taken: { run: number } } {
  const taken = { run: 0 };
  return {
    nonce,
    taken,
    decide(fold) {
      if (fold.sourceIdentity !== undefined && fold.sourceIdentity !== owner.sourceIdentity) {
        return new EtlError({
          kind: 'state_lost', code: 'ETL-LOG-009',
          message: `The state belongs to the source ${fold.sourceIdentity}, this job reads ${owner.sourceIdentity}.`,
          hint: 'Correct the connection, or accept the new source with `etl state adopt JOB --yes`.',
        });
      }
      taken.run = fold.run + 1;
      return { run: taken.run, body: { type: 'claim', pipe, owner } };
    },
  };
}

/** Succeeds only after the very load that the plan saw last, open or ended, of each stream (rule 4). */
export function beginIntent(run: number, load: Load, after: Readonly<Record<string, LoadId | undefined>>, nonce: string): Intent {
  return {
    nonce,
    decide(fold) {
      if (fold.loads.has(load.id)) return 'done';
      if (fold.run !== run) return fenced('run');
      if (load.streams.some((stream) => fold.streams.get(stream)?.lastLoad !== after[stream])) return fenced('begin');
      return { run, body: { type: 'begin', load } };
    },
  };
}

/** What an open found, final once its record stands. */
export interface Opened {
  epoch: number;
  committed: { position: Position; complete: boolean } | undefined;
}

/** Split epoch + 1, known by its nonce (rule 7). `opened` is true to the fold on which the record rests. */
export function openIntent(run: number, wish: { load: LoadId; split: string }, nonce: string): Intent & { readonly opened: Opened } {
  const opened: Opened = { epoch: 0, committed: undefined };
  return {
    nonce,
    opened,
    decide(fold) {
      if (fold.run !== run) return fenced('run');
      const current = fold.loads.get(wish.load);
      if (!current) return fenced('load');
      const split = current.splits.get(wish.split);
      opened.epoch = (split?.epoch ?? 0) + 1;
      opened.committed = split?.position === undefined ? undefined : { position: split.position, complete: split.complete };
      return { run, body: { type: 'open', ...wish, epoch: opened.epoch } };
    },
  };
}

/** Known by split, epoch and revision (rule 9); run, load and split are checked, each of them (rule 7). */
export function commitIntent(run: number, body: CommitBody, nonce: string): Intent {
  return {
    nonce,
    decide(fold) {
      const load = fold.loads.get(body.load);
      const split = load?.splits.get(body.split);
      if (split && split.epoch === body.epoch && split.revision >= body.revision) return 'done';
      if (fold.run !== run) return fenced('run');
      if (!load) return fenced('load');
      if (split?.epoch !== body.epoch) return fenced('split');
      return { run, body };
    },
  };
}

export interface PublishWish {
  readonly load: LoadId;
  readonly streams: readonly string[];
  readonly incarnations: readonly Incarnation[];
}

/** Legal when every part of these streams is complete; a live load: at any commit (rule 13). */
export function publishIntent(run: number, wish: PublishWish, nonce: string): Intent {
  const { load, streams, incarnations } = wish;
  return {
    nonce,
    decide(fold) {
      if (streams.every((stream) => fold.streams.get(stream)?.published === load)) return 'done';
      if (fold.run !== run) return fenced('run');
      const current = fold.loads.get(load);
      if (!current) return fenced('load');
      const missing = incompletePart(current, streams);
      if (missing !== undefined) {
        return new EtlError({ kind: 'internal', code: 'ETL-LOG-007', message: `Load ${load} can't be published: split ${missing} is not complete.` });
      }
      return { run, body: { type: 'publish', load, streams, incarnations } };
    },
  };
}

function incompletePart({ load, splits }: FoldedLoad, streams: readonly string[]): string | undefined {
  if (load.kind === 'live') return undefined;
  const concerned = load.splits.filter((split) => split.streams.some((stream) => streams.includes(stream)));
  return concerned.find((split) => !splits.get(split.id)?.complete)?.id;
}

export function resetIntent(run: number, streams: readonly string[], to: Positions | undefined, nonce: string): Intent {
  return {
    nonce,
    decide: (fold) => (fold.run !== run ? fenced('run') : { run, body: { type: 'reset', streams, ...(to ? { to } : {}) } }),
  };
}

/** Takes the next run epoch, so that a run in progress stops instead of writing past it (rule 8). */
export function adminIntent(body: Extract<RecordBody, { readonly type: 'adopt' | 'import' }>, nonce: string): Intent {
  return { nonce, decide: (fold) => ({ run: fold.run + 1, body }) };
}

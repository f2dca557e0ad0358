import { join } from 'node:path';
import type { PipeId, StateCommand, Target } from '#sdk';
import { adminIntent } from '../_shared/commit-log/intents.ts';
import type { ListedFile } from '../_shared/commit-log/records.ts';
import { readMark, replaceMark, settleTable, type Mark } from './folder.ts';
import { originOf, tableOf } from './layout.ts';
import { Pipe } from './place.ts';

const isShared = (mark: Mark | undefined, target: Target): boolean => mark?.shared === true && target.shared;

/** The pipe whose folder it is, if that keeps this one from writing there. */
export async function otherOwner(pipe: Pipe, target: Target): Promise<PipeId | undefined> {
  const mark = await readMark(pipe, tableOf(target));
  return mark === undefined || mark.pipe === pipe.id || isShared(mark, target) ? undefined : mark.pipe;
}

/** A folder as it is to be adopted. */
interface Found {
  readonly target: Target;
  readonly table: string;
  readonly id: string;
  /** It gets a new mark: the one that it bears is of another log. */
  readonly marked: boolean;
  readonly files: readonly ListedFile[];
}

/**
 * The folders as they lie there are this pipe's from now on (rule 22). The record comes before the marks: a folder between the two is one
 * that the state does not know, and is adopted again.
 */
export async function adoptFolders(pipe: Pipe, { sourceIdentity, targets }: Extract<StateCommand, { readonly type: 'adopt' }>): Promise<void> {
  const found: Found[] = [];
  for (const target of targets) {
    const folder = await look(pipe, target);
    if (folder) found.push(folder);
  }
  const incarnations = found.map(({ target: { stream }, table, id }) => ({ stream, table, id }));
  const body = { type: 'adopt', streams: targets.map(({ stream }) => stream), incarnations, files: found.flatMap(({ files }) => files) } as const;
  await pipe.log.append(adminIntent({ ...body, ...(sourceIdentity === undefined ? {} : { sourceIdentity }) }, pipe.nonce()));
  for (const { target, table, id, marked } of found) if (marked) await replaceMark(pipe, table, { id, shared: target.shared });
}

/** undefined: there is no folder, or what lies in it is nobody's. */
async function look(pipe: Pipe, target: Target): Promise<Found | undefined> {
  const table = tableOf(target);
  const { stream } = target;
  const owner = await otherOwner(pipe, target);
  if (owner !== undefined) await takeFrom(new Pipe(pipe.place, owner), table);
  const mark = await readMark(pipe, table);
  const data = (await pipe.place.disk.list(join(pipe.place.root, table))).filter((name) => originOf(name) !== undefined);
  const own = data.filter((name) => originOf(name)?.tag === pipe.tag);
  if (!mark && own.length === 0) return undefined;
  const isOurs = isShared(mark, target) || (mark?.pipe === pipe.id && mark.log === pipe.log.fold.log);
  const id = mark && isOurs ? mark.id : pipe.nonce();
  if (pipe.log.fold.streams.get(stream)?.incarnations.get(table) === id) return { target, table, id, marked: false, files: [] }; // all is as the state says
  const files = (isShared(mark, target) ? own : data).map((name) => ({ stream, table, name }));
  return { target, table, id, marked: !isOurs, files };
}

/** Who wrote the folder is fenced, and what its records list has its name: its rows are those that the folder shows. */
async function takeFrom(owner: Pipe, table: string): Promise<void> {
  await owner.log.readOn();
  if (owner.log.fold.log === '') return; // its log is lost
  await owner.log.append(adminIntent({ type: 'adopt', streams: [], incarnations: [] }, owner.nonce()));
  await settleTable(owner, table);
}

import { join } from 'node:path';
import { failpoint, type Target } from '#sdk';
import type { Fold } from '../_shared/commit-log/fold.ts';
import type { ListedFile } from '../_shared/commit-log/records.ts';
import { fileOptionsOf } from './config.ts';
import { fileGone, foreignTarget, noNewTable, otherFormat, rowsOfAnother, stateGone, targetLost, unknownFiles } from './errors.ts';
import { MARK, hidden, idInName, originOf, tableOf, unhidden, type FileOrigin } from './layout.ts';
import type { Pipe } from './place.ts';

/** Lies in the folder itself, so that a folder that is made anew is known as another (rule 22). */
export interface Mark {
  readonly v: 1;
  readonly id: string;
  readonly pipe: string;
  readonly log: string;
  readonly shared: boolean;
}

export async function readMark(pipe: Pipe, table: string): Promise<Mark | undefined> {
  const bytes = await pipe.place.disk.read(join(pipe.place.root, table, MARK));
  if (!bytes) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Mark;
  } catch {
    return { v: 1, id: 'unreadable', pipe: pipe.id, log: 'unreadable', shared: false }; // of no log: refused, until it is adopted
  }
}

/** The id that the folder bears now. */
export async function incarnationOf(pipe: Pipe, table: string): Promise<string | undefined> {
  return (await readMark(pipe, table))?.id;
}

export interface Claimed {
  readonly target: Target;
  /** By a load that takes the place of all that the folder holds. */
  readonly replaced: boolean;
}

/** The incarnation that a folder must bear: none while the state names none, or when the whole table is replaced (rule 22). */
export function knownIncarnation(fold: Fold, target: Target, replaced: boolean): string | undefined {
  return replaced ? undefined : fold.streams.get(target.stream)?.incarnations.get(tableOf(target));
}

interface Bound {
  readonly id: string;
  /** There was no such folder. */
  readonly made: boolean;
}

/** The folder's id. Makes the folder, only while the state names no incarnation of it (rule 22). */
export async function bindTable(pipe: Pipe, claimed: Claimed): Promise<Bound> {
  const { target } = claimed;
  const table = tableOf(target);
  for (;;) {
    const { mark, names } = await lookAt(pipe, claimed);
    if (mark) return { id: mark.id, made: false };
    const id = await makeMark(pipe, table, target.shared);
    if (id !== undefined) return { id, made: names.length === 0 };
  }
}

/** The folder as it stands; throws what keeps a load from writing there. Reads only. */
export async function lookAt(pipe: Pipe, { target, replaced }: Claimed): Promise<{ readonly mark: Mark | undefined; readonly names: readonly string[] }> {
  const table = tableOf(target);
  const known = knownIncarnation(pipe.log.fold, target, replaced);
  const mark = await readMark(pipe, table);
  if (known !== undefined && mark?.id !== known) throw targetLost(table);
  if (mark) assertOurs(pipe, { table, mark, shared: target.shared });
  const other = mark && known === undefined && !replaced ? streamIn(pipe.log.fold, { table, id: mark.id, but: target.stream }) : undefined;
  if (other !== undefined && !target.shared) throw rowsOfAnother(table, other);
  const names = await pipe.place.disk.list(join(pipe.place.root, table));
  const files = names.filter((name) => !name.startsWith('.') && /\.(parquet|jsonl)$/.test(name));
  const foreign = mark ? undefined : files.find((name) => originOf(name)?.tag !== pipe.tag);
  if (foreign !== undefined && !target.shared) throw unknownFiles(table, foreign);
  const { format } = fileOptionsOf(target.options);
  const unlike = known === undefined ? undefined : files.find((name) => !name.endsWith(`.${format}`)); // who reads the one would miss the rows of the other
  if (unlike !== undefined) throw otherFormat(table, unlike, format);
  if (names.length === 0 && !target.evolve.tables) throw noNewTable(table);
  return { mark, names };
}

/** The stream that the state names for the folder, if it is not this one: rows of two would be mixed. */
function streamIn({ streams }: Fold, { table, id, but }: { table: string; id: string; but: string }): string | undefined {
  return [...streams].find(([stream, { incarnations }]) => stream !== but && incarnations.get(table) === id)?.[0];
}

function assertOurs(pipe: Pipe, { table, mark, shared }: { table: string; mark: Mark; shared: boolean }): void {
  if (mark.shared && shared) return;
  if (mark.pipe !== pipe.id) throw foreignTarget(table, mark.pipe);
  if (mark.log !== pipe.log.fold.log) throw stateGone(table);
}

/** undefined: somebody else was faster. */
async function makeMark(pipe: Pipe, table: string, shared: boolean): Promise<string | undefined> {
  const { disk, root } = pipe.place;
  const folder = join(root, table);
  await disk.makeFolder(folder);
  const id = pipe.nonce();
  const temporary = await writeMark(pipe, folder, { id, shared });
  const linked = await disk.link(temporary, join(folder, MARK));
  await disk.unlink(temporary);
  await disk.fsyncFolder(folder);
  return linked === 'created' ? id : undefined;
}

/** In the place of whatever mark the folder bears. */
export async function replaceMark(pipe: Pipe, table: string, of: { readonly id: string; readonly shared: boolean }): Promise<void> {
  const folder = join(pipe.place.root, table);
  await pipe.place.disk.rename(await writeMark(pipe, folder, of), join(folder, MARK));
  await pipe.place.disk.fsyncFolder(folder);
}

/** Whole and durable, under a name of its own. */
async function writeMark(pipe: Pipe, folder: string, { id, shared }: { readonly id: string; readonly shared: boolean }): Promise<string> {
  const mark: Mark = { v: 1, id, pipe: pipe.id, log: pipe.log.fold.log, shared };
  const temporary = join(folder, `.${id}.tmp`);
  await pipe.writeWhole(temporary, Buffer.from(JSON.stringify(mark)));
  return temporary;
}

/** Gives listed files their names. Only after the record that lists them, and before anybody is told (rule 26). */
export async function showFiles(pipe: Pipe, files: readonly ListedFile[]): Promise<void> {
  const { disk, root } = pipe.place;
  const folders = new Set(files.map((file) => file.table));
  for (const { table, name } of files) {
    await failpoint('file.name');
    const renamed = await disk.rename(join(root, table, hidden(name)), join(root, table, name));
    if (!renamed && !(await disk.list(join(root, table))).includes(name)) throw fileGone(table, name);
  }
  for (const table of folders) await disk.fsyncFolder(join(root, table));
}

/**
 * Brings one folder to what the fold says: what a dead writer's record lists and left hidden gets its name (`open` and `claim`
 * finish it, rule 26), then what no record lists and none can list any more goes. `own`: a session that swept its own.
 */
export async function settleTable(pipe: Pipe, table: string, own?: FileOrigin): Promise<void> {
  const { disk, root } = pipe.place;
  const { fold } = pipe.log;
  const listed = new Set((fold.files.get(table) ?? []).map((file) => file.name));
  const waiting = waitingFiles(fold, table);
  const dead = deadFilter(pipe, own); // all of it from one fold, older than the listing
  const names = await disk.list(join(root, table));
  if (names.length === 0) return;
  const late = (fold.files.get(table) ?? []).filter((file) => names.includes(hidden(file.name)));
  await showFiles(pipe, late);
  if (late.length === 0) await disk.fsyncFolder(join(root, table)); // names that a killed writer gave may not be on the platter
  if (!(await isKnown(pipe, table))) return;
  let swept = false;
  for (const name of names) {
    const plain = unhidden(name) ?? name;
    if (listed.has(plain) || waiting.has(plain) || !(dead(originOf(plain)) || fold.adopted.get(table)?.has(plain))) continue;
    await failpoint('file.sweep');
    await disk.unlink(join(root, table, name));
    swept ||= plain === name;
  }
  if (swept) await disk.fsyncFolder(join(root, table)); // an old generation must not come back beside the new one
}

/** A folder in the place of the one that the state names, such as one from a backup, is not judged by this state: it may be adopted as it is. */
async function isKnown(pipe: Pipe, table: string): Promise<boolean> {
  const known = [...pipe.log.fold.streams.values()].flatMap((stream) => stream.incarnations.get(table) ?? []);
  return known.length === 0 || known.includes((await readMark(pipe, table))?.id ?? '');
}

/** Files that a record lists and that stay hidden: staged, or of a shadow. */
function waitingFiles(fold: Fold, table: string): Set<string> {
  const names = new Set<string>();
  for (const load of fold.loads.values()) {
    for (const file of load.staged) if (file.table === table) names.add(file.name);
    for (const shadow of load.shadows.values()) for (const file of shadow.files) if (file.table === table) names.add(file.name);
  }
  return names;
}

/** Dead by the fold alone, never by age: an older run, an ended load, a lower epoch (rules 2, 25). */
function deadFilter(pipe: Pipe, own: FileOrigin | undefined): (origin: FileOrigin | undefined) => boolean {
  const { fold, tag } = pipe.log.fold.log === '' ? { fold: undefined, tag: '' } : { fold: pipe.log.fold, tag: pipe.tag };
  if (!fold) return () => false;
  const { run } = fold;
  const ended = new Set([...fold.ended].map(idInName));
  const epochs = new Map<string, number>();
  for (const [load, { splits }] of fold.loads) for (const [split, { epoch }] of splits) epochs.set(`${idInName(load)}.${idInName(split)}`, epoch);
  return (origin) => {
    if (origin?.tag !== tag) return false;
    if (origin.run < run || ended.has(origin.load)) return true;
    const epoch = epochs.get(`${origin.load}.${origin.split}`) ?? 0;
    return origin.epoch < epoch || (own !== undefined && isSame(origin, own));
  };
}

function isSame(a: FileOrigin, own: FileOrigin): boolean {
  return a.run === own.run && a.load === idInName(own.load) && a.split === idInName(own.split) && a.epoch === own.epoch;
}

/** Every folder that the state knows of. */
export function tablesOf(fold: Fold): Set<string> {
  const tables = new Set<string>(fold.files.keys());
  for (const stream of fold.streams.values()) for (const table of stream.incarnations.keys()) tables.add(table);
  for (const { load } of fold.loads.values()) for (const target of load.targets) tables.add(tableOf(target));
  return tables;
}

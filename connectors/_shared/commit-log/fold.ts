import type { JobState, JsonObject, Load, LoadId, Owner, Position, SplitState, StreamState } from '#sdk';
import type { CommitBody, Incarnation, ListedFile, LogFile, LogRecord, QuarantineFile } from './records.ts';

/** A split as the records say it is. */
export interface FoldedSplit {
  epoch: number;
  revision: number;
  position?: Position;
  complete: boolean;
  rows: number;
  rejected: number;
  bytes: number;
}

export interface FoldedLoad {
  load: Load;
  openStreams: Set<string>;
  splits: Map<string, FoldedSplit>;
  /** Files of a staged load, hidden until its publish (rule 11). */
  staged: LogFile[];
  /** A stream's shadow of a rebuild inside a live load. */
  shadows: Map<string, { generation: string; files: LogFile[] }>;
  incarnations: Incarnation[];
}

export interface FoldedStream {
  position?: Position;
  lastLoad?: LoadId;
  published?: LoadId;
  rebuild: boolean;
  incarnations: Map<string, string>;
  fingerprint?: string;
  publishedAt?: string;
}

/** What records 1 to n say. */
export interface Fold {
  /** Nonce of record 1: tells this log from one that was there before it and is lost. */
  log: string;
  run: number;
  runId: string;
  owner: string;
  sourceIdentity?: string;
  streams: Map<string, FoldedStream>;
  loads: Map<LoadId, FoldedLoad>;
  /** Visible files by table. */
  files: Map<string, ListedFile[]>;
  /** By table, names of those that an adoption brought in: their own log is another's or lost, and says nothing of them any more. */
  adopted: Map<string, Set<string>>;
  quarantine: QuarantineFile[];
  /** Loads that ended under this run epoch: what they left unlisted is dead. */
  ended: Set<LoadId>;
}

export function emptyFold(): Fold {
  return { log: '', run: 0, runId: '', owner: '', streams: new Map(), loads: new Map(), files: new Map(), adopted: new Map(), quarantine: [], ended: new Set() };
}

export function streamOf(fold: Fold, name: string): FoldedStream {
  let stream = fold.streams.get(name);
  if (!stream) fold.streams.set(name, (stream = { rebuild: false, incarnations: new Map() }));
  return stream;
}

/** Takes the next record in. */
export function applyRecord(fold: Fold, record: LogRecord): void {
  fold.log ||= record.nonce;
  const { body } = record;
  switch (body.type) {
    case 'claim': return claim(fold, record.run, body.owner);
    case 'begin': return begin(fold, body.load);
    case 'open': return open(fold, body);
    case 'commit': return commit(fold, body);
    case 'publish': return publish(fold, body, record.at);
    case 'reset': return reset(fold, body.streams, body.to);
    case 'adopt':
      fold.run = record.run;
      return adopt(fold, body);
    case 'import':
      fold.run = record.run;
      return importPositions(fold, body.positions);
  }
}

function claim(fold: Fold, run: number, owner: Owner): void {
  Object.assign(fold, { run, runId: owner.runId, owner: owner.job });
  fold.sourceIdentity ??= owner.sourceIdentity;
  fold.ended.clear(); // what their sessions left is dead by its lower run epoch
}

function open(fold: Fold, body: { load: LoadId; split: string; epoch: number }): void {
  const split = splitOf(fold, body.load, body.split);
  if (split) Object.assign(split, { epoch: body.epoch, revision: 0 });
}

function splitOf(fold: Fold, load: LoadId, split: string): FoldedSplit | undefined {
  const splits = fold.loads.get(load)?.splits;
  if (!splits) return undefined;
  const known = splits.get(split) ?? { epoch: 0, revision: 0, complete: false, rows: 0, rejected: 0, bytes: 0 };
  splits.set(split, known);
  return known;
}

function setPosition(stream: FoldedStream, position: Position | undefined): void {
  if (position === undefined) delete stream.position;
  else stream.position = position;
}

/** The new load takes the place of the open ones of its streams, which end by that (rule 4). */
function begin(fold: Fold, load: Load): void {
  for (const name of load.streams) {
    endFor(fold, name);
    streamOf(fold, name).lastLoad = load.id;
  }
  fold.loads.set(load.id, {
    load, openStreams: new Set(load.streams), splits: new Map(), staged: [], shadows: new Map(), incarnations: [],
  });
}

function endFor(fold: Fold, stream: string): void {
  for (const [id, one] of fold.loads) {
    if (!one.openStreams.delete(stream) || one.openStreams.size > 0) continue;
    fold.loads.delete(id);
    fold.ended.add(id);
  }
}

function commit(fold: Fold, body: CommitBody): void {
  const load = fold.loads.get(body.load);
  const split = splitOf(fold, body.load, body.split);
  if (!load || !split) return;
  split.revision = body.revision;
  split.position = body.position;
  split.complete ||= body.last;
  split.rows += body.rows;
  split.rejected += body.rejected;
  split.bytes += body.bytes;
  fold.quarantine.push(...body.quarantine);
  listFiles(fold, load, body);
  if (load.load.staged) load.incarnations.push(...body.incarnations);
  else remember(fold, load.load, body.incarnations);
}

/** Where a commit's files go: into its stream's shadow, the load's stage, or the table. */
function listFiles(fold: Fold, load: FoldedLoad, body: CommitBody): void {
  for (const [stream, generation] of Object.entries(body.shadows)) {
    if (load.shadows.get(stream)?.generation !== generation) load.shadows.set(stream, { generation, files: [] });
  }
  for (const file of body.files) {
    if (file.generation !== undefined) load.shadows.get(file.stream)?.files.push(file);
    else if (load.load.staged) load.staged.push(file);
    else visible(fold, file.table).push(file);
  }
  for (const stream of body.rebuilt) { // the shadow takes the table's place in this very commit (rule 16)
    show(fold, load.load, { stream, files: load.shadows.get(stream)?.files ?? [], replaces: true });
    load.shadows.delete(stream);
  }
}

function remember(fold: Fold, load: Load, incarnations: readonly Incarnation[]): void {
  for (const { stream, table, id } of incarnations) {
    const known = streamOf(fold, stream);
    known.incarnations.set(table, id);
    known.fingerprint = load.fingerprint;
  }
}

function visible(fold: Fold, table: string): ListedFile[] {
  let files = fold.files.get(table);
  if (!files) fold.files.set(table, (files = []));
  return files;
}

/** The files of one stream become visible, in the place of its older ones or beside them. */
function show(fold: Fold, load: Load, { stream, files, replaces }: { stream: string; files: readonly LogFile[]; replaces: boolean }): void {
  if (replaces) for (const [table, old] of fold.files) fold.files.set(table, old.filter((file) => file.stream !== stream));
  for (const { generation: _, ...file } of files) visible(fold, file.table).push(file);
  streamOf(fold, stream).fingerprint = load.fingerprint;
}

function publish(fold: Fold, body: { load: LoadId; streams: readonly string[]; incarnations: readonly Incarnation[] }, at: string): void {
  const load = fold.loads.get(body.load);
  if (!load) return;
  for (const name of body.streams) {
    if (!load.openStreams.has(name)) continue;
    const stream = streamOf(fold, name);
    if (load.load.staged) {
      show(fold, load.load, { stream: name, files: load.staged.filter((file) => file.stream === name), replaces: replacesAt(load.load, name) });
      load.staged = load.staged.filter((file) => file.stream !== name);
    }
    remember(fold, load.load, [...load.incarnations, ...body.incarnations].filter((one) => one.stream === name));
    setPosition(stream, publishedPosition(load, name) ?? stream.position);
    Object.assign(stream, { published: body.load, rebuild: false, publishedAt: at, fingerprint: load.load.fingerprint });
  }
  for (const name of body.streams) endFor(fold, name);
}

export function replacesAt(load: Load, stream: string): boolean {
  return load.rebuild || load.targets.some((target) => target.stream === stream && target.write === 'replace');
}

/** A live load's streams take the committed position of its split (rule 13). */
function publishedPosition({ load, splits }: FoldedLoad, stream: string): Position | undefined {
  const live = load.kind === 'live' ? load.splits[0] : undefined;
  return (live && splits.get(live.id)?.position) ?? load.positions[stream];
}

/** Ends the loads; the rows stay. Without positions the next load replaces them (rule 8). No epoch is lowered. */
function reset(fold: Fold, streams: readonly string[], to: Readonly<Record<string, Position>> | undefined): void {
  for (const name of streams) {
    endFor(fold, name);
    const stream = streamOf(fold, name);
    if (to) { if (to[name] !== undefined) stream.position = to[name]; continue; }
    delete stream.position;
    stream.rebuild = true;
  }
}

function importPositions(fold: Fold, positions: Readonly<Record<string, Position | null>>): void {
  reset(fold, Object.keys(positions), {});
  for (const [name, position] of Object.entries(positions)) setPosition(streamOf(fold, name), position ?? undefined);
}

/** Targets bear other ids now than the state names: what is not there any more is no longer listed. */
function adopt(fold: Fold, body: Extract<LogRecord['body'], { readonly type: 'adopt' }>): void {
  const now = body.incarnations;
  if (body.sourceIdentity !== undefined) fold.sourceIdentity = body.sourceIdentity;
  for (const name of body.streams) {
    const found = now.filter((one) => one.stream === name);
    if (found.length === 0 && !fold.streams.has(name)) continue; // nothing is there, and nothing was ever moved
    const stream = streamOf(fold, name);
    for (const [table, id] of stream.incarnations) {
      if (now.some((one) => one.stream === name && one.table === table && one.id === id)) continue;
      stream.incarnations.delete(table);
      fold.files.set(table, visible(fold, table).filter((file) => file.stream !== name));
    }
    for (const one of found) stream.incarnations.set(one.table, one.id);
  }
  for (const file of body.files ?? []) {
    visible(fold, file.table).push(file);
    fold.adopted.set(file.table, (fold.adopted.get(file.table) ?? new Set()).add(file.name));
  }
}

// ── what others see ──────────────────────────────────────────────────────────────────────────────────────────────────

const plain = ({ epoch, ...split }: FoldedSplit): SplitState => ({ splitEpoch: epoch, ...split });

export function jobState(fold: Fold): JobState {
  const streams: Record<string, StreamState> = {};
  for (const [name, { published: _, incarnations, ...stream }] of fold.streams) {
    streams[name] = { ...stream, incarnations: Object.fromEntries(incarnations) };
  }
  return {
    runEpoch: fold.run,
    ...(fold.sourceIdentity === undefined ? {} : { sourceIdentity: fold.sourceIdentity }),
    ...(fold.owner === '' ? {} : { owner: fold.owner }),
    streams,
    loads: [...fold.loads.values()].map(({ load, openStreams, splits }) => ({
      load, openStreams: [...openStreams], splits: Object.fromEntries([...splits].map(([id, split]) => [id, plain(split)])),
    })),
  };
}

// ── in a record ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Maps and sets become lists under a key of their own, so that no name can be taken for one of ours. */
export function foldToJson(fold: Fold): JsonObject {
  return JSON.parse(JSON.stringify(fold, (_, value: unknown) =>
    value instanceof Map ? { $map: [...value] } : value instanceof Set ? { $set: [...value] } : value)) as JsonObject;
}

export function foldFromJson(json: JsonObject): Fold {
  const fold = JSON.parse(JSON.stringify(json), (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$map' in value) return new Map(value.$map as [unknown, unknown][]);
    return '$set' in value ? new Set(value.$set as unknown[]) : value;
  }) as Partial<Fold>;
  return { ...emptyFold(), ...fold }; // a version before this one wrote less
}

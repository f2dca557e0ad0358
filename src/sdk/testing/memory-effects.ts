import type { Field } from '#batch';
import { EtlError } from '../../errors/error.ts';
import type { Load, PipeId, Target } from '../contract.ts';
import type { FoldInput } from './fold.ts';
import { emptyTable, type MemoryStore, type OpenLoad, type StagedMessage, type StoredPipe, type StoredTable } from './memory-store.ts';
import { applyChanges, mergeStaged, widen } from './memory-tables.ts';

/** Where an effect happens. */
export interface Scene {
  readonly store: MemoryStore;
  readonly pipe: StoredPipe;
  readonly open: OpenLoad;
  readonly id: PipeId;
}

export function targetOf(load: Load, stream: string): Target {
  const target = load.targets.find((one) => one.stream === stream);
  if (target) return target;
  throw new EtlError({ kind: 'internal', code: 'ETL-TST-004', message: `Load ${load.id} has no target for ${stream}.` });
}

/** Rules 22 and 30. */
export function widenTarget(scene: Scene, target: Target, fields: readonly Field[]): string[] {
  const changes = widen(tableOf(scene, target), target, fields);
  const shadow = scene.pipe.shadows[target.stream];
  if (shadow && !scene.open.load.staged) widen(shadow.table, target, fields);
  return changes;
}

/** The table that a load's commits write: its own staging, or the target, which is made while state names none. */
function tableOf({ store, pipe, open, id }: Scene, target: Target): StoredTable {
  if (open.load.staged) return open.staging[target.stream] ??= emptyTable(target.write, id, 'staged');
  const stream = pipe.streams[target.stream] ??= { rebuild: false, incarnations: {} };
  const table = store.tables[target.table] ??= emptyTable(target.write, id, newIncarnation(store));
  if (stream.incarnations[target.table] === undefined) stream.incarnations = { ...stream.incarnations, [target.table]: table.incarnation };
  return table;
}

function newIncarnation(store: MemoryStore): string {
  return `i${++store.incarnations}`;
}

/** The rows of one commit, of all its streams (rule 16). Returns how many. */
export function commitEffects(scene: Scene, staged: readonly StagedMessage[], rebuilt: readonly string[]): number {
  const { open: { load }, pipe } = scene;
  for (const stream of new Set(staged.map((message) => message.stream))) {
    const target = targetOf(load, stream);
    const own = staged.filter((message) => message.stream === stream);
    const rebuild = own.findLast((message) => 'rebuild' in message);
    if (rebuild && 'rebuild' in rebuild) beginShadow(scene, target, rebuild.rebuild);
    applyChanges(tableOf(scene, target), target, changesOf(own, undefined), load.startedAt);
    const shadow = pipe.shadows[stream];
    if (shadow) applyChanges(shadow.table, target, changesOf(own, shadow.generation), load.startedAt);
  }
  for (const stream of rebuilt) swapShadow(scene, targetOf(load, stream));
  return staged.filter((message) => 'change' in message).length;
}

/** Of the table, or of the shadow of one generation: those of an older one are of no use. */
function changesOf(messages: readonly StagedMessage[], generation: string | undefined): FoldInput[] {
  return messages.flatMap((message): FoldInput[] => {
    if ('rebuild' in message || message.shadow !== generation) return [];
    return 'change' in message ? [message.change] : [{ op: 'truncate' }];
  });
}

/** The same generation goes on, another begins anew. */
function beginShadow(scene: Scene, target: Target, generation: string): void {
  const { pipe } = scene;
  if (pipe.shadows[target.stream]?.generation === generation) return;
  const { fields } = tableOf(scene, target);
  pipe.shadows[target.stream] = { generation, table: { ...emptyTable(target.write, scene.id, 'shadow'), fields } };
}

function swapShadow({ store, pipe }: Scene, target: Target): void {
  const shadow = pipe.shadows[target.stream];
  if (!shadow) throw new EtlError({ kind: 'internal', code: 'ETL-TST-004', message: `${target.stream} has no shadow to swap.` });
  replaceTable(store, pipe, target, shadow.table);
  delete pipe.shadows[target.stream];
}

function replaceTable(store: MemoryStore, pipe: StoredPipe, target: Target, table: StoredTable): void {
  const incarnation = newIncarnation(store);
  store.tables[target.table] = { ...table, incarnation };
  const stream = pipe.streams[target.stream];
  if (stream) stream.incarnations = { ...stream.incarnations, [target.table]: incarnation };
}

/** Rule 11: what was staged becomes visible, replacing the table or joining it. */
export function publishEffects(scene: Scene, stream: string): void {
  const { store, pipe, open } = scene;
  if (!open.load.staged) return;
  const target = targetOf(open.load, stream);
  const staged = open.staging[stream] ?? emptyTable(target.write, scene.id, 'staged');
  delete open.staging[stream];
  if (open.load.rebuild || target.write === 'replace' || !store.tables[target.table]) return replaceTable(store, pipe, target, staged);
  mergeStaged(tableOf({ ...scene, open: { ...open, load: { ...open.load, staged: false } } }, target), staged, target, open.load.startedAt);
}

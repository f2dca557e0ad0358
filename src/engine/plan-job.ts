import type { ResolvedJob } from '../job/resolved.ts';
import { bind, digest, refuseSharedTables, refuseUnknownColumns, type Binding } from '../plan/bind.ts';
import { matchStreams, selected } from '../plan/pipes.ts';
import type { Destination, Json, JobState, Load, PipeId, Position, SchemaPlan, Source } from '../sdk/contract.ts';
import { refuseOtherSource } from '../state/stateful.ts';
import { classified, discoverFor, greeted, openDestination, openSource, type Connected, type EngineContext } from './connect.ts';
import { refuseMixing } from './fingerprint.ts';
import { splitLimit } from './pipe-run.ts';

export interface PlanJobOptions {
  readonly select?: readonly string[];
  readonly fullRefresh?: boolean;
}

export interface PlannedStream {
  readonly stream: string;
  readonly sync: string;
  readonly write: string;
  readonly schema?: string;
  readonly table: string;
  readonly key: readonly string[];
  readonly position?: Position;
  readonly estimatedRows?: number;
  readonly splits: number;
  /** Nothing shows before the whole load is in. */
  readonly staged: boolean;
  /** A load of an earlier run is finished first. */
  readonly unfinished: boolean;
  readonly plan: SchemaPlan;
  readonly promise: string;
  readonly promiseNote?: string;
}

export interface JobPlan {
  /** Of streams, modes, schemas, DDL and promise; not of estimates. */
  readonly hash: string;
  readonly pipes: readonly { readonly pipe: string; readonly streams: readonly PlannedStream[] }[];
}

/** What a run would do now. Reads only. */
export async function planJob(job: ResolvedJob, options: PlanJobOptions, engine: EngineContext): Promise<JobPlan> {
  const source = await openSource(job, engine);
  try {
    const identity = await greeted(source, () => source.port.identity());
    const catalogue = await discoverFor(job, source);
    const pipes: { pipe: string; streams: PlannedStream[] }[] = [];
    for (const { id, destination: name, streams } of matchStreams(job, catalogue, options.select)) {
      const destination = await openDestination(job, name, engine);
      try {
        const state = await classified(destination.connector, () => destination.port.state(id));
        refuseOtherSource(id, state, identity);
        const bound = streams.map((match) => bind(match, destination.port.capabilities, { fullRefresh: options.fullRefresh ?? false, state }));
        refuseSharedTables(bound, destination.port.capabilities);
        refuseUnknownColumns(bound);
        refuseMixing(state, bound);
        const chosen = bound.filter(({ stream }) => selected(options.select, stream));
        pipes.push({ pipe: id, streams: await planStreams(job, source, destination, { id, chosen, state, nextLoadId: () => engine.ports.random.uuidv7() }) });
      } finally {
        await destination.port[Symbol.asyncDispose]();
      }
    }
    return { hash: hashOf(pipes), pipes };
  } finally {
    await source.port[Symbol.asyncDispose]();
  }
}

async function planStreams(job: ResolvedJob, source: Connected<Source>, destination: Connected<Destination>, of: { id: PipeId; chosen: readonly Binding[]; state: JobState; nextLoadId: () => string }): Promise<PlannedStream[]> {
  const { id, chosen, state, nextLoadId } = of;
  const loads = await classified(source.connector, () => source.port.plan(chosen.map(({ selection }) => selection), state, { maxSplits: splitLimit(job, destination), nextLoadId }));
  const planned: PlannedStream[] = [];
  for (const binding of chosen) {
    const plan = await classified(destination.connector, () => destination.port.planSchema(id, binding.target, binding.schema, binding.selection.fullRefresh));
    planned.push(describe(binding, binding.conflicts.length > 0 ? { ...plan, conflicts: binding.conflicts } : plan, { load: loads.find((load) => load.streams.includes(binding.stream)), state, destination: destination.port }));
  }
  return planned;
}

function describe(binding: Binding, plan: SchemaPlan, of: { load: Load | undefined; state: JobState; destination: Destination }): PlannedStream {
  const { stream, selection, target, match } = binding;
  const { capabilities } = of.destination;
  const position = of.state.streams[stream]?.position;
  const { estimatedRows } = match.info;
  const notes = [...(capabilities.promiseNote === undefined ? [] : [capabilities.promiseNote]), ...(selection.sync === 'incremental' ? ['An incremental pass does not see what the source deletes: such rows stay.'] : selection.write === 'merge' ? ['A full load into merge does not see what the source deletes: such rows stay.'] : [])];
  return {
    stream, sync: selection.sync, write: selection.write, ...(target.schema === undefined ? {} : { schema: target.schema }), table: target.table, key: target.key,
    ...(position ? { position } : {}), ...(estimatedRows === undefined ? {} : { estimatedRows }), splits: of.load?.splits.length ?? 0, staged: of.load?.staged ?? false,
    unfinished: of.state.loads.some(({ openStreams }) => openStreams.includes(stream)), plan, promise: capabilities.promise[selection.write] ?? 'at-least-once',
    ...(notes.length === 0 ? {} : { promiseNote: notes.join(' ') }),
  };
}

function hashOf(pipes: JobPlan['pipes']): string {
  const bound = pipes.map(({ pipe, streams }) => ({
    pipe, streams: streams.map(({ stream, sync, write, schema, table, key, staged, plan, promise }) => ({ stream, sync, write, schema: schema ?? null, table, key, staged, plan, promise })),
  }));
  return digest(bound as unknown as Json).slice(0, 16);
}

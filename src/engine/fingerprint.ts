import { EtlError } from '../errors/error.ts';
import type { Binding } from '../plan/bind.ts';
import type { JobState, StoredLoad } from '../sdk/contract.ts';

interface Fingerprint {
  /** All that decides a load's bytes. */
  readonly all: string;
  /** The part of it that can't be mixed in one table. */
  readonly unmixable: string;
  /** The columns that it had. */
  readonly columns: Binding['columns'];
  readonly names: Binding['names'];
  readonly query?: string;
  /** Its position is a place in a log, which others may acknowledge. */
  readonly log?: true;
}
type Fingerprints = Readonly<Record<string, Fingerprint>>;

export function fingerprintOf(bindings: readonly Binding[]): string {
  const each = bindings.map(({ stream, fingerprint, unmixable, columns, names, query, selection }): [string, Fingerprint] =>
    [stream, { all: fingerprint, unmixable, columns, names, ...(query !== undefined && { query }), ...(selection.sync === 'cdc' && { log: true }) }]).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(Object.fromEntries(each));
}

/** Streams that have a place in a log and are no longer in the job: that place would pin the log, or be passed by the others' acknowledgements (rule 5). */
export function leftBehind(state: JobState, bindings: ReadonlyMap<string, Binding>): readonly string[] {
  return Object.entries(state.streams).filter(([stream, { position, fingerprint }]) => !bindings.has(stream) && position !== undefined && parse(fingerprint)[stream]?.log).map(([stream]) => stream);
}

/** Incremental streams whose query is another than at their last load: rows that it now finds below their positions are not read. */
export function editedQueries(state: JobState, bindings: readonly Binding[]): readonly string[] {
  return bindings.filter(({ stream, query, selection }) => {
    const before = parse(state.streams[stream]?.fingerprint)[stream]?.query;
    return selection.sync === 'incremental' && !selection.fullRefresh && state.streams[stream]?.position !== undefined && before !== undefined && before !== query;
  }).map(({ stream }) => stream);
}

function parse(text: string | undefined): Fingerprints {
  return text ? (JSON.parse(text) as Fingerprints) : {};
}

/** What becomes of a load that an earlier run left, now that the job may be another (rule 5). */
export type Verdict = 'continue' | 'replace' | 'publish_then_new' | 'leave';

export function verdictOf({ load, openStreams, splits }: StoredLoad, bindings: ReadonlyMap<string, Binding>): Verdict {
  const known = openStreams.flatMap((stream) => bindings.get(stream) ?? []);
  if (load.kind === 'live' && known.length < openStreams.length) return 'publish_then_new';
  if (known.length === 0) return 'leave';
  const before = parse(load.fingerprint);
  const same = known.every((binding) => before[binding.stream]?.all === binding.fingerprint);
  if (same) return 'continue';
  if (load.staged) return 'replace';
  if (load.kind === 'live') return 'publish_then_new';
  // What could never be committed, or is replaced as a whole anyway, must not hold up the job that was mended (rule 4).
  const committed = Object.values(splits).some((split) => split.revision > 0);
  return committed && known.some(({ target }) => target.write !== 'replace') ? 'continue' : 'replace';
}

/** Key, write mode, hash key or cast changed while rows of the old kind stand in the table (rule 5). */
export function refuseMixing(state: JobState, bindings: readonly Binding[]): void {
  for (const { stream, unmixable, target, selection } of bindings) {
    const of = state.streams[stream];
    const before = parse(of?.fingerprint)[stream]?.unmixable
      ?? state.loads.flatMap(({ load, openStreams }) => (load.staged || !openStreams.includes(stream) ? [] : parse(load.fingerprint)[stream]?.unmixable ?? [])).at(0);
    if (before === undefined || before === unmixable || target.write === 'replace' || selection.fullRefresh) continue;
    throw new EtlError({
      kind: 'config_changed', code: 'ETL-RUN-031', configPath: `streams.${stream}`,
      message: `${stream}: its target, key, write mode, names or a rule of its columns is another than when it was last moved into ${target.table}.`,
      hint: `Old and new rows would not make one table. Fill it anew with \`etl run --full-refresh --select ${stream}\`, or take the change back. Nothing was written.`,
    });
  }
}

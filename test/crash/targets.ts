import type { Faults, Look, Mode, Reach } from './oracle.ts';
import { NOWHERE } from './oracle.ts';
import type { Route } from './routes.ts';
import { duckdbTarget, postgresTarget } from './target-sql.ts';
import { parquetTarget } from './target-file.ts';

/** The destination as any other reader sees it. */
export interface Target {
  /** Lines of the job under `connections`. */
  readonly connection: string;
  /** Of the job under `target`. */
  readonly options: string;
  /** May it be read while `etl` runs? */
  readonly shared: boolean;
  /** undefined: it changed so much meanwhile that nothing can be said. */
  look(table: string, mode: Mode): Promise<Look | undefined>;
  /** One number for all that anybody can read, whatever its order. */
  content(): Promise<string>;
  /** What lies there after a run that ended well, and belongs to no committed row: nothing may. */
  leftovers(): Promise<Faults>;
  close(): Promise<void>;
}

export interface Place {
  readonly folder: string;
  readonly url: string;
  readonly tables: readonly string[];
}

export function openTarget(route: Route, place: Place): Target {
  if (route === 'postgres-parquet') return parquetTarget(place);
  return route === 'postgres-duckdb' ? duckdbTarget(place) : postgresTarget(place);
}

/** Microseconds of a timestamp as the source writes it. */
function microseconds(text: string): number {
  const [, seconds = '', fraction = '', zone = ''] = /^(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|\+00(?::?00)?)$/.exec(text) ?? [];
  const milliseconds = zone === '' ? Number.NaN : Date.parse(`${seconds.replace(' ', 'T')}Z`);
  if (Number.isNaN(milliseconds)) throw new Error(`a position holds ${text}`);
  return milliseconds * 1000 + Number(fraction.padEnd(6, '0'));
}

/** A pass ends at a cursor, or is within at a cursor and key. */
export function reachOf(position: unknown): Reach {
  const { mode, upTo, after } = (position ?? {}) as { readonly mode?: string; readonly upTo?: string | null; readonly after?: readonly [string, string] };
  if (mode !== 'incremental') return NOWHERE;
  if (after) return { at: microseconds(after[0]), id: Number(after[1]) };
  return upTo == null ? NOWHERE : { at: microseconds(upTo), id: Number.POSITIVE_INFINITY };
}

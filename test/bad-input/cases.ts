import type { Said, World } from './world.ts';

export interface BrokenCase {
  readonly name: string;
  readonly job: string;
  /** Before the run: what breaks it. */
  readonly before?: (world: World) => Promise<void> | void;
  readonly args?: readonly string[];
  /** In place of `etl run job.yaml`. */
  readonly run?: (world: World) => Promise<Said>;
  readonly exit: number;
  readonly code: string;
  /** The text of the job that the error points at; left out where no line of the job is the cause. */
  readonly at?: string;
  /** What the error must say: the cause by name, or the next step. */
  readonly says: RegExp;
  /** What may be seen at the destination after the run that was not there before. */
  readonly mayAppear?: RegExp;
}

const TARGETS = {
  out: '{ type: file, path: out }',
  lake: '{ type: duckdb, path: lake.duckdb }',
  wh: '{ type: postgres, url: "${DST}" }',
};

/** A job from Postgres into a folder, DuckDB or Postgres; `stream` stands below the stream's name. */
export function job(target: keyof typeof TARGETS, stream = '{}', more = ''): string {
  return `version: 1
name: shop
connections:
  shop: { type: postgres, url: "\${SRC}" }
  ${target}: ${TARGETS[target]}
source: shop
target: ${target}
streams:
  public.orders: ${stream}
${more}`;
}

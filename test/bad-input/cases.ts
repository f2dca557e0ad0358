import type { Said, World } from '../helpers/world.ts';

export interface BrokenCase {
  readonly name: string;
  readonly job: string;
  /** False: no run has moved anything before. */
  readonly past?: false;
  /** What breaks it. */
  readonly before?: (world: World) => Promise<void> | void;
  readonly args?: readonly string[];
  /** `etl plan` sees it too. */
  readonly planned?: true;
  /** In place of `etl run job.yaml`. */
  readonly run?: (world: World) => Promise<Said>;
  /** Ends what `before` or `run` began. */
  readonly after?: (world: World) => Promise<void> | void;
  readonly exit: number;
  readonly code: string;
  /** The text of the job that the error points at; left out where no place of a job is the cause. */
  readonly at?: string;
  /** The cause, by name. */
  readonly says: string;
  /** What to do. */
  readonly next: string;
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

export async function ran(world: World, ...args: string[]): Promise<void> {
  const said = await world.etl('run', 'job.yaml', ...args);
  if (said.exit !== 0) throw new Error(`the run before did not end well: ${said.exit} ${said.err}`);
}

export const incremental = '{ sync: incremental, cursor: id, key: [id] }';

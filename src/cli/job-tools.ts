import { classified, openDestination, openSource, type EngineContext } from '../engine/index.ts';
import { EtlError } from '../errors/error.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import { destinationsOf, pipeId } from '../plan/pipes.ts';
import type { Destination, Source } from '#sdk';

/** Opens the source for one piece of work, and closes it whatever happens. */
export async function withSource<T>(job: ResolvedJob, engine: EngineContext, work: (source: Source) => Promise<T>): Promise<T> {
  const { connector, port } = await openSource(job, engine);
  try {
    return await classified(connector, () => work(port));
  } finally {
    await port[Symbol.asyncDispose]();
  }
}

/** The same for each destination of the job, one after the other. */
export async function eachPipe<T>(job: ResolvedJob, engine: EngineContext, work: (pipe: { id: string; name: string; destination: Destination }) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  for (const name of destinationsOf(job)) {
    const { connector, port } = await openDestination(job, name, engine);
    try {
      results.push(await classified(connector, () => work({ id: pipeId(job, name), name, destination: port })));
    } finally {
      await port[Symbol.asyncDispose]();
    }
  }
  return results;
}

export function requireYes(yes: boolean, what: string): void {
  if (!yes) throw new EtlError({ kind: 'config', code: 'ETL-CLI-003', message: `${what}: this changes what later runs do`, hint: 'say --yes when that is what you want' });
}

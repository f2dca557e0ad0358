import { EtlError } from '#sdk';
import { fenced } from '../_shared/commit-log/errors.ts';
import type { Pipe } from './place.ts';

/**
 * A successor replaces tables and removes what it replaced, under the eyes of a run that was paused meanwhile: whatever that one then
 * misses, it is told that it was followed (rule 7). A record without an answer stays unknown: looking alone decides nothing (rule 9).
 */
export async function explained<T>(pipe: Pipe, run: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EtlError) || error.kind === 'fenced' || error.code.endsWith('-UNKNOWN')) throw error;
    await pipe.log.readOn().catch(() => undefined);
    throw pipe.log.fold.run > run ? fenced('run') : error;
  }
}

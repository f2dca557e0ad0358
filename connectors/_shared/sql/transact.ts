import { EtlError } from '#sdk';
import type { SqlDatabase, SqlSession } from './dialect.ts';
import { holdFences, type Fence } from './fence.ts';

/** BEGIN under the fences, the work, COMMIT; what throws: ROLLBACK. What `commit` throws goes on as it is: nothing is sent after it (rule 9). */
export async function transact<T>(session: SqlSession, work: () => Promise<T>, fences: readonly Fence[] = []): Promise<T> {
  let result: T;
  try {
    await holdFences(session, fences, { begins: true });
    result = await work();
  } catch (error) {
    await session.rollback();
    throw error;
  }
  await session.commit();
  return result;
}

/**
 * A successor ends the connections of who was before it (rule 10), whose error says then only that a connection broke: the fences, asked
 * on a new one, say why. A commit without an answer stays unknown: looking alone decides nothing (rule 9).
 */
export async function explained<T>(database: SqlDatabase, work: () => Promise<T>, fences: readonly Fence[]): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof EtlError) || error.kind !== 'transient' || error.code.endsWith('-UNKNOWN')) throw error;
    const session = await database.connect();
    try {
      await transact(session, () => Promise.resolve(), fences);
    } finally {
      await session.close();
    }
    throw error;
  }
}

import type { SqlSession } from './dialect.ts';

/** BEGIN, the work, COMMIT; the work throws: ROLLBACK. What `commit` throws goes on as it is: nothing is sent after it (rule 9). */
export async function transact<T>(session: SqlSession, work: () => Promise<T>): Promise<T> {
  await session.begin();
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await session.rollback();
    throw error;
  }
  await session.commit();
  return result;
}

/**
 * Runs all at once. When one throws, the others are told to stop, and only when each has ended its error is thrown: nothing is at work
 * any more when what they share is closed.
 */
export async function together<T>(stop: AbortSignal, works: readonly ((stop: AbortSignal) => Promise<T>)[]): Promise<readonly T[]> {
  const failed = new AbortController();
  const either = AbortSignal.any([stop, failed.signal]);
  const outcomes = await Promise.allSettled(works.map(async (work) => {
    try {
      return await work(either);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  }));
  failed.signal.throwIfAborted(); // with the first error
  return outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
}

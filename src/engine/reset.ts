import type { Run } from '../sdk/contract.ts';

/**
 * Streams begin anew. A live load ends for all its streams at once, so it is published first, where it stands: else those that are not
 * reset would fall back behind rows that are committed (section 1 of docs/protocol.md).
 */
export async function resetStreams(run: Run, streams: readonly string[]): Promise<void> {
  const shared = run.state.loads.filter(({ load, openStreams }) => load.kind === 'live' && openStreams.some((stream) => streams.includes(stream)));
  for (const { load, openStreams } of shared) await run.publish(load, openStreams);
  await run.reset(streams);
}

import { memoryInUse, poisonReleased } from '#batch';
import type { WriteMode } from '#sdk';
import { installBreakers } from './breaker.ts';
import { describeRound, drawRound, type Round } from './draw.ts';
import { temporaryFolder, type PlaceKind } from './places.ts';
import { RoundFailure, Scene } from './scene.ts';

export interface Played {
  readonly round: Round;
  /** Where runs were broken; none: no break came to its place, and the round proves nothing. */
  readonly hits: Scene['hits'];
}

/** One round: broken runs, each looked at; then undisturbed runs to the end; then the oracle. Throws RoundFailure. */
export async function playRound(kind: PlaceKind, seed: number, write?: WriteMode): Promise<Played> {
  installBreakers();
  poisonReleased(0xdb);
  const before = memoryInUse();
  const folder = temporaryFolder();
  const place = await kind.make(folder);
  const round = drawRound(seed, place, write);
  const scene = new Scene(kind.name, place, round, folder);
  try {
    for (const [i, one] of round.broken.entries()) {
      await scene.broken(one, i);
      await scene.look(`after break ${i + 1}`);
      scene.world.advance(scene.draw.below(6));
    }
    await scene.recover();
    if (memoryInUse() !== before) throw new RoundFailure(`${memoryInUse() - before} bytes of batches were not released`);
  } catch (error) {
    throw new RoundFailure(`${kind.name}, seed ${seed} (${describeRound(round)}): ${error instanceof Error ? error.stack ?? error.message : String(error)}\n${scene.trail.join('\n')}\nreplay: npm run rounds -- --destination ${kind.name} --rounds 1 --seed ${seed}${write ? ` --write ${write}` : ''}`);
  } finally {
    await scene.wakeAll();
    await place.remove();
  }
  return { round, hits: scene.hits };
}

/** A generator of its own for each purpose, all from one seed, so that a failure is replayed by one number. */
export interface Seeded {
  /** 0 ≤ x < 1 */
  next(): number;
  /** 0 ≤ x < n, whole. */
  below(n: number): number;
  chance(p: number): boolean;
  pick<T>(list: readonly [T, ...T[]]): T;
  /** Any of a list, undefined when it is empty. */
  any<T>(list: readonly T[]): T | undefined;
  /** Another generator that depends on this seed and the label only, not on what was drawn before. */
  fork(label: string | number): Seeded;
}

export function seeded(seed: number): Seeded {
  let state = seed | 0;
  const next = (): number => { // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n: number): number => Math.floor(next() * n);
  return {
    next,
    below,
    chance: (p) => next() < p,
    pick: (list) => list[below(list.length)] ?? list[0],
    any: (list) => list[below(list.length)],
    fork: (label) => seeded(hashOf(`${seed}/${label}`)),
  };
}

/** 32 bits of a text (FNV-1a): for seeds and stable ids of tests, not for safety. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash ^= hash >>> 15;
  return Math.imul(hash, 0x2c1b3c6d) ^ (hash >>> 12);
}

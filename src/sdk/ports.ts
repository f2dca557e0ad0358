/** Time and randomness, so that a failure can be replayed from a seed. */
export interface Clock {
  /** Milliseconds since 1970, for people and for files: never for leases or backoff. */
  now(): number;
  /** Milliseconds that never jump. */
  monotonic(): number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Random {
  /** 0 ≤ x < 1 */
  next(): number;
  bytes(length: number): Uint8Array;
  /** Ordered by the clock; for runs and loads. */
  uuidv7(): string;
}

export interface Ports {
  readonly clock: Clock;
  readonly random: Random;
}

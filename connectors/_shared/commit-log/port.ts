/**
 * Where the numbered records lie. A disk and an object store differ only in this.
 * Numbers start at 1, are never deleted and never written again: a paused writer would succeed in the past (rule 24).
 */
export interface ObjectLog {
  /** A number that is there, or 0: a hint from which one reads on to the first absent number. Never trusted for the end. */
  hint(): Promise<number>;
  /** undefined: absent. */
  get(number: number): Promise<Uint8Array | undefined>;
  /** Atomic and, when it answers `created`, durable together with all numbers below. `unknown`: it may be there, or come later. */
  putIfAbsent(number: number, bytes: Uint8Array): Promise<PutResult>;
  /** What was read up to this number is durable when this returns: before anything else is built on it. */
  harden(number: number): Promise<void>;
}
export type PutResult = { readonly outcome: 'created' | 'exists' } | { readonly outcome: 'unknown'; readonly cause: unknown };

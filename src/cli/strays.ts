/** Errors that no call gives back: a throw from a timer, a rejected promise that nobody waits for. */
import type { EtlError } from '../errors/error.ts';

/** `taken`: a call that was waiting throws it. An error: it is mine, but nothing was waiting. Undefined: not mine. */
type Owner = (error: unknown) => 'taken' | EtlError | undefined;

const owners: Owner[] = [];

export function ownStrays(owner: Owner): void {
  owners.push(owner);
}

/** What the process ends with; undefined where a call throws it. */
export function leftOf(stray: unknown): unknown {
  for (const owner of owners) {
    const answer = owner(stray);
    if (answer !== undefined) return answer === 'taken' ? undefined : answer;
  }
  return stray ?? 'undefined';
}

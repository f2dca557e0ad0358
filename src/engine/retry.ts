import { EtlError } from '../errors/error.ts';
import type { ResolvedJob } from '../job/resolved.ts';
import type { Ports } from '../sdk/ports.ts';

export interface RetryHooks {
  /** True once something was committed since the last failure: the attempts begin anew. */
  progressed(): boolean;
  /** `attempt`: the one that comes next, from 2. */
  retrying(attempt: number, waitMs: number, error: EtlError): void;
  readonly stop: AbortSignal;
}

/** May be over by itself. */
export function isPassing(error: unknown): error is EtlError {
  return error instanceof EtlError && (error.kind === 'transient' || error.kind === 'rate_limit');
}

/** Calls `attempt` again after a transient failure, with full jitter or the wait that the other side asks for. */
export async function withRetry<T>(policy: ResolvedJob['retry'], ports: Ports, hooks: RetryHooks, attempt: () => Promise<T>): Promise<T> {
  for (let failures = 1; ; failures++) {
    try {
      return await attempt();
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (hooks.progressed()) failures = 1;
      if (failures >= policy.attempts || hooks.stop.aborted) throw error;
      const waitMs = error.retryAfterMs ?? backoffMs(policy, failures, ports);
      hooks.retrying(failures + 1, waitMs, error);
      await ports.clock.sleep(waitMs, hooks.stop).catch(() => undefined);
      if (hooks.stop.aborted) throw error;
    }
  }
}

function backoffMs(policy: ResolvedJob['retry'], failures: number, ports: Ports): number {
  if (policy.backoff === 'fixed') return policy.initialDelayMs;
  return Math.ceil(Math.min(policy.maxDelayMs, policy.initialDelayMs * 2 ** (failures - 1)) * ports.random.next());
}

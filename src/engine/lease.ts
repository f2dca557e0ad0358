import { EtlError } from '../errors/error.ts';
import type { Destination, Lease, Run } from '../sdk/contract.ts';
import type { Clock } from '../sdk/ports.ts';

export const LEASE_RENEW_MS = 5_000;
/** One expiry: a lease that is not renewed for so long, by the watcher's own monotonic clock, is silent. */
export const LEASE_EXPIRY_MS = 15_000;
const LOOK_MS = 500;

export interface LeaseOptions {
  readonly takeOver: boolean;
  readonly waitLock: boolean;
  readonly clock: Clock;
  readonly stop: AbortSignal;
  readonly host: string;
  /** Whether a process of this machine is there. */
  alive(pid: number): boolean;
  readonly note: (message: string) => void;
  /** What whoever asks may do where another run is alive; undefined: what a run may. */
  readonly hint?: string;
}

/** Returns when the pipe may be claimed; throws `locked` when another run is alive (rule 8). The epoch, not this, is the safety. */
export async function awaitLease(destination: Destination, pipe: string, options: LeaseOptions): Promise<void> {
  const { clock } = options;
  let seen = await look(destination, pipe, options);
  let since = clock.monotonic();
  if (seen && !seen.released && !options.takeOver) options.note(`process ${seen.pid} on ${seen.host} has ${pipe}: watching for up to ${LEASE_EXPIRY_MS / 1000} s whether it is alive`);
  while (seen && !seen.released && !options.takeOver) {
    const rests = seen.resting === true && seen.host === options.host && options.alive(seen.pid);
    if (rests && !options.waitLock) throw locked(pipe, seen, options.hint);
    if (!rests && clock.monotonic() - since >= LEASE_EXPIRY_MS) return; // silent
    await clock.sleep(LOOK_MS, options.stop);
    const now = await look(destination, pipe, options);
    const renewed = now && (now.runId !== seen.runId || now.beat !== seen.beat);
    if (renewed && !now.released && !options.waitLock) throw locked(pipe, now, options.hint);
    if (renewed) since = clock.monotonic();
    seen = now;
  }
}

const OF_A_RUN = 'Let it end, wait for it with --wait-lock, or, when it is known to be dead, take over with --take-over.';

function locked(pipe: string, { pid, host, runId, resting }: Lease, hint = OF_A_RUN): EtlError {
  const does = resting ? "runs its 'after' command on" : 'moves';
  return new EtlError({
    kind: 'locked', code: 'ETL-RUN-030', message: `Another run ${does} ${pipe}: process ${pid} on ${host}, run ${runId}.`, hint,
  });
}

/** A destination of one process shows its lease to nobody while that lives (rule 28). */
async function look(destination: Destination, pipe: string, { waitLock, clock, stop, note }: LeaseOptions): Promise<Lease | undefined> {
  for (let told = false; ; told = true) {
    try {
      return await destination.lease(pipe);
    } catch (error) {
      if (!waitLock || !(error instanceof EtlError) || error.kind !== 'locked') throw error;
      if (!told) note(`waiting for another process: ${error.message}`);
      await clock.sleep(LOOK_MS, stop);
    }
  }
}

/** Renews the lease until disposed. A newer claim is told once through `onFenced`; other failures are left to the commits. */
export function keepLease(run: Run, clock: Clock, onFenced: (error: EtlError) => void): AsyncDisposable {
  const ended = new AbortController();
  const loop = (async () => {
    while (!ended.signal.aborted) {
      await clock.sleep(LEASE_RENEW_MS, ended.signal).catch(() => undefined);
      if (ended.signal.aborted) return;
      try {
        await run.renewLease();
      } catch (error) {
        if (!(error instanceof EtlError) || error.kind !== 'fenced') continue;
        onFenced(error);
        return;
      }
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await loop;
    },
  };
}

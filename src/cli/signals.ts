import { EXIT } from './exit.ts';

export interface Stopping {
  /** The first signal, or the time is up: commit what is at hand and end. */
  readonly stop: AbortSignal;
  /** Grace is over. */
  readonly abort: AbortSignal;
  /** The run is over: a first signal changes nothing any more, a second one still leaves at once. */
  end(): void;
}

export interface StoppingOptions {
  readonly graceMs: number;
  readonly timeoutMs?: number | undefined;
  say(text: string): void;
  /** The screen is put in order before a hard exit. */
  leave(): void;
}

/** Rules of job-and-cli, section 4: the first signal stops within the grace period, the second at once. */
export function listenForSignals(options: StoppingOptions): Stopping {
  const stop = new AbortController();
  const abort = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let over = false;
  const begin = (why: string): void => {
    if (stop.signal.aborted) return;
    if (over) return stop.abort(new Error(why)); // the run's own exit code tells how it ended
    options.say(`${why}: stopping at the next checkpoint, at most ${Math.round(options.graceMs / 1000)} s; again to leave at once`);
    stop.abort(new Error(why));
    timers.push(setTimeout(() => abort.abort(new Error('the grace period is over')), options.graceMs));
    // What does not even answer to the abort is left behind: the next run claims and goes on from the last commit.
    timers.push(setTimeout(() => {
      options.leave();
      process.exit(EXIT.stopped);
    }, options.graceMs + 3000));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) return begin(signal);
    options.leave();
    options.say(`${signal}: left at once; what was committed stays, and running again goes on from there`);
    process.exit(signal === 'SIGINT' ? EXIT.SIGINT : EXIT.SIGTERM);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  if (options.timeoutMs !== undefined) timers.push(setTimeout(() => begin('--timeout is over'), options.timeoutMs).unref());
  return {
    stop: stop.signal,
    abort: abort.signal,
    end() {
      over = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

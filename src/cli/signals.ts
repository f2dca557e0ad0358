import { EXIT } from './exit.ts';

export interface Stopping {
  /** The first signal, or the time is up: commit what is at hand and end. */
  readonly stop: AbortSignal;
  /** Grace is over. */
  readonly abort: AbortSignal;
  /** Nothing is waited for any more: a second signal, or what does not even answer to `abort`. */
  readonly leave: AbortSignal;
  /** Of a process that leaves; otherwise the run's own tells how it ended. */
  exitCode(): number | undefined;
  /** The run is over: a first signal changes nothing any more, a second one still leaves at once. */
  end(): void;
}

export interface StoppingOptions {
  readonly graceMs: number;
  readonly timeoutMs?: number | undefined;
  say(text: string): void;
  /** The screen is put in order before the last words. */
  leave(): void;
}

/** What does not answer to the abort within this time is left behind: the next run claims and goes on from the last commit. */
const ANSWER_MS = 3000;
/** Nobody may be there to take the last words. */
const LAST_WORDS_MS = 2000;

/** Rules of job-and-cli, section 4: the first signal stops within the grace period, the second at once. */
export function listenForSignals(options: StoppingOptions): Stopping {
  const stop = new AbortController();
  const abort = new AbortController();
  const leave = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  let over = false;
  let exitCode: number | undefined;
  const left = (why: string, code: number): void => {
    if (over || exitCode !== undefined) process.exit(code);
    exitCode = code;
    options.leave();
    options.say(`${why}; what was committed stays, and running again goes on from there`);
    setTimeout(() => process.exit(code), LAST_WORDS_MS).unref();
    leave.abort(new Error(why));
  };
  const begin = (why: string): void => {
    if (stop.signal.aborted) return;
    if (over) return stop.abort(new Error(why)); // the run's own exit code tells how it ended
    options.say(`${why}: stopping at the next checkpoint, at most ${Math.round(options.graceMs / 1000)} s; again to leave at once`);
    stop.abort(new Error(why));
    timers.push(setTimeout(() => abort.abort(new Error('the grace period is over')), options.graceMs));
    timers.push(setTimeout(() => left('the grace period is over: left what does not answer', EXIT.stopped), options.graceMs + ANSWER_MS));
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    if (!stop.signal.aborted) return begin(signal);
    left(`${signal}: left at once`, signal === 'SIGINT' ? EXIT.SIGINT : EXIT.SIGTERM);
  };
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  if (options.timeoutMs !== undefined) timers.push(setTimeout(() => begin('--timeout is over'), options.timeoutMs));
  return {
    stop: stop.signal,
    abort: abort.signal,
    leave: leave.signal,
    exitCode: () => exitCode,
    end() {
      over = true;
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

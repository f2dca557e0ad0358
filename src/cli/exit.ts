import type { ErrorKind } from '../errors/error.ts';
import type { RunReport } from '../engine/index.ts';

/** The exit codes, frozen: docs/cli.md lists them. This file is the only one that knows them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, environment: 3, partly: 4, locked: 5, stopped: 6, SIGINT: 130, SIGTERM: 143 } as const;

const BY_KIND: Readonly<Record<ErrorKind, number>> = {
  config: EXIT.usage, unsupported: EXIT.usage,
  auth: EXIT.environment, not_found: EXIT.environment, transient: EXIT.environment, rate_limit: EXIT.environment,
  config_changed: EXIT.environment, state_lost: EXIT.environment,
  data: EXIT.failed, schema: EXIT.failed, internal: EXIT.failed,
  locked: EXIT.locked, fenced: EXIT.locked,
};

export function exitOfKind(kind: ErrorKind): number {
  return BY_KIND[kind];
}

/** 0 only where every row is readable at the destination and the command after it ended well. */
export function exitOfReport(report: RunReport): number {
  const after = report.after !== undefined && report.after.exitCode !== 0 ? EXIT.failed : EXIT.ok;
  switch (report.outcome) {
    case 'ok': case 'skipped': return after;
    case 'rejected_rows': return after === EXIT.ok ? EXIT.partly : after;
    case 'stopped': return EXIT.stopped;
    case 'failed': {
      const error = report.error ?? report.streams.find((stream) => stream.error)?.error;
      return error ? exitOfKind(error.kind) : EXIT.failed;
    }
  }
}

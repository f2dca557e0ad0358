import { EtlError } from '../errors/error.ts';
import type { Binding } from '../plan/bind.ts';
import type { Capabilities, CommitReceipt, Load, Position, Rejection, Split } from '../sdk/contract.ts';
import type { Clock } from '../sdk/ports.ts';
import { THROWN, type ReportedError, type RunEvent, type StreamReport } from './events.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What the streams of one pipe came to, counted as it happens. */
export interface PipeReport {
  begun(load: Load, continued: boolean): void;
  accepted(split: Split, stream: string, rows: number, bytes: number): void;
  committed(split: Split, receipt: CommitReceipt, keptBack: readonly Rejection[]): void;
  retrying(streams: readonly string[], attempt: number, waitMs: number, error: EtlError): void;
  published(load: Load): void;
  failed(streams: readonly string[], error: unknown): void;
  stopped(streams: readonly string[]): void;
  streams(): readonly StreamReport[];
}

export function reported(error: unknown): ReportedError {
  if (!(error instanceof EtlError)) {
    return { [THROWN]: error, kind: 'internal', code: 'ETL-RUN-099', message: error instanceof Error ? `${error.name}: ${error.message}` : String(error), hint: 'This is a bug in etl. Run again with --debug and report it; running the job again is safe.' };
  }
  return {
    [THROWN]: error, kind: error.kind, code: error.code, message: error.message, ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(error.location ? { location: error.location } : {}), ...(error.configPath === undefined ? {} : { configPath: error.configPath }),
  };
}

interface ReportSetting {
  readonly pipe: string;
  readonly bindings: readonly Binding[];
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  readonly events: (event: RunEvent) => void;
  /** The stream's published position as the run found it. */
  readonly from: (stream: string) => Position | undefined;
}

function notStarted(setting: ReportSetting, { stream, target, selection }: Binding): Mutable<StreamReport> {
  const position = selection.fullRefresh ? undefined : setting.from(stream);
  return {
    pipe: setting.pipe, stream, table: target.schema === undefined ? target.table : `${target.schema}.${target.table}`, sync: selection.sync, write: selection.write,
    outcome: 'not_started', read: 0, written: 0, rejected: 0, bytes: 0, schemaChanges: [], retries: 0, durationMs: 0, continued: false,
    promise: setting.capabilities.promise[selection.write] ?? 'at-least-once', ...(position ? { from: position } : {}), ...(selection.range ? { range: selection.range } : {}),
  };
}

export function createPipeReport(setting: ReportSetting): PipeReport {
  const { pipe, clock, events } = setting;
  const began = clock.monotonic();
  const of = new Map(setting.bindings.map((binding) => [binding.stream, notStarted(setting, binding)]));
  const change = (streams: readonly string[], how: (report: Mutable<StreamReport>) => void) => {
    for (const stream of streams) {
      const report = of.get(stream);
      if (report) how(report);
    }
  };
  const elapsed = () => Math.round(clock.monotonic() - began);
  return {
    begun(load, continued) {
      change(load.streams, (report) => { report.continued ||= continued; });
      const estimates = load.splits.map((split) => split.estimatedRows);
      const estimatedRows = estimates.every((rows) => rows !== undefined) ? estimates.reduce((sum, rows) => sum + rows, 0) : undefined;
      events({ type: 'load', pipe, load: load.id, streams: load.streams, splits: load.splits.length, continued, ...(estimatedRows === undefined ? {} : { estimatedRows }) });
    },
    accepted(split, stream, rows, bytes) {
      change([stream], (report) => { report.read += rows; });
      events({ type: 'progress', pipe, streams: split.streams, split: split.id, rows, bytes });
    },
    committed(split, receipt, keptBack) {
      for (const { stream } of keptBack) change([stream], (report) => { report.read++; });
      change(split.streams.slice(0, 1), (report) => {
        report.written += receipt.rows;
        report.rejected += receipt.rejected;
        report.bytes += receipt.bytes;
        report.schemaChanges = [...report.schemaChanges, ...receipt.schemaChanges];
      });
      events({ type: 'committed', pipe, streams: split.streams, split: split.id, rows: receipt.rows, rejected: receipt.rejected, bytes: receipt.bytes });
    },
    retrying(streams, attempt, waitMs, error) {
      change(streams, (report) => { report.retries++; });
      events({ type: 'retry', pipe, streams, attempt, waitMs, code: error.code, message: error.message });
    },
    published(load) {
      change(load.streams, (report) => {
        const to = load.positions[report.stream];
        if (to) report.to = to;
        report.outcome = report.sync !== 'full' && report.read === 0 && report.rejected === 0 ? 'nothing_new' : 'done';
        report.durationMs = elapsed();
      });
      events({ type: 'published', pipe, streams: load.streams });
    },
    failed(streams, error) {
      change(streams, (report) => Object.assign(report, { outcome: 'failed', error: reported(error), durationMs: elapsed() }));
    },
    stopped(streams) {
      change(streams, (report) => Object.assign(report, { outcome: 'stopped', durationMs: elapsed() }));
    },
    streams: () => [...of.values()],
  };
}

import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { Args, Flags } from '../oclif.ts';
import { reported, runJob, type ReportedError, type RunReport } from '../../engine/index.ts';
import { EtlError } from '../../errors/error.ts';
import type { ResolvedJob } from '../../job/resolved.ts';
import { entryFor } from '../../plan/pipes.ts';
import { endOf, isAlive, runAfter } from '../after.ts';
import { asEtlError, envelopeOf, EtlCommand, printError, type Outcome } from '../command.ts';
import { engineContext } from '../engine.ts';
import { EXIT, exitOfReport } from '../exit.ts';
import { readJob } from '../job-input.ts';
import { systemPorts } from '../ports.ts';
import { printConfig } from '../print-config.ts';
import { Progress, type ProgressMode } from '../progress.ts';
import { Recorder } from '../recorder.ts';
import { writeRunFile } from '../run-files.ts';
import { runPage } from '../run-page.ts';
import { durationFlag, limitFlags, overridesOf, selectFlag, urlFlags } from '../shared-flags.ts';
import { listenForSignals } from '../signals.ts';
import { headline, printSummary, type Again } from '../summary.ts';

export default class Run extends EtlCommand {
  static override summary = 'Run a job, or move streams between two URLs.';
  static override examples = ['etl run job.yaml', "etl run '${SHOP_PG_URL}' duckdb:shop.duckdb --stream 'public.*'"];
  static override args = { job: Args.string({ ignoreStdin: true, description: 'A job file, or the URL of the source.', required: true }), target: Args.string({ ignoreStdin: true, description: 'The URL of the destination.' }) };
  static override flags = {
    select: selectFlag,
    'full-refresh': Flags.boolean({ description: 'Read all and replace the tables, whatever the position.' }),
    range: Flags.string({ description: 'Backfill cursor values FROM..TO; no position moves.' }),
    until: Flags.string({ options: ['caught-up'], description: 'End when all is read that was there at the start: what a batch job does.' }),
    timeout: Flags.string({ description: 'Stop as by a signal after this time: 30m.' }),
    progress: Flags.string({ options: ['auto', 'log', 'json', 'none'], default: 'auto', env: 'ETL_PROGRESS', description: 'How to tell how it goes.' }),
    report: Flags.string({ description: 'Write a page about the run here, also of a failed one: run.html.' }),
    plan: Flags.string({ description: 'Run only if the plan still has this hash.' }),
    'wait-lock': Flags.boolean({ description: 'Wait until another run of the job has ended.' }),
    'take-over': Flags.boolean({ description: 'Take the job from another run at once.' }),
    grace: Flags.string({ default: '25s', env: 'ETL_GRACE', description: 'Time to end after the first signal.' }),
    'print-config': Flags.boolean({ description: 'Show each value and where it comes from, and do nothing.' }),
    ...limitFlags,
    ...urlFlags,
  };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Run);
    const { job, loaded } = await readJob({ first: args.job, second: args.target, streams: flags.stream, sync: flags.sync, write: flags.write, key: flags.key, cursor: flags.cursor, overrides: overridesOf(flags) }, this.output);
    if (flags['print-config']) return printConfig(loaded, this.output);
    this.#refuseTwoOnStdout(job);
    const range = rangeOf(flags.range);
    if (range && flags['full-refresh']) throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: '--range with --full-refresh would leave only the range in the tables', hint: 'leave one of them out' });
    const recorder = flags.report === undefined ? undefined : new Recorder(() => systemPorts.clock.monotonic(), () => process.memoryUsage.rss());
    const progress = new Progress(this.output, flags.progress as ProgressMode, () => systemPorts.clock.monotonic());
    const stopping = listenForSignals({ graceMs: durationFlag('grace', flags.grace) ?? 25_000, timeoutMs: durationFlag('timeout', flags.timeout), say: (text) => this.output.say(text), leave: () => progress.end() });
    let after: RunReport['after'];
    const startedAt = new Date(systemPorts.clock.now()).toISOString();
    try {
      const report = await runJob(job, {
        ...(flags.select ? { select: flags.select } : {}), fullRefresh: flags['full-refresh'], ...(range ? { range } : {}), ...(flags.plan === undefined ? {} : { planHash: flags.plan }),
        takeOver: flags['take-over'], waitLock: flags['wait-lock'], stop: stopping.stop, abort: stopping.abort, leave: stopping.leave, host: hostname(), pid: process.pid, alive: isAlive,
        events: (event) => {
          progress.on(event);
          recorder?.on(event);
        },
        after: async (command, outcome, streams) => {
          progress.end();
          this.output.say(`${this.output.paint('cyan', 'after:')} ${command}`);
          const changed = streams.filter((stream) => stream.written > 0).map((stream) => stream.stream);
          const exitCode = await runAfter(command, { directory: job.directory, stopping, say: (line) => { this.output.raw(`${line}\n`); }, env: { ETL_JOB: job.name, ETL_OUTCOME: outcome, ETL_CHANGED_STREAMS: changed.join(' ') } });
          after = { command, exitCode };
          return exitCode;
        },
      }, engineContext(this.output));
      progress.end();
      this.#page(flags.report, report, recorder);
      return this.#finish(job, report, { again: againOf(args), exitCode: stopping.exitCode() ?? exitOfReport(report) });
    } catch (error) {
      progress.end();
      return this.#failed(job, error, { startedAt, after, page: (report) => { this.#page(flags.report, report, recorder); } });
    } finally {
      stopping.end();
    }
  }

  #finish(job: ResolvedJob, report: RunReport, { again, exitCode }: { readonly again: Again; readonly exitCode: number }): Outcome {
    printSummary(report, job.name, again, this.output);
    const failures: ReportedError[] = [
      ...(report.error ? [{ ...placeOf(job, job.streams.length === 1 ? job.streams[0]?.pattern : undefined), ...report.error }] : []),
      ...report.streams.flatMap(({ stream, error }) => (error && error.message !== report.error?.message ? [{ ...placeOf(job, stream), ...error, message: error.message.startsWith(stream) ? error.message : `${stream}: ${error.message}` }] : [])),
    ];
    for (const failure of failures) {
      printError({ hint: undefined, location: undefined, configPath: undefined, ...failure }, this.output, 'what was committed stays, nothing half-written shows; running the job again is safe and goes on from there');
    }
    failures.push(...this.#afterFailed(job, report.after));
    const summary = headline(report, job.name, (_, text) => text);
    const first = failures[0];
    const file = writeRunFile(job.directory, report.runId, { ...report, exitCode, summary }, this.output);
    if (file !== undefined) this.output.detail(`summary: ${file}`);
    return { summary, result: report, exitCode, ...(first ? { error: envelopeOf(first) } : {}) };
  }

  #afterFailed(job: ResolvedJob, after: RunReport['after']): ReportedError[] {
    if (after === undefined || after.exitCode === 0) return [];
    const failure: ReportedError = { kind: 'data', code: 'ETL-RUN-013', message: `after: \`${after.command}\` ${endOf(after.exitCode)}`, hint: 'its own output above tells why', configPath: 'after.run', ...(job.after?.location ? { location: job.after.location } : {}) };
    printError({ location: undefined, hint: undefined, configPath: undefined, ...failure }, this.output, 'what was committed is at its place');
    return [failure];
  }

  #page(file: string | undefined, report: RunReport, recorder: Recorder | undefined): void {
    if (file === undefined || !recorder) return;
    const page = this.output.redactor.text(runPage(report, recorder.end(), headline(report, report.job, (_, text) => text)));
    try {
      writeFileSync(file, page, { mode: 0o600 });
      this.output.say(`report: ${file}`);
    } catch (error) {
      // The rows are where they belong: a full disk here must not turn a good run into a failed one.
      this.output.say(`${this.output.paint('yellow', 'warning')} the report could not be written to ${file}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Before anything began: another run at work, a wrong password. The summary is written all the same. */
  #failed(job: ResolvedJob, error: unknown, { startedAt, after, page }: { readonly startedAt: string; readonly after: RunReport['after']; page(report: RunReport): void }): Outcome {
    const known = asEtlError(error, 'run');
    const runId = systemPorts.random.uuidv7();
    if (known.kind === 'locked' && job.overlap === 'skip') {
      const summary = `skipped ${job.name}: ${known.message}`;
      this.output.say(summary);
      const report = { runId, job: job.name, startedAt, outcome: 'skipped', streams: [], exitCode: EXIT.ok };
      writeRunFile(job.directory, runId, report, this.output);
      return { summary, result: report, exitCode: EXIT.ok };
    }
    this.#afterFailed(job, after);
    const ended = after ? { after } : {};
    writeRunFile(job.directory, runId, { runId, job: job.name, startedAt, outcome: 'failed', streams: [], ...ended, error: { kind: known.kind, ...envelopeOf(known) } }, this.output);
    page({ runId, job: job.name, startedAt, durationMs: systemPorts.clock.now() - Date.parse(startedAt), streams: [], notes: [], outcome: 'failed', ...ended, error: reported(known) });
    throw error;
  }

  #refuseTwoOnStdout(job: ResolvedJob): void {
    const writes = job.streams.some((stream) => !stream.skip && job.connections[stream.target.use]?.type === 'stdout');
    this.output.rowsOnStdout = writes;
    if (writes && this.output.options.json) throw new EtlError({ kind: 'config', code: 'ETL-CLI-005', message: 'the rows of this job go to stdout, where --json would print too', hint: 'leave --json out: the summary is written to .etl/runs' });
  }
}

/** URLs are said as they were given, which is without a password. */
function againOf({ job, target }: { job: string; target?: string | undefined }): Again {
  return target === undefined ? { job, run: `etl run ${job}` } : { job: `'${job}' '${target}'`, run: 'the same command' };
}

/** The entry of the job that a stream comes from: the place of what has none of its own. */
function placeOf(job: ResolvedJob, stream: string | undefined): Pick<RunReport['streams'][number]['error'] & object, 'location' | 'configPath'> {
  const entry = stream === undefined ? undefined : entryFor(job, stream);
  return entry?.location ? { location: entry.location, configPath: `streams.${entry.pattern}` } : {};
}

function rangeOf(text: string | undefined): { from: string; to: string } | undefined {
  if (text === undefined) return undefined;
  const [from, to, ...more] = text.split('..');
  if (!from || !to || more.length > 0) throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: `--range ${text} is not FROM..TO`, hint: 'such as --range 2024-01-01..2024-02-01' });
  return { from, to };
}

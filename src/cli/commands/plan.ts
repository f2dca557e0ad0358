import { Args, Flags } from '../oclif.ts';
import { planJob, type JobPlan, type PlannedStream } from '../../engine/index.ts';
import { envelopeOf, EtlCommand, type Outcome } from '../command.ts';
import { engineContext } from '../engine.ts';
import { EXIT } from '../exit.ts';
import { count, position, table } from '../format.ts';
import { readJob } from '../job-input.ts';
import { limitFlags, overridesOf, selectFlag, urlFlags } from '../shared-flags.ts';

/** What `terraform plan -detailed-exitcode` made a habit: 2 says that there is something to do. */
const CHANGES = 2;
const MEND = 'change the contract, cast or drop the column, accept the table as it is with `etl state adopt JOB --yes`, or make it anew with --full-refresh';

export default class Plan extends EtlCommand {
  static override summary = 'Show what a run would do: streams, positions, the exact DDL, the promise. Writes nothing.';
  static override args = { job: Args.string({ ignoreStdin: true, description: 'A job file, or the URL of the source.', required: true }), target: Args.string({ ignoreStdin: true, description: 'The URL of the destination.' }) };
  static override flags = {
    select: selectFlag,
    'full-refresh': Flags.boolean({ description: 'As of a run with --full-refresh.' }),
    'detailed-exitcode': Flags.boolean({ description: '0: no change of any table, 1: error, 2: changes.' }),
    ...limitFlags,
    ...urlFlags,
  };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Plan);
    const { job } = await readJob({ first: args.job, second: args.target, streams: flags.stream, sync: flags.sync, write: flags.write, key: flags.key, cursor: flags.cursor, overrides: overridesOf(flags) }, this.output);
    const plan = await planJob(job, { ...(flags.select ? { select: flags.select } : {}), fullRefresh: flags['full-refresh'] }, engineContext(this.output));
    const streams = plan.pipes.flatMap((pipe) => pipe.streams);
    const ddl = streams.flatMap((stream) => stream.plan.ddl);
    const conflicts = streams.flatMap((stream) => stream.plan.conflicts);
    if (!this.output.options.json) this.#print(plan, args.target === undefined ? args.job : undefined);
    const summary = `${streams.length} streams, ${ddl.length} statements, ${conflicts.length} conflicts, hash ${plan.hash}`;
    const [first] = conflicts;
    const error = first === undefined ? {} : { error: envelopeOf({ code: 'ETL-PLAN-006', message: first, hint: MEND }) };
    return { summary, result: plan, ...error, exitCode: conflicts.length > 0 ? EXIT.failed : flags['detailed-exitcode'] && ddl.length > 0 ? CHANGES : EXIT.ok };
  }

  #print(plan: JobPlan, file: string | undefined): void {
    const { output } = this;
    for (const { pipe, streams } of plan.pipes) {
      output.data(output.paintData('bold', pipe));
      const rows = streams.map((stream) => [`  ${stream.stream}`, `→ ${stream.schema === undefined ? '' : `${stream.schema}.`}${stream.table}`, `${stream.sync}, ${stream.write}`, stream.position ? position(stream.position) : 'from the beginning', stream.estimatedRows === undefined ? '' : `~${count(stream.estimatedRows)}`, String(stream.splits), `${stream.promise}${stream.staged ? ', staged' : ''}${stream.unfinished ? ', goes on' : ''}`]);
      for (const line of table([{ title: '  stream' }, { title: 'target' }, { title: 'mode' }, { title: 'position' }, { title: 'rows', right: true }, { title: 'splits', right: true }, { title: 'promise' }], rows)) output.data(line);
      for (const stream of streams) this.#stream(stream);
      for (const note of new Set(streams.flatMap((stream) => stream.promiseNote ?? []))) output.data(`  ${note}`);
    }
    output.data(`\nplan ${plan.hash}`);
    const conflicts = plan.pipes.some(({ streams }) => streams.some((stream) => stream.plan.conflicts.length > 0));
    if (conflicts) output.say(`${output.paint('cyan', 'next:')} ${MEND}`);
    else if (file !== undefined) output.say(`${output.paint('cyan', 'next:')} etl run ${file} --plan ${plan.hash} runs exactly this, or refuses`);
  }

  #stream(stream: PlannedStream): void {
    const { output } = this;
    for (const statement of stream.plan.ddl) output.data(`  ${output.paintData('green', '+')} ${statement}`);
    for (const conflict of stream.plan.conflicts) output.data(`  ${output.paintData('red', '!')} ${conflict.startsWith(`${stream.stream}: `) ? '' : `${stream.stream}: `}${conflict}`);
    const told = output.options.verbose ? stream.plan.columns : stream.plan.columns.filter((column) => column.outcome !== 'exact');
    for (const column of told) output.data(`    ${stream.stream}.${column.column}: ${column.from.kind} → ${column.to} (${column.outcome}${column.note === undefined ? '' : `: ${column.note}`})`);
  }
}

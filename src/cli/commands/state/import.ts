import { readFileSync } from 'node:fs';
import { Args, Flags } from '../../oclif.ts';
import * as z from 'zod';
import type { Position, Positions } from '#sdk';
import { EtlError } from '../../../errors/error.ts';
import type { ResolvedJob } from '../../../job/resolved.ts';
import { destinationsOf, pipeId } from '../../../plan/pipes.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { plural } from '../../format.ts';
import { readJob } from '../../job-input.ts';
import { requireYes } from '../../job-tools.ts';
import { storePositions } from '../../positions.ts';
import { jobArg } from '../../shared-flags.ts';

const exported = z.strictObject({ version: z.literal(1), job: z.string(), pipes: z.record(z.string(), z.record(z.string(), z.strictObject({ position: z.record(z.string(), z.json()).optional() }))) });

type Exported = z.infer<typeof exported>;

export default class StateImport extends EtlCommand {
  static override summary = 'Set positions from an export, as far as the source can go on from them. Epochs are kept.';
  static override args = { job: jobArg, file: Args.string({ ignoreStdin: true, required: true, description: 'What `etl state export` wrote.' }) };
  static override flags = {
    from: Flags.string({ description: 'Take the positions of this pipe of the export: the job or a connection had another name then.' }), yes: Flags.boolean({ description: 'Do it.' }),
  };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateImport);
    const { job } = await readJob({ first: args.job }, this.output);
    const file = readExport(args.file);
    requireYes(flags.yes, `importing positions into ${job.name}`);
    const pipes = pipesFor(job, file, flags.from);
    const positions = (pipe: string): Positions => Object.fromEntries(Object.entries(pipes[pipe] ?? {}).flatMap(([name, { position }]) => (position ? [[name, position as Position]] : [])));
    const stored = (await storePositions(job, engineContext(this.output), positions)).filter(({ pipe }) => pipes[pipe]);
    if (stored.length === 0) throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `${args.file} holds no positions of ${job.name}`, hint: otherNames(file) });
    const warnings = stored.flatMap(({ first, leftOut }) => [...first, ...leftOut.map((stream) => `${stream} was left out: the job does not move it`)]);
    for (const warning of warnings) this.output.say(`${this.output.paint('yellow', 'warning')} ${warning}`);
    const streams = stored.reduce((sum, pipe) => sum + pipe.streams.length, 0);
    this.output.say(`${this.output.paint('green', 'ok')} imported ${plural(streams, 'position')} into ${stored.map(({ pipe }) => pipe).join(', ')}`);
    return { summary: `imported ${plural(streams, 'position')}`, result: { pipes: stored } };
  }
}

/** What the export holds for each pipe of the job, under the names that the job has now. */
function pipesFor(job: ResolvedJob, { pipes }: Exported, from: string | undefined): Exported['pipes'] {
  if (from === undefined) return pipes;
  const streams = pipes[from];
  const names = destinationsOf(job);
  const [target] = names.length === 1 ? names : names.filter((name) => from.endsWith(`->${name}`));
  if (!streams) throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `the export holds no pipe ${from}`, hint: otherNames({ pipes }) });
  if (target === undefined) throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `nothing says to which of ${names.join(', ')} the positions of ${from} belong`, hint: 'rename the pipe in the file: it is called JOB/SOURCE->TARGET' });
  return { [pipeId(job, target)]: streams };
}

function otherNames({ pipes }: Pick<Exported, 'pipes'>): string {
  const [first, ...more] = Object.keys(pipes);
  if (first === undefined) return 'it holds none at all';
  return `it holds ${[first, ...more].join(', ')}; if the job or a connection was renamed, add --from '${first}'`;
}

function readExport(path: string): Exported {
  try {
    return exported.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `${path} can't be read as an export of state`, hint: 'it is what `etl state export JOB > file` writes', cause: error });
  }
}

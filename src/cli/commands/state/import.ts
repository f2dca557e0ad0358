import { readFileSync } from 'node:fs';
import { Args, Flags } from '../../oclif.ts';
import * as z from 'zod';
import type { Position } from '#sdk';
import { EtlError } from '../../../errors/error.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readJob } from '../../job-input.ts';
import { eachPipe, requireYes } from '../../job-tools.ts';
import { jobArg } from '../../shared-flags.ts';

const exported = z.strictObject({ version: z.literal(1), job: z.string(), pipes: z.record(z.string(), z.record(z.string(), z.strictObject({ position: z.record(z.string(), z.json()).optional() }))) });

export default class StateImport extends EtlCommand {
  static override summary = 'Set positions from an export. Epochs are kept.';
  static override args = { job: jobArg, file: Args.string({ ignoreStdin: true, required: true, description: 'What `etl state export` wrote.' }) };
  static override flags = { yes: Flags.boolean({ description: 'Do it.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateImport);
    const { job } = await readJob({ first: args.job }, this.output);
    const file = readExport(args.file);
    requireYes(flags.yes, `importing positions into ${job.name}`);
    const done = await eachPipe(job, engineContext(this.output), async ({ id, destination }) => {
      const streams = file.pipes[id];
      if (!streams) return [];
      const positions = Object.entries(streams).map(([name, stream]) => [name, stream.position ? { position: stream.position as Position } : {}] as const);
      await destination.administer(id, { type: 'import', streams: Object.fromEntries(positions) });
      return [id];
    });
    if (done.flat().length === 0) throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `${args.file} holds no positions of ${job.name}`, hint: `it holds ${Object.keys(file.pipes).join(', ')}` });
    this.output.say(`${this.output.paint('green', 'ok')} imported ${done.flat().join(', ')}`);
    return { summary: `imported ${done.flat().length} pipes`, result: { pipes: done.flat() } };
  }
}

function readExport(path: string): z.infer<typeof exported> {
  try {
    return exported.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new EtlError({ kind: 'config', code: 'ETL-CLI-009', message: `${path} can't be read as an export of state`, hint: 'it is what `etl state export JOB > file` writes', cause: error });
  }
}

import { Args } from '../../oclif.ts';
import { EtlError } from '../../../errors/error.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readJob } from '../../job-input.ts';
import { eachPipe } from '../../job-tools.ts';
import { jobArg } from '../../shared-flags.ts';

export default class QuarantineShow extends EtlCommand {
  static override summary = 'Show one rejected row: what normalisation lets out of it.';
  static override args = { job: jobArg, id: Args.string({ ignoreStdin: true, required: true, description: 'The id, or its beginning.' }) };

  async execute(): Promise<Outcome> {
    const { args } = await this.parse(QuarantineShow);
    const { job } = await readJob({ first: args.job }, this.output);
    const rows = (await eachPipe(job, engineContext(this.output), ({ id, destination }) => destination.quarantine(id, { limit: 100_000 }))).flat();
    const found = rows.find((row) => row.id.startsWith(args.id));
    if (!found) throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `no rejected row has the id ${args.id}`, hint: `etl quarantine list ${args.job}` });
    if (!this.output.options.json) this.output.data(JSON.stringify(found, null, 2));
    return { summary: `${found.stream}: ${found.reason}`, result: found };
  }
}

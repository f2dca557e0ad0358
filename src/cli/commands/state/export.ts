import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe } from '../../job-tools.ts';
import { ranArgs } from '../../shared-flags.ts';

export default class StateExport extends EtlCommand {
  static override summary = 'Write the positions of a job to stdout, as JSON.';
  static override args = ranArgs;

  async execute(): Promise<Outcome> {
    const { args } = await this.parse(StateExport);
    const job = await readRanJob(args, this.output);
    const pipes = await eachPipe(job, engineContext(this.output), async ({ id, destination }) => {
      const state = await destination.state(id);
      return [id, Object.fromEntries(Object.entries(state.streams).map(([name, stream]) => [name, stream.position ? { position: stream.position } : {}]))] as const;
    });
    const result = { version: 1, job: job.name, pipes: Object.fromEntries(pipes) };
    if (!this.output.options.json) this.output.data(JSON.stringify(result, null, 2));
    return { summary: `${pipes.length} pipes`, result };
  }
}

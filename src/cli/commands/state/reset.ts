import { hostname } from 'node:os';
import { Flags } from '../../oclif.ts';
import { resetStreams } from '../../../engine/index.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe, requireYes, withSource } from '../../job-tools.ts';
import { systemPorts } from '../../ports.ts';
import { ranArgs, streamFlag } from '../../shared-flags.ts';
import { pickStreams } from '../../streams-of-state.ts';

export default class StateReset extends EtlCommand {
  static override summary = 'Forget positions: the next run reads these streams anew and replaces their tables.';
  static override args = ranArgs;
  static override flags = { stream: streamFlag, yes: Flags.boolean({ description: 'Do it.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateReset);
    const job = await readRanJob(args, this.output);
    const engine = engineContext(this.output);
    requireYes(flags.yes, `reset of ${flags.stream?.join(', ') ?? 'all streams'} of ${job.name}`);
    const sourceIdentity = await withSource(job, engine, (source) => source.identity());
    const picked = await pickStreams(job, engine, flags.stream);
    const reset = await eachPipe(job, engine, async ({ id, destination }) => {
      const streams = picked.get(id)?.streams ?? [];
      if (streams.length === 0) return [];
      // A claim fences whoever still runs: the reset can't be overtaken (rule 7).
      const run = await destination.claim(id, { job: job.name, runId: systemPorts.random.uuidv7(), sourceIdentity, host: hostname(), pid: process.pid });
      try {
        await resetStreams(run, streams);
        return streams;
      } finally {
        await run[Symbol.asyncDispose]();
      }
    });
    const streams = reset.flat();
    this.output.say(`${this.output.paint('green', 'ok')} reset ${streams.join(', ')}; the rows stay until the next run replaces them`);
    return { summary: `reset ${streams.length} streams`, result: { streams } };
  }
}

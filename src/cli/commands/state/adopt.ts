import { Flags } from '../../oclif.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe, requireYes, withSource } from '../../job-tools.ts';
import { ranArgs, streamFlag } from '../../shared-flags.ts';
import { pickStreams } from '../../streams-of-state.ts';

export default class StateAdopt extends EtlCommand {
  static override summary = 'Accept a source or target whose identity changed: a clone, an upgrade, a restored table.';
  static override args = ranArgs;
  static override flags = { stream: streamFlag, yes: Flags.boolean({ description: 'Do it.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateAdopt);
    const job = await readRanJob(args, this.output);
    const engine = engineContext(this.output);
    requireYes(flags.yes, 'adopting the source and the targets as they are now');
    const sourceIdentity = await withSource(job, engine, (source) => source.identity());
    const picked = await pickStreams(job, engine, flags.stream);
    const streams = await eachPipe(job, engine, async ({ id, destination }) => {
      const ofPipe = picked.get(id)?.streams ?? [];
      await destination.administer(id, { type: 'adopt', sourceIdentity, streams: ofPipe });
      return ofPipe;
    });
    this.output.say(`${this.output.paint('green', 'ok')} adopted ${streams.flat().join(', ')} from ${sourceIdentity}`);
    return { summary: `adopted ${streams.flat().length} streams`, result: { sourceIdentity, streams: streams.flat() } };
  }
}

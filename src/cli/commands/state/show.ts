import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { position, table } from '../../format.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe } from '../../job-tools.ts';
import { ranArgs } from '../../shared-flags.ts';

export default class StateShow extends EtlCommand {
  static override summary = 'Show the positions of a job as its destinations hold them.';
  static override args = ranArgs;

  async execute(): Promise<Outcome> {
    const { args } = await this.parse(StateShow);
    const job = await readRanJob(args, this.output);
    const pipes = await eachPipe(job, engineContext(this.output), async ({ id, destination }) => {
      const state = await destination.state(id);
      return { pipe: id, state, lease: state.runEpoch === 0 ? undefined : await destination.lease(id) }; // who looks for a lease is about to run
    });
    if (!this.output.options.json) {
      for (const { pipe, state, lease } of pipes) {
        this.output.data(`${this.output.paintData('bold', pipe)}  run ${state.runEpoch}${lease && !lease.released ? `, leased by ${lease.host} (process ${lease.pid})` : ''}`);
        const open = new Set(state.loads.flatMap((load) => load.openStreams));
        const rows = Object.entries(state.streams).map(([name, stream]) => [`  ${name}`, stream.position ? position(stream.position) : '-', stream.publishedAt ?? '-', stream.rebuild ? 'rebuild' : open.has(name) ? 'unfinished' : '']);
        for (const line of table([{ title: '  stream' }, { title: 'position' }, { title: 'published' }, { title: '' }], rows)) this.output.data(line);
      }
    }
    return { summary: `${pipes.reduce((sum, { state }) => sum + Object.keys(state.streams).length, 0)} streams`, result: pipes };
  }
}

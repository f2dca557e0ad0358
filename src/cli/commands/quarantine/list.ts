import { Flags } from '../../oclif.ts';
import type { QuarantinedRow } from '#sdk';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { plural, table } from '../../format.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe } from '../../job-tools.ts';
import { ranArgs } from '../../shared-flags.ts';
import { pickStreams } from '../../streams-of-state.ts';

export default class QuarantineList extends EtlCommand {
  static override summary = 'List the rejected rows of a job with their reasons, newest first.';
  static override args = ranArgs;
  static override flags = { stream: Flags.string({ description: 'Only this stream, or pattern.' }), limit: Flags.integer({ default: 50, min: 1, description: 'At most this many.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(QuarantineList);
    const job = await readRanJob(args, this.output);
    const engine = engineContext(this.output);
    const picked = flags.stream === undefined ? undefined : await pickStreams(job, engine, [flags.stream]);
    const rows = (await eachPipe(job, engine, async ({ id, destination }) => {
      if (!picked) return destination.quarantine(id, { limit: flags.limit });
      const found: QuarantinedRow[] = [];
      for (const stream of picked.get(id)?.streams ?? []) found.push(...(await destination.quarantine(id, { limit: flags.limit, stream })));
      return found;
    })).flat();
    if (!this.output.options.json) {
      const cells = rows.map((row) => [row.id.slice(0, 12), row.stream, row.column ?? '', row.key ? JSON.stringify(row.key) : '', row.code, row.reason]);
      if (rows.length > 0) for (const line of table([{ title: 'id' }, { title: 'stream' }, { title: 'column' }, { title: 'key' }, { title: 'code' }, { title: 'reason' }], cells)) this.output.data(line);
      this.output.say(rows.length === 0 ? 'no rejected rows' : `${plural(rows.length, 'row')}; ${args.target === undefined ? `etl quarantine show ${args.job} ID shows one whole` : '--json shows them whole'}`);
    }
    return { summary: plural(rows.length, 'rejected row'), result: rows };
  }
}

import { Flags } from '../oclif.ts';
import type { CheckReport, Selection } from '#sdk';
import { bind } from '../../plan/bind.ts';
import { matchStreams, readCatalogue } from '../../plan/pipes.ts';
import { EtlCommand, type Outcome } from '../command.ts';
import { engineContext } from '../engine.ts';
import { EXIT } from '../exit.ts';
import { plural } from '../format.ts';
import { readJob } from '../job-input.ts';
import { eachPipe, withSource } from '../job-tools.ts';
import { jobArg } from '../shared-flags.ts';

export default class Check extends EtlCommand {
  static override summary = 'Check connections, grants and clocks. Reads only; --probe writes and removes a marked object.';
  static override args = { job: jobArg };
  static override flags = { probe: Flags.boolean({ description: 'Prove that the destination can be written.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Check);
    const { job } = await readJob({ first: args.job }, this.output);
    const engine = engineContext(this.output);
    const destinations = await eachPipe(job, engine, async ({ id, name, destination }) => ({ id, name, capabilities: destination.capabilities, report: await destination.check({ probe: flags.probe }) }));
    const source = await withSource(job, engine, async (port) => {
      const pipes = matchStreams(job, await readCatalogue(job, port));
      const selection: Selection[] = pipes.flatMap((pipe) => {
        const capabilities = destinations.find(({ id }) => id === pipe.id)?.capabilities;
        return capabilities ? pipe.streams.map((match) => bind(match, capabilities, { fullRefresh: false }).selection) : [];
      });
      return port.check(selection);
    });
    const sections = [{ connection: job.source, report: source }, ...destinations.map(({ name, report }) => ({ connection: name, report }))];
    if (!this.output.options.json) for (const { connection, report } of sections) this.#print(connection, report);
    const errors = sections.flatMap(({ report }) => report).filter((item) => item.level === 'error');
    const first = errors[0];
    const summary = errors.length === 0 ? 'all checks passed' : `${plural(errors.length, 'check')} failed`;
    this.output.say(`${errors.length === 0 ? this.output.paint('green', 'ok') : this.output.paint('red', 'failed')} ${summary}`);
    return { summary, result: sections, exitCode: first ? EXIT.environment : EXIT.ok, ...(first ? { error: { code: 'ETL-CLI-007', message: `${first.what}: ${first.detail}`, ...(first.hint === undefined ? {} : { hint: first.hint }), docs: 'etl explain ETL-CLI-007' } } : {}) };
  }

  #print(connection: string, report: CheckReport): void {
    this.output.data(this.output.paintData('bold', connection));
    const marks = { ok: this.output.paintData('green', '✓'), warning: this.output.paintData('yellow', '!'), error: this.output.paintData('red', '✗') };
    for (const item of report) {
      this.output.data(`  ${marks[item.level]} ${item.what}: ${item.detail}`);
      if (item.hint !== undefined && item.level !== 'ok') this.output.data(`    next: ${item.hint}`);
    }
  }
}

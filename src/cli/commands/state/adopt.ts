import { hostname } from 'node:os';
import { Flags } from '../../oclif.ts';
import { awaitLease } from '../../../engine/index.ts';
import { EtlError } from '../../../errors/error.ts';
import { suggest } from '../../../job/diagnostics.ts';
import { bind } from '../../../plan/bind.ts';
import { matchStreams, readCatalogue, selected, type PipeStreams } from '../../../plan/pipes.ts';
import type { Destination } from '#sdk';
import { isAlive } from '../../after.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { plural } from '../../format.ts';
import { readRanJob } from '../../job-input.ts';
import { eachPipe, requireYes, withSource } from '../../job-tools.ts';
import { systemPorts } from '../../ports.ts';
import { ranArgs, streamFlag } from '../../shared-flags.ts';

const NO_END = new AbortController().signal;

export default class StateAdopt extends EtlCommand {
  static override summary = 'Accept a source or targets that are not as the state says: a clone, an upgrade, a restored table, one that another job wrote.';
  static override args = ranArgs;
  static override flags = { stream: streamFlag, yes: Flags.boolean({ description: 'Do it.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateAdopt);
    const job = await readRanJob(args, this.output);
    const engine = engineContext(this.output);
    requireYes(flags.yes, 'adopting the source and the targets as they are now');
    const { sourceIdentity, pipes } = await withSource(job, engine, async (source) => ({
      sourceIdentity: await source.identity(), pipes: matchStreams(job, await readCatalogue(job, source)),
    }));
    refuseUnknown(pipes, flags.stream);
    const all = args.target === undefined || flags.stream !== undefined; // two URLs name no stream: those of their state are meant
    const adopted = await eachPipe(job, engine, async ({ id, destination }) => {
      const state = await destination.state(id);
      const wanted = pipes.find((pipe) => pipe.id === id)?.streams.filter(({ info }) => selected(flags.stream, info.name) && (all || state.streams[info.name])) ?? [];
      const targets = wanted.map((match) => bind(match, destination.capabilities, { fullRefresh: false, state }).target);
      const owners = await destination.owners(id, targets);
      for (const owner of owners) await this.#refuseRunning(destination, owner);
      await destination.administer(id, { type: 'adopt', sourceIdentity, targets });
      return { streams: targets.map(({ stream }) => stream), owners };
    });
    const [streams, takenFrom] = [adopted.flatMap((pipe) => pipe.streams), adopted.flatMap((pipe) => pipe.owners)];
    const taken = takenFrom.length === 0 ? '' : `; what ${takenFrom.join(' and ')} wrote there is this job's now`;
    this.output.say(`${this.output.paint('green', 'ok')} adopted ${streams.join(', ') || 'no stream'} from ${sourceIdentity}${taken}`);
    return { summary: `adopted ${plural(streams.length, 'stream')}`, result: { sourceIdentity, streams, takenFrom } };
  }

  /** A job that is at work is not gone. */
  #refuseRunning(destination: Destination, owner: string): Promise<void> {
    return awaitLease(destination, owner, {
      takeOver: false, waitLock: false, clock: systemPorts.clock, stop: NO_END, host: hostname(), alive: isAlive,
      note: (message) => { this.output.say(`${this.output.paint('dim', 'note')} ${message}`); },
      hint: 'Its tables are not adopted while it runs. Stop it for good, and adopt them then.',
    });
  }
}

function refuseUnknown(pipes: readonly PipeStreams[], wanted: readonly string[] | undefined): void {
  const known = pipes.flatMap(({ streams }) => streams.map(({ info }) => info.name));
  const unknown = wanted?.find((pattern) => !known.some((name) => selected([pattern], name)));
  if (unknown === undefined) return;
  throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `the job moves no stream ${unknown}`, hint: suggest(unknown, known, 'it moves') ?? 'etl plan lists its streams' });
}

import { Args, Flags } from '../../oclif.ts';
import type { Position } from '#sdk';
import { EtlError } from '../../../errors/error.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { engineContext } from '../../engine.ts';
import { readJob } from '../../job-input.ts';
import { requireYes } from '../../job-tools.ts';
import { storePositions } from '../../positions.ts';
import { jobArg } from '../../shared-flags.ts';
import { pickStreams } from '../../streams-of-state.ts';

export default class StateSet extends EtlCommand {
  static override summary = 'Set the position of one stream; rows between the old and the new one may be skipped or come twice.';
  static override args = { job: jobArg, stream: Args.string({ ignoreStdin: true, required: true, description: 'A stream of the state.' }), position: Args.string({ ignoreStdin: true, required: true, description: 'The position as JSON, as `etl state export` writes it.' }) };
  static override flags = { yes: Flags.boolean({ description: 'Do it.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(StateSet);
    const { job } = await readJob({ first: args.job }, this.output);
    const position = parsePosition(args.position);
    requireYes(flags.yes, `setting the position of ${args.stream}`);
    const engine = engineContext(this.output);
    if (args.stream.includes('*')) throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: 'a position is of one stream', hint: 'etl state import sets those of many' });
    const picked = await pickStreams(job, engine, [args.stream]);
    const stored = await storePositions(job, engine, (pipe) => (picked.get(pipe)?.streams.includes(args.stream) ? { [args.stream]: position } : {}));
    if (stored.some(({ leftOut }) => leftOut.length > 0)) throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `the job does not move ${args.stream} any more`, hint: 'etl plan lists its streams' });
    const first = stored.flatMap((pipe) => pipe.first);
    for (const note of first) this.output.say(`${this.output.paint('yellow', 'warning')} ${note}`);
    this.output.say(`${this.output.paint('green', 'ok')} ${args.stream} is at ${args.position}`);
    return { summary: `set ${args.stream}`, result: { stream: args.stream, position, first } };
  }
}

function parsePosition(text: string): Position {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Position;
  } catch {
    // Falls through to the one message.
  }
  throw new EtlError({ kind: 'config', code: 'ETL-CLI-002', message: 'the position is not a JSON object', hint: 'take it from `etl state export`' });
}

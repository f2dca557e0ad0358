import { jobJsonSchema } from '../../job/json-schema.ts';
import { EtlCommand, type Outcome } from '../command.ts';
import { envelopeJsonSchema } from '../envelope.ts';
import { Flags } from '../oclif.ts';

export default class SchemaCommand extends EtlCommand {
  static override summary = 'Print the JSON Schema of job files, for editors: etl schema > .etl/job.schema.json';
  static override flags = { envelope: Flags.boolean({ description: 'The schema of what --json prints.' }) };

  async execute(): Promise<Outcome> {
    const { flags } = await this.parse(SchemaCommand);
    const result = flags.envelope ? envelopeJsonSchema() : jobJsonSchema();
    if (!this.output.options.json) this.output.data(JSON.stringify(result, null, 2));
    return { summary: `JSON Schema of ${flags.envelope ? 'what --json prints' : 'a job'}`, result };
  }
}

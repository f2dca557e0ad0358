import { jobJsonSchema } from '../../job/json-schema.ts';
import { EtlCommand, type Outcome } from '../command.ts';

export default class SchemaCommand extends EtlCommand {
  static override summary = 'Print the JSON Schema of job files, for editors: etl schema > .etl/job.schema.json';

  async execute(): Promise<Outcome> {
    await this.parse(SchemaCommand);
    const result = jobJsonSchema();
    if (!this.output.options.json) this.output.data(JSON.stringify(result, null, 2));
    return { summary: 'JSON Schema of a job', result };
  }
}

import { Args } from '../../oclif.ts';
import * as z from 'zod';
import { EtlCommand, type Outcome } from '../../command.ts';
import { loadConnector } from '../../connectors.ts';
import { table } from '../../format.ts';

export default class ConnectorsInfo extends EtlCommand {
  static override summary = 'Show the settings and the abilities of a connector.';
  static override args = { name: Args.string({ ignoreStdin: true, required: true, description: 'Name of a connector, or the path of a file that exports one.' }) };

  async execute(): Promise<Outcome> {
    const { args } = await this.parse(ConnectorsInfo);
    const connector = await loadConnector(args.name, process.cwd());
    const sections = [
      ['connection, as a source', connector.source?.config], ['connection, as a destination', connector.destination?.config], ['target', connector.destination?.targetOptions],
    ] as const;
    const result = { name: connector.name, title: connector.title, syncModes: connector.source?.syncModes ?? [], settings: Object.fromEntries(sections.flatMap(([title, schema]) => (schema ? [[title, z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })]] : []))) };
    if (!this.output.options.json) {
      this.output.data(`${this.output.paintData('bold', connector.name)}  ${connector.title}`);
      if (connector.source) this.output.data(`source: ${connector.source.syncModes.join(', ')}`);
      for (const [title, schema] of Object.entries(result.settings)) this.#settings(title, schema);
    }
    return { summary: connector.title, result };
  }

  #settings(title: string, schema: { properties?: Record<string, unknown>; required?: string[] }): void {
    if (Object.keys(schema.properties ?? {}).length === 0) return;
    this.output.data(`\n${this.output.paintData('bold', title)}`);
    const rows = Object.entries(schema.properties ?? {}).map(([name, value]) => {
      const property: { type?: string; enum?: unknown[]; default?: unknown; description?: string } = typeof value === 'object' && value !== null ? value : {};
      return [`  ${name}`, property.enum?.join(' | ') ?? property.type ?? '', property.default === undefined ? (schema.required?.includes(name) ? 'required' : '') : `default ${JSON.stringify(property.default)}`, property.description ?? ''];
    });
    for (const line of table([{ title: '  key' }, { title: 'kind' }, { title: '' }, { title: 'what' }], rows)) this.output.data(line);
  }
}

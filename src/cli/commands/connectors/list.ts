import { registry } from '../../../../connectors/registry.ts';
import { EtlCommand, type Outcome } from '../../command.ts';
import { table } from '../../format.ts';

export default class ConnectorsList extends EtlCommand {
  static override summary = 'List the connectors.';

  async execute(): Promise<Outcome> {
    await this.parse(ConnectorsList);
    const all = await Promise.all(Object.values(registry).map(async (load) => (await load()).default));
    const result = all.map((connector) => ({ name: connector.name, title: connector.title, source: connector.source?.syncModes ?? null, destination: connector.destination !== undefined, urls: (connector.urls?.schemes ?? []).map((scheme) => scheme.replace(/:$/, '')) }));
    if (!this.output.options.json) {
      for (const line of table([{ title: 'name' }, { title: 'source' }, { title: 'destination' }, { title: 'urls' }, { title: 'what' }], result.map((one) => [one.name, one.source?.join(', ') ?? '-', one.destination ? 'yes' : '-', one.urls.map((scheme) => `${scheme}:`).join(' '), one.title]))) this.output.data(line);
    }
    return { summary: `${result.length} connectors`, result };
  }
}

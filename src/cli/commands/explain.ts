import { resolve } from 'node:path';
import { Args, Flags } from '../oclif.ts';
import { EtlError } from '../../errors/error.ts';
import { suggest } from '../../job/diagnostics.ts';
import { EtlCommand, type Outcome } from '../command.ts';
import { loadConnector } from '../connectors.ts';
import { table } from '../format.ts';
import { allTexts } from '../texts.ts';

export default class Explain extends EtlCommand {
  static override summary = 'Explain an error code; without one, list them all.';
  static override flags = { connector: Flags.string({ description: 'The file of a connector of your own: its codes too.' }) };
  static override args = { code: Args.string({ ignoreStdin: true, description: 'Such as ETL-JOB-002.' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Explain);
    const own = flags.connector === undefined ? {} : (await loadConnector(resolve(flags.connector), process.cwd())).errors;
    const texts = { ...(await allTexts()), ...own };
    if (args.code === undefined) {
      if (!this.output.options.json) for (const line of table([{ title: 'code' }, { title: 'title' }], Object.entries(texts).toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([code, { title }]) => [code, title]))) this.output.data(line);
      return { summary: `${Object.keys(texts).length} codes`, result: texts };
    }
    const code = args.code.toUpperCase();
    const found = Object.hasOwn(texts, code) ? texts[code] : undefined;
    if (!found) {
      const near = suggest(code, Object.keys(texts), '');
      throw new EtlError({ kind: 'config', code: 'ETL-CLI-004', message: `there is no error ${code}`, hint: near !== undefined && near.startsWith('did') ? near : 'etl explain lists all codes; --connector ./my-source.ts adds those of a connector of your own' });
    }
    if (!this.output.options.json) this.output.data(`${this.output.paintData('bold', `${code}  ${found.title}`)}\n\n${found.text}`);
    return { summary: found.title, result: { code, ...found } };
  }
}

import { Args } from '../oclif.ts';
import { EtlError } from '../../errors/error.ts';
import { queriesOf } from '../../plan/pipes.ts';
import type { StreamInfo } from '#sdk';
import { EtlCommand, type Outcome } from '../command.ts';
import { loadConnector } from '../connectors.ts';
import { engineContext } from '../engine.ts';
import { bytes, count, table } from '../format.ts';
import { connectionOf, readJob } from '../job-input.ts';
import { withSource } from '../job-tools.ts';
import { systemPorts } from '../ports.ts';

export default class Discover extends EtlCommand {
  static override summary = 'List what a source has: streams, columns, keys, cursors. Reads only.';
  static override args = { job: Args.string({ ignoreStdin: true, required: true, description: 'A job file, or the URL of a source.' }) };

  async execute(): Promise<Outcome> {
    const { args } = await this.parse(Discover);
    const streams = /^[^/.]*\$\{|^[a-z][a-z0-9+.-]*:/i.test(args.job) ? await this.#ofUrl(args.job) : await this.#ofJob(args.job);
    if (!this.output.options.json) this.#print(streams);
    return { summary: `${streams.length} streams`, result: streams };
  }

  async #ofJob(file: string): Promise<readonly StreamInfo[]> {
    const { job } = await readJob({ first: file }, this.output);
    return withSource(job, engineContext(this.output), (source) => source.discover({ queries: queriesOf(job) }));
  }

  async #ofUrl(url: string): Promise<readonly StreamInfo[]> {
    const { config: { type, ...config } } = await connectionOf(url, 'source', this.output);
    const connector = await loadConnector(String(type), process.cwd());
    if (!connector.source) throw new EtlError({ kind: 'unsupported', code: 'ETL-JOB-024', message: `${connector.title} can't be a source`, hint: 'etl connectors list' });
    const source = await connector.source.create(connector.source.config.parse(config), { ports: systemPorts, directory: process.cwd(), maxBufferedBytes: 8 << 20, note: (_, message) => this.output.detail(message) });
    try {
      return await source.discover();
    } catch (error) {
      throw connector.classify?.(error) ?? error;
    } finally {
      await source[Symbol.asyncDispose]();
    }
  }

  #print(streams: readonly StreamInfo[]): void {
    const rows = streams.map((stream) => [stream.name, stream.kind, stream.estimatedRows === undefined ? '' : `~${count(stream.estimatedRows)}`, stream.estimatedBytes === undefined ? '' : bytes(stream.estimatedBytes), stream.schema.key.join(', ') || '-', stream.cursors.slice(0, 3).join(', ') || '-', String(stream.schema.fields.length)]);
    for (const line of table([{ title: 'stream' }, { title: 'kind' }, { title: 'rows', right: true }, { title: 'bytes', right: true }, { title: 'key' }, { title: 'cursors' }, { title: 'columns', right: true }], rows)) this.output.data(line);
    if (!this.output.options.verbose) return;
    for (const stream of streams) {
      this.output.data(`\n${this.output.paintData('bold', stream.name)}`);
      for (const line of table([{ title: '  column' }, { title: 'type' }, { title: 'at the source' }, { title: '' }], stream.schema.fields.map((field) => [`  ${field.name}`, field.type.kind, field.sourceType ?? '', field.nullable ? '' : 'not null']))) this.output.data(line);
    }
  }
}

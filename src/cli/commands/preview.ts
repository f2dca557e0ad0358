import { Flags } from '../oclif.ts';
import { EtlError } from '../../errors/error.ts';
import { createNormalizer } from '../../normalize/index.ts';
import { bind, type Binding } from '../../plan/bind.ts';
import { matchStreams, readCatalogue, selected } from '../../plan/pipes.ts';
import { rows as rowsOf, type Batch } from '#batch';
import type { Source } from '#sdk';
import { EtlCommand, type Outcome } from '../command.ts';
import { engineContext } from '../engine.ts';
import { table } from '../format.ts';
import { readJob } from '../job-input.ts';
import { eachPipe, withSource } from '../job-tools.ts';
import { systemPorts } from '../ports.ts';
import { jobArg, selectFlag } from '../shared-flags.ts';
import { exact } from '../../observe/redact.ts';

type Row = Readonly<Record<string, unknown>>;

export default class Preview extends EtlCommand {
  static override summary = 'Show the first rows of a job after all its rules. Writes nothing.';
  static override args = { job: jobArg };
  static override flags = { rows: Flags.integer({ default: 10, min: 1, description: 'Rows of each stream.' }), select: selectFlag, output: Flags.string({ char: 'o', options: ['table', 'jsonl', 'csv'], default: 'table' }) };

  async execute(): Promise<Outcome> {
    const { args, flags } = await this.parse(Preview);
    const { job } = await readJob({ first: args.job }, this.output);
    const engine = engineContext(this.output);
    const abilities = await eachPipe(job, engine, async ({ id, destination }) => ({ id, capabilities: destination.capabilities }));
    const streams = await withSource(job, engine, async (source) => {
      const bindings = matchStreams(job, await readCatalogue(job, source), flags.select).flatMap((pipe) => {
        const capabilities = abilities.find(({ id }) => id === pipe.id)?.capabilities;
        return capabilities ? pipe.streams.map((match) => bind(match, capabilities, { fullRefresh: true })) : [];
      });
      const previews: { stream: string; rows: Row[] }[] = [];
      for (const binding of bindings.filter(({ stream }) => selected(flags.select, stream))) previews.push({ stream: binding.stream, rows: await firstRows(source, binding, flags.rows) });
      return previews;
    });
    if (!this.output.options.json) for (const { stream, rows } of streams) this.#print(stream, rows, flags.output);
    return { summary: `${streams.length} streams`, result: streams };
  }

  #print(stream: string, rows: readonly Row[], form: string): void {
    const names = Object.keys(rows[0] ?? {});
    if (form === 'jsonl') return rows.forEach((row) => this.output.data(JSON.stringify(row, exact)));
    if (form === 'csv') {
      this.output.data(names.map(csv).join(','));
      return rows.forEach((row) => this.output.data(names.map((name) => csv(cell(row[name]))).join(',')));
    }
    this.output.data(this.output.paintData('bold', stream));
    if (rows.length === 0) return this.output.data('  no rows');
    const short = (text: string): string => (text.length > 40 ? `${text.slice(0, 39)}…` : text);
    for (const line of table(names.map((title) => ({ title })), rows.map((row) => names.map((name) => short(cell(row[name])))))) this.output.data(`  ${line}`);
  }
}

/** One split of a throw-away load, read only as far as needed. */
async function firstRows(source: Source, binding: Binding, limit: number): Promise<Row[]> {
  const empty = { runEpoch: 0, streams: {}, loads: [] };
  const [planned] = await source.plan([binding.selection], empty, { maxSplits: 1, alone: true, nextLoadId: () => systemPorts.random.uuidv7() });
  if (!planned) throw new EtlError({ kind: 'config', code: 'ETL-CLI-006', message: `the source plans nothing for ${binding.stream}`, hint: 'etl discover lists its streams' });
  const { load, reading } = await source.begin({ ...planned, targets: [binding.target] }, { pipe: 'preview', runEpoch: 0, runId: systemPorts.random.uuidv7() });
  const normalizer = createNormalizer([binding.spec]);
  const rows: Row[] = [];
  const stop = new AbortController();
  for (const split of load.splits) {
    for await (const message of source.read(reading, split, undefined, stop.signal)) {
      if (message.type === 'checkpoint') continue;
      for (const out of normalizer.apply(message)) if (out.type === 'batch') take(out.batch, rows, limit);
      if (rows.length >= limit) break;
    }
    if (rows.length >= limit) break;
  }
  stop.abort();
  return rows;
}

function take(batch: Batch, rows: Row[], limit: number): void {
  for (const change of rowsOf(batch)) {
    if (rows.length >= limit) break;
    rows.push(Object.fromEntries(Object.entries(change.values).map(([name, value]) => [name, shown(value)])));
  }
  batch.release();
}

/** Bytes as hexadecimal digits, as in JSON lines. */
function shown(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return Array.isArray(value) ? value.map(shown) : value;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value, exact) : String(value as string | number | bigint | boolean);
}

function csv(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

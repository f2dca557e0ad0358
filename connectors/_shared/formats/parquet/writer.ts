import { Arena, halvings, type Batch, type Schema } from '#batch';
import { EtlError } from '#sdk';
import { compressorOf, type Compressor } from '../compress.ts';
import type { ByteSink, FileWriter, FormatOptions } from '../contract.ts';
import { Region } from '../region.ts';
import { ColumnWriter, type Chunk } from './column.ts';
import { convert } from './convert.ts';
import { columnIndex, footer, offsetIndex, type ChunkIndex, type Range, type RowGroup, type WrittenChunk } from './footer.ts';
import { Shredder } from './levels.ts';
import { parquetSchema, type ParquetSchema } from './schema.ts';

const MAGIC = Buffer.from('PAR1');

/** Batches become pages at once; a row group's compressed pages wait until it is full; then the file grows by it. */
export class ParquetWriter implements FileWriter {
  bytesWritten = 0;
  rows = 0;
  private readonly schema: Schema;
  private readonly options: FormatOptions;
  private readonly sink: ByteSink;
  private readonly parquet: ParquetSchema;
  private readonly groups: RowGroup[] = [];
  private readonly body = new Region();
  private readonly shredder = new Shredder();
  private compressor: Compressor | undefined;
  private columns: readonly ColumnWriter[] = [];
  /** The same, by the field that they belong to. */
  private byField: readonly (readonly ColumnWriter[])[] = [];
  private groupRows = 0;

  constructor(schema: Schema, options: FormatOptions, sink: ByteSink) {
    this.schema = schema;
    this.options = options;
    this.sink = sink;
    this.parquet = parquetSchema(schema, options);
  }

  async accept(batch: Batch): Promise<void> {
    try {
      await this.start();
      this.encode(batch);
    } finally {
      batch.release();
    }
    if (this.columns.reduce((sum, column) => sum + column.encodedBytes, 0) >= this.options.rowGroupBytes) await this.endGroup();
  }

  private async start(): Promise<void> {
    if (this.compressor) return;
    const compressor = await compressorOf(this.options.compression);
    this.compressor = compressor;
    const shared = { compressor, body: this.body, shredder: this.shredder, halved: halvings(this.parquet.leaves.length) };
    this.columns = this.parquet.leaves.map((leaf) => new ColumnWriter(leaf, shared));
    this.byField = this.schema.fields.map((_, i) => this.columns.filter((column) => column.leaf.column === i));
    await this.write(MAGIC);
  }

  private encode(batch: Batch): void {
    if (batch.length === 0) return;
    const scratch = new Arena();
    try {
      this.schema.fields.forEach((field, i) => {
        const given = batch.columns[i];
        if (!given || batch.schema.fields[i]?.type.kind !== field.type.kind) {
          throw new EtlError({ kind: 'internal', code: 'ETL-FMT-002', message: `Stream ${batch.stream}: the batch has no column ${field.name} of kind ${field.type.kind}.` });
        }
        const vector = convert(given, this.options, scratch);
        for (const column of this.byField[i] ?? []) column.append(vector);
      });
    } finally {
      scratch.release();
    }
    this.rows += batch.length;
    this.groupRows += batch.length;
  }

  private async endGroup(): Promise<void> {
    if (this.groupRows === 0) return;
    const chunks: WrittenChunk[] = [];
    for (const column of this.columns) chunks.push(await this.writeChunk(column.finish()));
    this.groups.push({ rows: this.groupRows, chunks });
    this.groupRows = 0;
  }

  private async writeChunk({ dictionary, data, pages, ...chunk }: Chunk): Promise<WrittenChunk> {
    const start = this.bytesWritten;
    try {
      if (dictionary) await this.write(dictionary);
      const dataStart = this.bytesWritten;
      await data.drain((bytes) => this.write(bytes));
      const index = { columns: columnIndex(pages), offsets: offsetIndex(pages, dataStart) };
      return { ...chunk, index, start, dataStart, hasDictionary: dictionary !== undefined, size: this.bytesWritten - start };
    } finally {
      data.release();
    }
  }

  async finish(): Promise<{ rows: number; bytes: number }> {
    await this.start();
    await this.endGroup();
    this.abort();
    const indexes = await this.writeIndexes();
    const bytes = footer({ schema: this.schema, parquet: this.parquet, groups: this.groups, indexes, rows: this.rows, options: this.options });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(bytes.length);
    await this.write(Buffer.concat([bytes, length, MAGIC]));
    return { rows: this.rows, bytes: this.bytesWritten };
  }

  /** First all column indexes, then all offset indexes: a reader that skips by value reads the first only. */
  private async writeIndexes(): Promise<ChunkIndex[][]> {
    const columns: (Range | undefined)[] = [];
    for (const chunk of this.groups.flatMap((group) => group.chunks)) columns.push(await this.writeRange(chunk.index.columns));
    let at = 0;
    const indexes: ChunkIndex[][] = [];
    for (const group of this.groups) {
      const ofGroup: ChunkIndex[] = [];
      for (const chunk of group.chunks) {
        const { offsets } = chunk.index;
        ofGroup.push({ columns: columns[at++], offsets: { offset: this.bytesWritten, length: offsets.length } });
        await this.write(offsets);
      }
      indexes.push(ofGroup);
    }
    return indexes;
  }

  private async writeRange(bytes: Uint8Array | undefined): Promise<Range | undefined> {
    if (!bytes) return undefined;
    const range = { offset: this.bytesWritten, length: bytes.length };
    await this.write(bytes);
    return range;
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.sink.write(bytes);
    this.bytesWritten += bytes.length;
  }

  abort(): void {
    for (const column of this.columns) column.release();
    this.columns = this.byField = [];
    this.compressor?.release();
    this.body.release();
    this.shredder.release();
  }
}

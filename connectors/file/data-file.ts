import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Batch, Schema } from '#batch';
import type { DiskFile } from '../_shared/commit-log/disk/disk.ts';
import type { ByteSink, FileWriter, Format, FormatOptions } from '../_shared/formats/contract.ts';
import type { LogFile } from '../_shared/commit-log/records.ts';
import { hidden } from './layout.ts';
import type { Place } from './place.ts';

const BLOCK = 512 * 1024;

/** Writes in blocks, one on its way to the disk while the next fills. Copies at once: what it is given may be a view of column memory. */
class BlockSink implements ByteSink {
  bytes = 0;
  crc = 0;
  private filling: Buffer = Buffer.allocUnsafeSlow(BLOCK);
  private spare: Buffer | undefined;
  private filled = 0;
  private underway: Promise<void> = Promise.resolve();
  private readonly file: DiskFile;

  constructor(file: DiskFile) {
    this.file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.crc = crc32(bytes, this.crc);
    this.bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + BLOCK - this.filled);
      this.filling.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === BLOCK) await this.send();
    }
  }

  /** All of it is at the operating system. */
  async end(): Promise<void> {
    await this.send();
    await this.underway;
  }

  private async send(): Promise<void> {
    await this.underway;
    const full = this.filling;
    this.underway = this.file.write(full.subarray(0, this.filled));
    this.underway.catch(() => undefined); // seen by the next await of it
    this.filling = this.spare ?? Buffer.allocUnsafeSlow(BLOCK);
    this.spare = full;
    this.filled = 0;
  }
}

export interface DataFileSpec {
  readonly stream: string;
  readonly table: string;
  /** Without extension. */
  readonly name: string;
  readonly generation: string | undefined;
  readonly schema: Schema;
  readonly format: Format;
  readonly options: FormatOptions;
}

/** One data file under its hidden name, until a record lists it. */
export class DataFile {
  readonly spec: DataFileSpec;
  readonly path: string;
  private readonly name: string;
  private readonly file: DiskFile;
  private readonly sink: BlockSink;
  private readonly writer: FileWriter;
  private rows = 0;
  private open = true;

  private constructor(spec: DataFileSpec, { path, file }: { path: string; file: DiskFile }) {
    this.spec = spec;
    this.path = path;
    this.name = `${spec.name}.${spec.format.extension}`;
    this.file = file;
    this.sink = new BlockSink(file);
    this.writer = spec.format.open(spec.schema, spec.options, this.sink);
  }

  static async create(place: Place, spec: DataFileSpec): Promise<DataFile> {
    const path = join(place.root, spec.table, hidden(`${spec.name}.${spec.format.extension}`));
    const file = await place.disk.create(path);
    try {
      return new DataFile(spec, { path, file });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get bytesWritten(): number {
    return this.writer.bytesWritten;
  }

  accept(batch: Batch): Promise<void> {
    return this.writer.accept(batch);
  }

  /** Footer and last block. Not durable yet. */
  async finish(): Promise<void> {
    this.rows = (await this.writer.finish()).rows;
    await this.sink.end();
  }

  /** What a record says of it, once its content is on the platter. */
  async makeDurable(): Promise<LogFile> {
    await this.file.fsync(); // the data holds before the record that lists it
    await this.close();
    const { stream, table, generation } = this.spec;
    const listed = { stream, table, name: this.name, rows: this.rows, bytes: this.sink.bytes, crc: this.sink.crc };
    return generation === undefined ? listed : { ...listed, generation };
  }

  async close(): Promise<void> {
    if (!this.open) return;
    this.open = false;
    this.writer.abort();
    await this.file.close();
  }
}

import type { Batch, Field, Schema } from '#batch';
import type { ColumnMapping } from '#sdk';

/** Where encoded bytes go. It has taken them when the promise resolves: the memory is then used again. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>;
}

/** One file in the making. */
export interface FileWriter {
  /** Encodes the batch and releases it, also when it throws. */
  accept(batch: Batch): Promise<void>;
  /** Handed to the sink so far. */
  readonly bytesWritten: number;
  readonly rows: number;
  finish(): Promise<{ rows: number; bytes: number }>;
  /** Gives the memory back without a file; harmless after `finish`. */
  abort(): void;
}

export interface FormatOptions {
  readonly compression: 'snappy' | 'zstd' | 'none';
  /** Encoded bytes of a row group before compression: bounds the memory of a file in the making. */
  readonly rowGroupBytes: number;
  /** What becomes of infinite dates and timestamps: rejected by name, null, or the whole column as canonical text. */
  readonly infinite: 'reject' | 'null' | 'text';
  readonly interval: 'text' | 'struct';
}

export const DEFAULT_FORMAT_OPTIONS: FormatOptions = { compression: 'snappy', rowGroupBytes: 16 << 20, infinite: 'reject', interval: 'text' };

/** A row that the format can't hold as it is. */
export interface FormatReject {
  readonly row: number;
  readonly column: string;
  readonly code: string;
  readonly reason: string;
}

export interface Format {
  readonly name: 'parquet' | 'jsonl';
  readonly extension: string;
  /** What becomes of a column: used by `plan`, and true of what the writer does. */
  mapColumn(field: Field, options: FormatOptions): ColumnMapping;
  /** The rows to take out before `accept`, each once a column that is at fault. */
  check(batch: Batch, options: FormatOptions): readonly FormatReject[];
  open(schema: Schema, options: FormatOptions, sink: ByteSink): FileWriter;
}

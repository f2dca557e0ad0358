import { Arena, toTextVector, viewBytes, viewInt32, widthOf, type Batch, type Field, type LogicalType, type Schema, type Vector } from '#batch';
import { kernels } from '#kernels';
import { EtlError } from '#sdk';
import type { ByteSink, FileWriter } from '../contract.ts';
import { Region } from '../region.ts';

const BUFFER = 256 * 1024 - 64;
/** A column in the kernel's table: eight words. */
const WORDS = 8;

/** How the kernel writes a value: the forms of jlRows. */
const Form = { BARE: 0, TEXT: 1, FLOAT: 2, JSON: 3, INTEGER: 4, BOOL: 5, HEX: 6 } as const;

/** Batches become lines in a kernel; no row is ever an object. */
export class JsonlWriter implements FileWriter {
  bytesWritten = 0;
  rows = 0;
  private readonly schema: Schema;
  private readonly sink: ByteSink;
  private readonly out = new Region();

  constructor(schema: Schema, sink: ByteSink) {
    this.schema = schema;
    this.sink = sink;
  }

  async accept(batch: Batch): Promise<void> {
    const scratch = new Arena();
    try {
      const table = this.describe(batch, scratch);
      const state = viewInt32(scratch.allocate(4), 1);
      const out = this.out.ensure(BUFFER);
      for (let from = 0; from < batch.length; from = state[0] ?? batch.length) {
        const end = kernels().jlRows(table, this.schema.fields.length, from, batch.length, out, out + BUFFER, state.byteOffset);
        await this.write(viewBytes(out, end - out));
        if (state[0] === from) state[0] = await this.writeLarge(table, from, scratch);
      }
      this.rows += batch.length;
    } finally {
      scratch.release();
      batch.release();
    }
  }

  /** A row larger than the buffer. Returns the next. */
  private async writeLarge(table: number, row: number, scratch: Arena): Promise<number> {
    const columns = this.schema.fields.length;
    const state = viewInt32(scratch.allocate(12), 3);
    state.set([0, -1, 0]);
    const out = this.out.ensure(BUFFER);
    while ((state[0] ?? 0) <= columns) {
      const end = kernels().jlPart(table, columns, row, out, out + BUFFER, state.byteOffset);
      await this.write(viewBytes(out, end - out));
    }
    return row + 1;
  }

  /** The address of the kernel's table of columns. */
  private describe(batch: Batch, scratch: Arena): number {
    const { fields } = this.schema;
    const table = scratch.allocate(fields.length * WORDS * 4);
    const words = new Uint32Array(viewBytes(0, 0).buffer, table, fields.length * WORDS);
    fields.forEach((field, i) => {
      const given = batch.columns[i];
      if (!given || batch.schema.fields[i]?.type.kind !== field.type.kind) {
        throw new EtlError({ kind: 'internal', code: 'ETL-FMT-002', message: `Stream ${batch.stream}: the batch has no column ${field.name} of kind ${field.type.kind}.` });
      }
      words.set(describeColumn(field, given, scratch), i * WORDS);
    });
    return table;
  }

  async finish(): Promise<{ rows: number; bytes: number }> {
    this.abort();
    return { rows: this.rows, bytes: this.bytesWritten };
  }

  abort(): void {
    this.out.release();
  }

  private async write(bytes: Uint8Array): Promise<void> {
    await this.sink.write(bytes);
    this.bytesWritten += bytes.length;
  }
}

function describeColumn(field: Field, given: Vector, scratch: Arena): number[] {
  const form = FORMS[field.type.kind];
  const vector = form === Form.INTEGER || form === Form.BOOL || form === Form.HEX ? given : toTextVector(given, scratch);
  const key = Buffer.from(`${JSON.stringify(field.name)}:`);
  const name = scratch.bytes(key.length);
  name.set(key);
  const signed = field.type.kind.startsWith('int') ? 1 : 0;
  return [vector.data.byteOffset, vector.offsets?.byteOffset ?? 0, vector.validity?.byteOffset ?? 0, name.byteOffset, key.length, form, widthOf(field.type), signed];
}

const FORMS: Readonly<Record<LogicalType['kind'], number>> = {
  bool: Form.BOOL,
  int8: Form.INTEGER, int16: Form.INTEGER, int32: Form.INTEGER, int64: Form.INTEGER,
  uint8: Form.INTEGER, uint16: Form.INTEGER, uint32: Form.INTEGER, uint64: Form.INTEGER,
  float32: Form.FLOAT, float64: Form.FLOAT, number: Form.FLOAT, decimal: Form.BARE,
  json: Form.JSON, list: Form.JSON, struct: Form.JSON,
  text: Form.TEXT, bytes: Form.HEX, uuid: Form.TEXT, date: Form.TEXT, time: Form.TEXT, timestamp: Form.TEXT, timestamptz: Form.TEXT, interval: Form.TEXT,
};

import type { Duplex } from 'node:stream';
import { Arena, type Batch } from '#batch';
import type pg from 'pg';
import { EtlError } from '#sdk';
import type { RowTarget, RowWriter, TableName } from '../_shared/sql/dialect.ts';
import { encodeRows, HEAD } from './copy-encode.ts';
import { classify } from './errors.ts';
import { quoteName } from './quoting.ts';

/** The parts of `pg`'s wire that a COPY needs; its types don't name them. */
interface Wire {
  readonly stream: Duplex;
  query(text: string): void;
  sync(): void;
}

const SIGNATURE = Buffer.from('d\0\0\0\0PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
SIGNATURE.writeUInt32BE(SIGNATURE.length - 1, 1);
/** -1 instead of a number of fields, then CopyDone. */
const END = Buffer.from('d\0\0\0\x06\xff\xffc\0\0\0\x04', 'latin1');
/** Bytes on their way to the socket before a writer waits. */
const AHEAD = 4 * 1024 * 1024;

/** One COPY FROM STDIN as `pg` runs queries: it calls these as the server's messages come. */
class CopyIn {
  private readonly sql: string;
  private error: Error | undefined;
  readonly ready: Promise<Wire>;
  readonly ended: Promise<void>;
  private begin: (wire: Wire) => void = () => undefined;
  private end: () => void = () => undefined;
  private fail: (error: Error) => void = () => undefined;
  private failStart: (error: Error) => void = () => undefined;

  constructor(sql: string) {
    this.sql = sql;
    this.ready = new Promise((resolve, reject) => { this.begin = resolve; this.failStart = reject; });
    this.ended = new Promise((resolve, reject) => { this.end = resolve; this.fail = reject; });
    this.ready.catch(() => undefined);
    this.ended.catch(() => undefined);
  }

  submit(connection: Wire): void {
    connection.query(this.sql);
  }
  handleCopyInResponse(connection: Wire): void {
    this.begin(connection);
  }
  handleCommandComplete(): void { /* the ReadyForQuery that follows says it */ }
  handleReadyForQuery(): void {
    if (this.error) this.fail(this.error);
    else this.end();
  }
  handleError(error: Error): void {
    this.error = error;
    this.failStart(error);
    this.fail(error);
  }
  failed(): Error | undefined {
    return this.error;
  }
}

/** Batches into tables by binary COPY, one statement as long as the table stays the same. */
export class CopyWriter implements RowWriter {
  private readonly client: pg.Client;
  private open: { readonly key: string; readonly copy: CopyIn; readonly wire: Wire } | undefined;
  private written = 0;
  private waiting = 0;
  private drained: (() => void) | undefined;

  constructor(client: pg.Client) {
    this.client = client;
  }

  async write(into: RowTarget, batch: Batch): Promise<void> {
    if (batch.length === 0) return;
    const { copy, wire } = await this.copyInto(into);
    const failure = copy.failed();
    if (failure) throw classify(failure) ?? failure;
    const arena = new Arena();
    let message: Uint8Array;
    try {
      message = encodeRows(into, batch, arena);
    } catch (error) {
      arena.release();
      throw error;
    }
    const head = new DataView(message.buffer, message.byteOffset, HEAD);
    head.setUint8(0, 0x64);
    head.setUint32(1, message.length - 1);
    this.written += message.length - HEAD;
    this.waiting += message.length;
    // the socket reads the slab until its callback: only then may it be used again
    wire.stream.write(message, () => {
      arena.release();
      this.waiting -= message.length;
      if (this.waiting < AHEAD) this.drained?.();
    });
    if (this.waiting > AHEAD) await Promise.race([new Promise<void>((resolve) => { this.drained = resolve; }), copy.ended.catch(() => undefined)]);
  }

  private async copyInto(into: RowTarget): Promise<{ readonly copy: CopyIn; readonly wire: Wire }> {
    const sql = copyStatement(into.table, into.columns.map((column) => column.name));
    if (this.open?.key === sql) return this.open;
    await this.settle();
    const copy = new CopyIn(sql);
    this.client.query(copy as unknown as pg.Submittable); // `pg` takes any object that submits itself
    try {
      const wire = await copy.ready;
      wire.stream.write(SIGNATURE);
      this.open = { key: sql, copy, wire };
      return this.open;
    } catch (error) {
      throw classify(error) ?? error;
    }
  }

  async settle(): Promise<void> {
    const { open } = this;
    if (!open) return;
    this.open = undefined;
    try {
      if (!open.copy.failed()) open.wire.stream.write(END);
      await open.copy.ended;
    } catch (error) {
      throw asRowError(classify(error) ?? error);
    }
  }

  async finish(): Promise<number> {
    await this.settle();
    const { written } = this;
    this.written = 0;
    return written;
  }
}

function asRowError(error: unknown): unknown {
  if (!(error instanceof EtlError) || error.code !== 'ETL-PG-008') return error;
  return new EtlError({ kind: 'data', code: 'ETL-PG-105', message: `The target refused a row: ${error.message}`, hint: 'Cast or clean the column that the message names.', cause: error.cause });
}

function copyStatement(table: TableName, columns: readonly string[]): string {
  const name = table.schema === undefined ? quoteName(table.table) : quoteName(table.schema, table.table);
  return `copy ${name} (${columns.map((column) => quoteName(column)).join(', ')}) from stdin (format binary)`;
}

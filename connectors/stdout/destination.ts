import type { Writable } from 'node:stream';
import type { Batch, Schema } from '#batch';
import {
  EtlError, type Capabilities, type CheckReport, type Checkpoint, type CommitReceipt, type Destination, type JobState, type Lease, type Load,
  type QuarantinedRow, type Rejection, type Run, type RunToken, type SchemaPlan, type Session, type Split, type Target, type TargetMessage,
} from '#sdk';
import { fileBatch, fileSchema, truncateRow, type FileColumns } from '../_shared/change-log/columns.ts';
import { withoutRejected } from '../_shared/change-log/rejects.ts';
import { DEFAULT_FORMAT_OPTIONS, type ByteSink, type FileWriter, type Format } from '../_shared/formats/contract.ts';
import { stdoutCapabilities } from './config.ts';
import { pipeError } from './errors.ts';

async function jsonl(): Promise<Format> {
  return (await import('../_shared/formats/jsonl/index.ts')).jsonl;
}

/** Waits for each write, so that a slow reader slows the source and nothing piles up. */
class PipeSink implements ByteSink {
  bytes = 0;
  private failure: unknown;
  private readonly out: Writable;

  constructor(out: Writable) {
    this.out = out;
    // a pipe that breaks between two writes must not end the process: the next write tells
    out.on('error', (error) => { this.failure = error; });
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.failure !== undefined) throw pipeError(this.failure);
    const lines = Buffer.from(bytes); // a copy: column memory is used again
    await new Promise<void>((resolve, reject) => {
      this.out.write(lines, (error) => { if (error) reject(pipeError(error)); else resolve(); });
    });
    this.bytes += bytes.length;
  }
}

const NOTHING: JobState = { runEpoch: 0, streams: {}, loads: [] };

/** Rows as JSON lines and nothing else: no state, no fence, no promise past the pipe (rule 29). The pipeline keeps the state. */
export class StdoutDestination implements Destination {
  readonly capabilities: Capabilities = stdoutCapabilities;
  private readonly sink: PipeSink;
  private readonly now: () => number;

  constructor(out: Writable, now: () => number) {
    this.sink = new PipeSink(out);
    this.now = now;
  }

  check(): Promise<CheckReport> {
    return Promise.resolve([{ what: 'standard output', level: 'ok', detail: 'JSON lines, at least once' }]);
  }

  async planSchema(_pipe: string, target: Target, schema: Schema): Promise<SchemaPlan> {
    const format = await jsonl();
    const columns = schema.fields.map((field) => format.mapColumn(field, DEFAULT_FORMAT_OPTIONS));
    return { ddl: [], columns, conflicts: target.write === 'append' ? [] : [`write: ${target.write} can't be done on a pipe; append can`] };
  }

  state(): Promise<JobState> { return Promise.resolve(NOTHING); }
  lease(): Promise<Lease | undefined> { return Promise.resolve(undefined); }
  quarantine(): Promise<readonly QuarantinedRow[]> { return Promise.resolve([]); }
  owners(): Promise<readonly string[]> { return Promise.resolve([]); }
  administer(): Promise<void> { return Promise.resolve(); }

  claim(pipe: string, owner: { readonly runId: string }): Promise<Run> {
    return this.attach({ pipe, runEpoch: 1, runId: owner.runId });
  }

  attach(token: RunToken): Promise<Run> {
    return Promise.resolve({
      token, state: NOTHING,
      renewLease: () => Promise.resolve(),
      begin: (load: Load) => Promise.resolve(load),
      open: (load: Load, _split: Split) => Promise.resolve(new StdoutSession(this.sink, { load, runId: token.runId, nowMs: this.now() })),
      publish: () => Promise.resolve('published' as const),
      reset: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }

  [Symbol.asyncDispose](): Promise<void> { return Promise.resolve(); }
}

interface Outlet {
  readonly columns: FileColumns;
  sent: Schema;
  schema: Schema;
  writer: FileWriter;
}

class StdoutSession implements Session {
  readonly committed = undefined;
  private readonly outlets = new Map<string, Outlet>();
  private readonly sink: PipeSink;
  private readonly work: { readonly load: Load; readonly runId: string; readonly nowMs: number };
  private rejected: Rejection[] = [];
  private rows = 0;
  private bytes: number;
  private revision = 0;

  constructor(sink: PipeSink, work: StdoutSession['work']) {
    this.sink = sink;
    this.work = work;
    this.bytes = sink.bytes;
  }

  async accept(message: TargetMessage): Promise<void> {
    switch (message.type) {
      case 'schema': return this.acceptSchema(message.target, message.schema);
      case 'batch': return this.acceptBatch(message.target, message.batch);
      case 'rebuild': return; // what a resync sends again follows what was sent: nothing past the pipe is replaced
      case 'truncate': {
        const outlet = this.outlet(message.target);
        if (outlet.columns.changes) await this.write(outlet, truncateRow(outlet.columns, message.target.stream, outlet.schema));
      }
    }
  }

  private async acceptSchema(target: Target, sent: Schema): Promise<void> {
    const key = `${target.stream}\0${target.table}`;
    const seen = this.outlets.get(key);
    if (seen && JSON.stringify(seen.sent) === JSON.stringify(sent)) return;
    const { load, runId, nowMs } = this.work;
    const columns: FileColumns = { target, runId, nowMs, changes: load.kind === 'live' };
    const schema = fileSchema(columns, sent);
    await seen?.writer.finish();
    this.outlets.set(key, { columns, sent, schema, writer: (await jsonl()).open(schema, DEFAULT_FORMAT_OPTIONS, this.sink) });
  }

  private outlet(target: Target): Outlet {
    const outlet = this.outlets.get(`${target.stream}\0${target.table}`);
    if (!outlet) throw new EtlError({ kind: 'internal', code: 'ETL-STDOUT-003', message: `Rows of ${target.stream} came before their schema.` });
    return outlet;
  }

  private async acceptBatch(target: Target, taken: Batch): Promise<void> {
    let batch = taken;
    try {
      const outlet = this.outlet(target);
      batch = fileBatch(outlet.columns, batch, outlet.schema);
      const checked = withoutRejected(batch, (await jsonl()).check(batch, DEFAULT_FORMAT_OPTIONS));
      batch = checked.batch;
      this.rejected.push(...checked.rejections);
      await this.write(outlet, batch);
    } finally {
      batch.release();
    }
  }

  private async write(outlet: Outlet, batch: Batch): Promise<void> {
    this.rows += batch.length;
    await outlet.writer.accept(batch);
  }

  flush(): Promise<readonly Rejection[]> {
    return Promise.resolve(this.rejected.splice(0));
  }

  commit(_at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    const receipt = { revision: ++this.revision, rows: this.rows, rejected: rejections.length, bytes: this.sink.bytes - this.bytes, schemaChanges: [] };
    this.rows = 0;
    this.bytes = this.sink.bytes;
    return Promise.resolve(receipt);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const { writer } of this.outlets.values()) writer.abort();
    return Promise.resolve();
  }
}

import { join } from 'node:path';
import type { Batch, Schema } from '#batch';
import { failpoint, type Checkpoint, type CommitReceipt, type Load, type Rejection, type Session, type Split, type Target, type TargetMessage } from '#sdk';
import { fileBatch, fileSchema, truncateRow, type FileColumns } from '../_shared/change-log/columns.ts';
import { withoutRejected } from '../_shared/change-log/rejects.ts';
import { streamOf } from '../_shared/commit-log/fold.ts';
import { commitIntent, type Opened } from '../_shared/commit-log/intents.ts';
import type { CommitBody, Incarnation, LogFile } from '../_shared/commit-log/records.ts';
import { fileOptionsOf, type FileOptions } from './config.ts';
import { DataFile } from './data-file.ts';
import { sessionOver, targetLost } from './errors.ts';
import { explained } from './fence.ts';
import { bindTable, incarnationOf, settleTable, showFiles } from './folder.ts';
import { dataName, makesFolder, tableOf, type FileOrigin } from './layout.ts';
import type { Pipe } from './place.ts';
import { writeRejections } from './quarantine.ts';
import { isReplaced } from './run.ts';

export interface SessionWork {
  readonly run: number;
  readonly runId: string;
  readonly load: Load;
  readonly split: Split;
  readonly opened: Opened;
}

/** A target as this session writes it. */
interface Outlet {
  readonly target: Target;
  readonly table: string;
  readonly options: FileOptions;
  readonly columns: FileColumns;
  incarnation: string;
  /** As the stream sent it. */
  sent: Schema;
  /** With our own columns: what the files hold. */
  schema: Schema;
  generation: string | undefined;
  file: DataFile | undefined;
}

/** The one writer of a split: hidden files, then a record, then their names. */
export class FileSession implements Session {
  readonly committed: Session['committed'];
  private readonly pipe: Pipe;
  private readonly work: SessionWork;
  private readonly origin: FileOrigin;
  private readonly outlets = new Map<string, Outlet>();
  private finished: DataFile[] = [];
  private rejected: Rejection[] = [];
  private changes: string[] = [];
  private revision = 0;
  private count = 0;
  /** Once a commit is on its way or failed, nothing may be deleted any more (rule 2). */
  private state: 'open' | 'committing' | 'over' = 'open';

  constructor(pipe: Pipe, work: SessionWork) {
    this.pipe = pipe;
    this.work = work;
    this.committed = work.opened.committed;
    this.origin = { tag: pipe.tag, run: work.run, load: work.load.id, split: work.split.id, epoch: work.opened.epoch };
  }

  accept(message: TargetMessage): Promise<void> {
    return explained(this.pipe, this.work.run, () => this.acceptMessage(message));
  }

  private async acceptMessage(message: TargetMessage): Promise<void> {
    switch (message.type) {
      case 'schema': return this.acceptSchema(message.target, message.schema);
      case 'batch': return this.acceptBatch(message.target, message.batch);
      case 'rebuild': return this.acceptRebuild(message.target, message.generation);
      case 'truncate': return this.acceptTruncate(message.target);
    }
  }

  private async acceptSchema(target: Target, schema: Schema): Promise<void> {
    this.assertOpen();
    const table = tableOf(target);
    const key = `${target.stream}\0${table}`;
    const seen = this.outlets.get(key);
    if (seen && JSON.stringify(seen.sent) === JSON.stringify(schema)) return;
    if (seen) {
      await this.finishFile(seen); // the next file has the new columns
      seen.sent = schema;
      seen.schema = fileSchema(seen.columns, schema);
      this.changes.push(`${table}: columns ${schema.fields.map((field) => field.name).join(', ')}`);
      return;
    }
    const { id: incarnation, made } = await bindTable(this.pipe, { target, replaced: isReplaced(this.work.load, target) });
    if (made) this.changes.push(makesFolder(table));
    const { load, runId } = this.work;
    const columns: FileColumns = { target, runId, changes: load.kind === 'live' && target.write === 'append', nowMs: this.pipe.place.ports.clock.now() };
    this.outlets.set(key, {
      target, table, columns, incarnation, options: fileOptionsOf(target.options),
      sent: schema, schema: fileSchema(columns, schema), generation: undefined, file: undefined,
    });
  }

  private outlet(target: Target): Outlet {
    const outlet = this.outlets.get(`${target.stream}\0${tableOf(target)}`);
    if (!outlet) throw sessionOver();
    return outlet;
  }

  private async acceptBatch(target: Target, taken: Batch): Promise<void> {
    let batch = taken;
    try {
      this.assertOpen();
      const outlet = this.outlet(target);
      const format = await this.pipe.place.formatOf(outlet.options.format);
      batch = fileBatch(outlet.columns, batch, outlet.schema);
      const checked = withoutRejected(batch, format.check(batch, outlet.options));
      batch = checked.batch;
      this.rejected.push(...checked.rejections);
      await this.write(outlet, batch);
    } finally {
      batch.release();
    }
  }

  private async acceptTruncate(target: Target): Promise<void> {
    this.assertOpen();
    const outlet = this.outlet(target);
    if (outlet.columns.changes) await this.write(outlet, truncateRow(outlet.columns, target.stream, outlet.schema));
  }

  private async write(outlet: Outlet, batch: Batch): Promise<void> {
    if (batch.length === 0) return;
    outlet.file ??= await this.newFile(outlet);
    await outlet.file.accept(batch);
    if (outlet.file.bytesWritten >= outlet.options.rollBytes) await this.finishFile(outlet);
  }

  private async acceptRebuild(target: Target, generation: string): Promise<void> {
    const outlet = this.outlet(target);
    if (outlet.generation === generation) return;
    await this.finishFile(outlet);
    outlet.generation = generation;
  }

  private async newFile(outlet: Outlet): Promise<DataFile> {
    const { target, table, schema, options, generation } = outlet;
    const format = await this.pipe.place.formatOf(options.format);
    const name = dataName(this.origin, this.revision + 1, ++this.count);
    return DataFile.create(this.pipe.place, { stream: target.stream, table, name, generation, schema, format, options });
  }

  private async finishFile(outlet: Outlet): Promise<void> {
    const { file } = outlet;
    if (!file) return;
    await file.finish();
    outlet.file = undefined;
    this.finished.push(file);
  }

  async flush(): Promise<readonly Rejection[]> {
    this.assertOpen();
    for (const outlet of this.outlets.values()) await this.finishFile(outlet);
    return this.rejected.splice(0);
  }

  commit(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    return explained(this.pipe, this.work.run, () => this.commitAll(at, rejections));
  }

  private async commitAll(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitReceipt> {
    this.assertOpen();
    this.state = 'committing';
    try {
      const body = await this.prepare(at, rejections);
      const { revision, rows, rejected, bytes } = body;
      await failpoint('file.commit.prepared');
      await this.pipe.log.append(commitIntent(this.work.run, body, this.pipe.nonce())); // this is the commit
      await failpoint('file.commit.recorded');
      await this.show(body);
      await failpoint('file.commit.visible');
      this.revision = revision;
      this.finished = [];
      this.state = 'open';
      return { revision, rows, rejected, bytes, schemaChanges: this.changes.splice(0) };
    } catch (error) {
      this.state = 'over';
      throw error;
    }
  }

  /** All that the record will list is on the platter, and the folders are still those that the state names (rules 22, 26). */
  private async prepare(at: Checkpoint, rejections: readonly Rejection[]): Promise<CommitBody> {
    const { load, split, opened } = this.work;
    const { disk, root } = this.pipe.place;
    const incarnations = await this.compareIncarnations();
    const files: LogFile[] = await Promise.all(this.finished.map((file) => file.makeDurable()));
    await failpoint('file.data.synced');
    for (const table of new Set(files.map((file) => file.table))) await disk.fsyncFolder(join(root, table)); // and so do the names of the data
    const revision = this.revision + 1;
    const quarantine = await writeRejections(this.pipe, { name: dataName(this.origin, revision, 0), load: load.id, rejections });
    const sum = (of: (file: LogFile) => number): number => files.reduce((total, file) => total + of(file), 0);
    return {
      type: 'commit', load: load.id, split: split.id, epoch: opened.epoch, revision, position: at.position, last: at.last === true,
      rows: sum((file) => file.rows), rejected: rejections.length, bytes: sum((file) => file.bytes),
      files, quarantine, incarnations, shadows: this.shadows(), rebuilt: at.rebuilt ?? [],
    };
  }

  private shadows(): Record<string, string> {
    const active = [...this.outlets.values()].flatMap(({ target, generation }) => (generation === undefined ? [] : [[target.stream, generation] as const]));
    return Object.fromEntries(active);
  }

  /** Those that the state does not name yet. */
  private async compareIncarnations(): Promise<Incarnation[]> {
    const fresh: Incarnation[] = [];
    for (const { target: { stream }, table, incarnation } of this.outlets.values()) {
      if ((await incarnationOf(this.pipe, table)) !== incarnation) throw targetLost(table);
      if (streamOf(this.pipe.log.fold, stream).incarnations.get(table) !== incarnation) fresh.push({ stream, table, id: incarnation });
    }
    return fresh;
  }

  /** Names after the record, and only then is anybody told. */
  private async show(body: CommitBody): Promise<void> {
    const { load } = this.work;
    if (!load.staged) await showFiles(this.pipe, body.files.filter((file) => file.generation === undefined));
    if (body.rebuilt.length === 0) return;
    for (const outlet of this.outlets.values()) {
      if (!body.rebuilt.includes(outlet.target.stream)) continue;
      outlet.generation = undefined;
      await settleTable(this.pipe, outlet.table, this.origin); // the shadow gets its names, then the old generation goes
    }
  }

  private assertOpen(): void {
    if (this.state !== 'open') throw sessionOver();
  }

  /** Never commits. Drops what no commit was sent for; after a failure it deletes nothing (rule 2). */
  async [Symbol.asyncDispose](): Promise<void> {
    const files = [...this.finished, ...[...this.outlets.values()].flatMap(({ file }) => (file ? [file] : []))];
    for (const file of files) {
      await file.close().catch(() => undefined);
      if (this.state === 'open') await this.pipe.place.disk.unlink(file.path).catch(() => undefined);
    }
    this.state = 'over';
  }
}

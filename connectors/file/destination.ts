import { join, resolve } from 'node:path';
import type { Schema } from '#batch';
import {
  EtlError, failpoint, type Capabilities, type CheckReport, type ConnectorContext, type Destination, type JobState, type Lease, type Owner, type PipeId,
  type QuarantinedRow, type Run, type RunToken, type SchemaPlan, type StateCommand, type Target,
} from '#sdk';
import { fenced } from '../_shared/commit-log/errors.ts';
import { jobState } from '../_shared/commit-log/fold.ts';
import { adminIntent, claimIntent } from '../_shared/commit-log/intents.ts';
import type { Disk } from '../_shared/commit-log/disk/disk.ts';
import { nodeDisk } from '../_shared/commit-log/disk/node.ts';
import type { Format } from '../_shared/formats/format.ts';
import { fileCapabilities, fileOptionsOf, type FileConfig } from './config.ts';
import { diskError } from './errors.ts';
import { adoptFolders, otherOwner } from './adopt.ts';
import { lookAt, settleTable, tablesOf } from './folder.ts';
import { makesFolder, tableOf } from './layout.ts';
import { leaseOf, readLease, writeLease } from './lease.ts';
import { Pipe, type Place } from './place.ts';
import { readQuarantine } from './quarantine.ts';
import { FileRun } from './run.ts';

/** Opened at the first row: a command that writes none does not pay for a format. */
async function formatOf(name: string): Promise<Format> {
  const formats = await import('../_shared/formats/format.ts');
  return formats.formatOf(name);
}

export function createFileDestination(config: FileConfig, context: Pick<ConnectorContext, 'directory' | 'ports' | 'note'>, disk: Disk = nodeDisk(diskError)): Destination {
  return new FileDestination({
    root: resolve(context.directory, config.path), disk, ports: context.ports, formatOf, note: (level, message) => context.note(level, message),
  });
}

export class FileDestination implements Destination {
  readonly capabilities: Capabilities = fileCapabilities;
  private readonly place: Place;
  private readonly pipes = new Map<PipeId, Pipe>();

  constructor(place: Place) {
    this.place = place;
  }

  private pipe(id: PipeId): Pipe {
    const pipe = this.pipes.get(id) ?? new Pipe(this.place, id);
    this.pipes.set(id, pipe);
    return pipe;
  }

  /** Without `probe` it only looks: a folder that is not there yet is made by the first run. */
  async check({ probe }: { readonly probe: boolean }): Promise<CheckReport> {
    const { disk, root } = this.place;
    try {
      const names = await disk.list(root);
      if (!probe) return [{ what: 'folder', level: 'ok', detail: `${root}: ${names.length} entries` }];
      await this.probe();
      return [{ what: 'folder', level: 'ok', detail: `${root}: writes, hard links and fsync work` }];
    } catch (error) {
      const failure = diskError(error, root);
      return [{ what: 'folder', level: 'error', detail: failure.message, ...(failure.hint === undefined ? {} : { hint: failure.hint }) }];
    }
  }

  /** A marked file, its second name, and both gone again. */
  private async probe(): Promise<void> {
    const { disk, root } = this.place;
    await disk.makeFolder(root);
    const first = join(root, `.etl-probe-${this.place.ports.random.uuidv7()}`);
    try {
      const file = await disk.create(first);
      await file.write(Buffer.from('etl check --probe\n'));
      await file.fsync();
      await file.close();
      await disk.link(first, `${first}.link`);
      await disk.fsyncFolder(root);
    } finally {
      await disk.unlink(`${first}.link`);
      await disk.unlink(first);
    }
  }

  async planSchema(id: PipeId, target: Target, schema: Schema, rebuild: boolean): Promise<SchemaPlan> {
    const options = fileOptionsOf(target.options);
    const format = await formatOf(options.format);
    const columns = schema.fields.map((field) => format.mapColumn(field, options));
    if (!this.capabilities.writeModes.includes(target.write)) return { ddl: [], columns, conflicts: [`write: ${target.write} can't be done with files; append and replace can`] };
    const pipe = this.pipe(id);
    await pipe.log.readOn();
    try {
      const { names } = await lookAt(pipe, { target, replaced: rebuild || target.write === 'replace' });
      return { ddl: names.length > 0 ? [] : [makesFolder(tableOf(target))], columns, conflicts: [] };
    } catch (error) {
      if (error instanceof EtlError && error.kind !== 'transient') return { ddl: [], columns, conflicts: [`${error.message} ${error.hint ?? ''}`] };
      throw error;
    }
  }

  async state(id: PipeId): Promise<JobState> {
    const { log } = this.pipe(id);
    await log.readOn();
    return jobState(log.fold);
  }

  lease(id: PipeId): Promise<Lease | undefined> {
    return readLease(this.pipe(id));
  }

  async claim(id: PipeId, owner: Owner): Promise<Run> {
    const pipe = this.pipe(id);
    await this.place.disk.makeFolder(join(pipe.folder, 'log'));
    const intent = claimIntent(id, owner, pipe.nonce());
    await pipe.log.append(intent);
    await failpoint('file.claim.recorded');
    await writeLease(pipe, leaseOf(owner));
    await pipe.records.sweep();
    for (const table of tablesOf(pipe.log.fold)) await settleTable(pipe, table);
    return new FileRun(pipe, { pipe: id, runEpoch: intent.taken.run, runId: owner.runId }, owner);
  }

  async attach(token: RunToken): Promise<Run> {
    const pipe = this.pipe(token.pipe);
    await pipe.log.readOn();
    if (pipe.log.fold.run !== token.runEpoch) throw fenced('run');
    return new FileRun(pipe, token);
  }

  async quarantine(id: PipeId, query: { readonly stream?: string; readonly limit: number }): Promise<readonly QuarantinedRow[]> {
    const pipe = this.pipe(id);
    await pipe.log.readOn();
    return readQuarantine(pipe, query);
  }

  async owners(id: PipeId, targets: readonly Target[]): Promise<readonly PipeId[]> {
    const owners = new Set<PipeId>();
    for (const target of targets) {
      const owner = await otherOwner(this.pipe(id), target);
      if (owner !== undefined) owners.add(owner);
    }
    return [...owners];
  }

  async administer(id: PipeId, command: StateCommand): Promise<void> {
    const pipe = this.pipe(id);
    await this.place.disk.makeFolder(join(pipe.folder, 'log'));
    await pipe.log.readOn();
    if (command.type === 'adopt') return adoptFolders(pipe, command);
    const positions = Object.fromEntries(Object.entries(command.streams).map(([name, { position }]) => [name, position ?? null]));
    await pipe.log.append(adminIntent({ type: 'import', positions }, pipe.nonce()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pipes.clear();
  }
}

import { join } from 'node:path';
import { CommitLog } from '../_shared/commit-log/log.ts';
import { DiskLog } from '../_shared/commit-log/disk/log.ts';
import type { Disk } from '../_shared/commit-log/disk/disk.ts';
import type { Format } from '../_shared/formats/contract.ts';
import type { PipeId, Ports } from '#sdk';
import { pipeFolder, tagOf } from './layout.ts';

/** What the destination stands on. */
export interface Place {
  readonly root: string;
  readonly disk: Disk;
  readonly ports: Ports;
  /** Loaded when a row is to be written, not before. */
  formatOf(name: string): Promise<Format>;
  note(level: 'debug' | 'info' | 'warn', message: string): void;
}

/** One pipe's log and folders at that place. */
export class Pipe {
  readonly id: PipeId;
  readonly place: Place;
  readonly folder: string;
  readonly records: DiskLog;
  readonly log: CommitLog;

  constructor(place: Place, id: PipeId) {
    this.id = id;
    this.place = place;
    this.folder = pipeFolder(place.root, id);
    this.records = new DiskLog(place.disk, join(this.folder, 'log'), () => this.nonce());
    this.log = new CommitLog(this.records, () => place.ports.clock.now());
  }

  get quarantineFolder(): string {
    return join(this.folder, 'quarantine');
  }

  /** What the names of this log's data files begin with. Known once the log has a record. */
  get tag(): string {
    return tagOf(this.id, this.log.fold.log);
  }

  nonce(): string {
    return Buffer.from(this.place.ports.random.bytes(16)).toString('hex');
  }

  /** A new file, whole and durable but for its name in the folder. */
  async writeWhole(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.place.disk.create(path);
    try {
      await file.write(bytes);
      await file.fsync();
    } finally {
      await file.close();
    }
  }
}

import { join } from 'node:path';
import { failpoint } from '#sdk';
import type { ObjectLog, PutResult } from '../port.ts';
import type { Disk } from './disk.ts';

const nameOf = (number: number): string => `${String(number).padStart(11, '0')}.json`;
const RECORD = /^(\d{11,})\.json$/;

/** The numbered records as files of one folder, durable by the order of rule 26. */
export class DiskLog implements ObjectLog {
  private readonly disk: Disk;
  private readonly folder: string;
  private readonly newName: () => string;
  /** Up to this number the folder is known to be on the platter. */
  private durable = 0;

  /** `newName` gives names that nobody ever used: those of temporary files. */
  constructor(disk: Disk, folder: string, newName: () => string) {
    this.disk = disk;
    this.folder = folder;
    this.newName = newName;
  }

  async hint(): Promise<number> {
    const names = await this.disk.list(this.folder);
    return names.reduce((highest, name) => Math.max(highest, Number(RECORD.exec(name)?.[1] ?? 0)), 0);
  }

  get(number: number): Promise<Uint8Array | undefined> {
    return this.disk.read(join(this.folder, nameOf(number)));
  }

  async putIfAbsent(number: number, bytes: Uint8Array): Promise<PutResult> {
    const temporary = join(this.folder, `.${this.newName()}.tmp`);
    await this.writeDurably(temporary, bytes);
    await failpoint('log.record.synced');
    await this.harden(number - 1); // what it rests on holds before it does
    const linked = await this.disk.link(temporary, join(this.folder, nameOf(number)));
    if (linked !== 'created') {
      await this.disk.unlink(temporary);
      return { outcome: 'exists' };
    }
    await failpoint('log.record.linked');
    try {
      await this.harden(number); // from here on the record holds
    } catch (cause) {
      return { outcome: 'unknown', cause };
    }
    await failpoint('log.record.durable');
    await this.disk.unlink(temporary).catch(() => undefined); // the next claim removes it
    return { outcome: 'created' };
  }

  async harden(number: number): Promise<void> {
    if (this.durable >= number) return;
    await this.disk.fsyncFolder(this.folder);
    this.durable = number;
  }

  /** Removes what writers left that died between writing and linking: whoever of them still lives finds the link gone, and reads on. */
  async sweep(): Promise<void> {
    for (const name of await this.disk.list(this.folder)) if (name.endsWith('.tmp')) await this.disk.unlink(join(this.folder, name));
  }

  private async writeDurably(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.disk.create(path);
    try {
      await file.write(bytes);
      await file.fsync(); // a record is whole before it has its number
    } finally {
      await file.close();
    }
  }
}

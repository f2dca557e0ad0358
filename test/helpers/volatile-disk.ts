import { basename, dirname } from 'node:path';
import type { Disk, DiskFile } from '../../connectors/_shared/commit-log/disk/disk.ts';

/** The process was killed, or the power failed: it makes no call after this. */
export class Dead extends Error {}

interface Inode {
  data: Buffer;
  durable: Buffer;
}
/** One change of a folder; a rename is one, since no file system that journals tears it. */
interface Change {
  readonly text: string;
  readonly removes?: string;
  readonly adds?: readonly [name: string, inode: Inode];
}
interface Folder {
  readonly now: Map<string, Inode>;
  readonly durable: Map<string, Inode>;
  pending: Change[];
}

const apply = (entries: Map<string, Inode>, change: Change): void => {
  if (change.removes !== undefined) entries.delete(change.removes);
  if (change.adds) entries.set(...change.adds);
};

/**
 * A disk with a cache: what is not fsynced may be lost, any subset of it, when the power fails. `process()` gives a process's
 * view of it, which can die at any of its calls.
 */
export class VolatileDisk {
  private readonly folders = new Map<string, Folder>();

  /** The calls of one process; `until` calls succeed, then it is dead. `skip` plants a mistake: these calls do nothing. `last`: its last call. */
  process(until = Infinity, skip: (call: string, path: string) => boolean = () => false): { disk: Disk; last(): string } {
    let calls = 0;
    let last = '';
    const call = <T>(name: string, path: string, work: () => T, otherwise: T): Promise<T> => {
      if (calls >= until) return Promise.reject(new Dead(`dead before ${name} ${path}`));
      calls++;
      last = name;
      return Promise.resolve(skip(name, path) ? otherwise : work());
    };
    const file = (path: string, inode: Inode): DiskFile => ({
      write: (bytes) => call('write', path, () => { inode.data = Buffer.concat([inode.data, bytes]); }, undefined),
      fsync: () => call('fsync', path, () => { inode.durable = inode.data; }, undefined),
      close: () => Promise.resolve(),
    });
    const disk: Disk = {
      read: (path) => call('read', path, () => this.inode(path)?.data, undefined),
      list: (path) => call('list', path, () => [...(this.folders.get(path)?.now.keys() ?? [])], []),
      makeFolder: (path) => call('makeFolder', path, () => void this.folder(path), undefined),
      create: (path) => call('create', path, () => {
        const inode = { data: Buffer.alloc(0), durable: Buffer.alloc(0) };
        this.change(path, { text: `create ${path}`, adds: [basename(path), inode] });
        return file(path, inode);
      }, file(path, { data: Buffer.alloc(0), durable: Buffer.alloc(0) })),
      link: (from, to) => call<'created' | 'exists' | 'gone'>('link', to, () => {
        const inode = this.inode(from);
        if (!inode) return 'gone';
        if (this.inode(to)) return 'exists';
        this.change(to, { text: `link ${to}`, adds: [basename(to), inode] });
        return 'created';
      }, 'created'),
      rename: (from, to) => call('rename', to, () => {
        const inode = this.inode(from);
        if (!inode) return false;
        this.change(to, { text: `rename ${to}`, removes: basename(from), adds: [basename(to), inode] });
        return true;
      }, true),
      unlink: (path) => call('unlink', path, () => {
        if (this.inode(path)) this.change(path, { text: `unlink ${path}`, removes: basename(path) });
      }, undefined),
      fsyncFolder: (path) => call('fsyncFolder', path, () => {
        const folder = this.folder(path);
        for (const change of folder.pending) apply(folder.durable, change);
        folder.pending = [];
      }, undefined),
    };
    return { disk, last: () => last };
  }

  /** What a loss of power may keep or lose, now. */
  unsynced(): readonly string[] {
    return [...this.pendingChanges().map(({ change }) => change.text), ...this.dirtyInodes().map(({ path }) => `content of ${path}`)];
  }

  /** The disk after the power came back; `kept[i]` tells whether the i-th of `unsynced` was on the platter. */
  powerLoss(kept: (index: number) => boolean): VolatileDisk {
    const after = new VolatileDisk();
    const changes = this.pendingChanges();
    const dirty = this.dirtyInodes();
    const copies = new Map<Inode, Inode>();
    const copy = (inode: Inode): Inode => {
      const known = copies.get(inode);
      if (known) return known;
      const index = dirty.findIndex((one) => one.inode === inode);
      const data = index < 0 || kept(changes.length + index) ? inode.data : inode.durable;
      const made = { data, durable: data };
      copies.set(inode, made);
      return made;
    };
    for (const [path, folder] of this.folders) {
      const entries = new Map(folder.durable);
      changes.forEach((one, index) => { if (one.folder === folder && kept(index)) apply(entries, one.change); });
      const copied = new Map([...entries].map(([name, inode]) => [name, copy(inode)]));
      after.folders.set(path, { now: copied, durable: new Map(copied), pending: [] });
    }
    return after;
  }

  private pendingChanges(): { folder: Folder; change: Change }[] {
    return [...this.folders.values()].flatMap((folder) => folder.pending.map((change) => ({ folder, change })));
  }

  private dirtyInodes(): { path: string; inode: Inode }[] {
    const found = new Map<Inode, string>();
    for (const [path, folder] of this.folders) {
      for (const entries of [folder.now, folder.durable]) for (const [name, inode] of entries) if (inode.data !== inode.durable) found.set(inode, `${path}/${name}`);
    }
    return [...found].map(([inode, path]) => ({ inode, path }));
  }

  private folder(path: string): Folder {
    let folder = this.folders.get(path);
    if (!folder) this.folders.set(path, (folder = { now: new Map(), durable: new Map(), pending: [] }));
    return folder;
  }

  private inode(path: string): Inode | undefined {
    return this.folders.get(dirname(path))?.now.get(basename(path));
  }

  private change(path: string, change: Change): void {
    const folder = this.folder(dirname(path));
    apply(folder.now, change);
    folder.pending.push(change);
  }
}

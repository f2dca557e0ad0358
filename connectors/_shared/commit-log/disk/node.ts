import { link, mkdir, open, readFile, readdir, rename, unlink, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Disk, DiskFile } from './disk.ts';

const codeOf = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** The real disk. `fail` turns an errno into the connector's error. */
export function nodeDisk(fail: (error: unknown, path: string) => Error): Disk {
  /** Answers `otherwise` for the codes that are an answer, throws for the rest. */
  async function attempt<T>(path: string, work: () => Promise<T>, answers: Readonly<Record<string, T>> = {}): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const code = codeOf(error);
      if (code !== undefined && code in answers) return answers[code] as T;
      throw fail(error, path);
    }
  }

  async function fsyncFolder(folder: string): Promise<void> {
    await attempt(folder, async () => {
      const handle = await open(folder, 'r');
      try { await handle.sync(); } finally { await handle.close(); }
    });
  }

  return {
    read: (path) => attempt<Uint8Array | undefined>(path, () => readFile(path), { ENOENT: undefined }),
    list: (folder) => attempt<readonly string[]>(folder, () => readdir(folder), { ENOENT: [] }),
    async makeFolder(folder) {
      const first = await attempt(folder, () => makeFolders(folder));
      if (first === undefined) return;
      const parents = [];
      for (let child = folder; child !== dirname(child); child = dirname(child)) {
        parents.push(dirname(child));
        if (child === first) break;
      }
      await Promise.all(parents.map(fsyncFolder));
    },
    create: (path) => attempt(path, async () => file(await open(path, 'w'), path, attempt)),
    link: (from, to) => attempt<'created' | 'exists' | 'gone'>(to, async () => {
      await link(from, to);
      return 'created';
    }, { EEXIST: 'exists', ENOENT: 'gone' }),
    rename: (from, to) => attempt(to, async () => {
      await rename(from, to);
      return true;
    }, { ENOENT: false }),
    unlink: (path) => attempt(path, () => unlink(path), { ENOENT: undefined }),
    fsyncFolder,
  };
}

type Attempt = <T>(path: string, work: () => Promise<T>) => Promise<T>;

function file(handle: FileHandle, path: string, attempt: Attempt): DiskFile {
  return {
    write: (bytes) => attempt(path, async () => {
      for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at, bytes.length - at)).bytesWritten;
    }),
    fsync: () => attempt(path, () => handle.datasync()),
    close: () => attempt(path, () => handle.close()),
  };
}

/**
 * The first folder that had to be made, or undefined when all were there. Not mkdir's own `recursive`: on a disk that is read-only
 * it answers ENOENT, and in some file systems it never ends.
 */
async function makeFolders(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder);
    return folder;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST') return undefined;
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error;
  }
  const first = await makeFolders(dirname(folder));
  return first === undefined ? mkdir(folder).then(() => folder, ignoreExisting) : mkdir(folder).then(() => first, ignoreExisting);
}

function ignoreExisting(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined;
  throw error;
}

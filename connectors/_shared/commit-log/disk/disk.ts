/**
 * The few calls on a disk whose order decides what a loss of power leaves. Tests put a disk with a volatile cache behind them.
 * Absent files are answers, not errors; whatever else fails throws.
 */
export interface Disk {
  read(path: string): Promise<Uint8Array | undefined>;
  /** Names in a folder; none when it is absent. */
  list(folder: string): Promise<readonly string[]>;
  /** With its parents; durable when it returns. */
  makeFolder(folder: string): Promise<void>;
  /** A new, empty file; one that was there is emptied. Durable only by `fsync` and `fsyncFolder`. */
  create(path: string): Promise<DiskFile>;
  /** A second name, only if it is free. `gone`: there is no such file. */
  link(from: string, to: string): Promise<'created' | 'exists' | 'gone'>;
  /** False: there is no such file. */
  rename(from: string, to: string): Promise<boolean>;
  /** Nothing when it is absent. */
  unlink(path: string): Promise<void>;
  /** The names in it are durable when it returns. */
  fsyncFolder(folder: string): Promise<void>;
}

export interface DiskFile {
  write(bytes: Uint8Array): Promise<void>;
  /** Its content is durable when it returns. */
  fsync(): Promise<void>;
  close(): Promise<void>;
}

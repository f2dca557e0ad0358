import { join } from 'node:path';
import type { Lease, Owner } from '#sdk';
import type { Pipe } from './place.ts';

const pathOf = (pipe: Pipe): string => join(pipe.folder, 'lease.json');

export async function readLease(pipe: Pipe): Promise<Lease | undefined> {
  const bytes = await pipe.place.disk.read(pathOf(pipe));
  if (!bytes) return undefined;
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8')) as Lease;
  } catch {
    return undefined; // manners only: a torn lease is none, the epoch is the safety (rule 8)
  }
}

/** One mutable file, replaced in one step; never a record, and worth no fsync (rule 8). What a dead process left of it lies where the next claim sweeps. */
export async function writeLease(pipe: Pipe, lease: Lease): Promise<void> {
  const temporary = join(pipe.folder, 'log', `.lease.${pipe.nonce()}.tmp`);
  const file = await pipe.place.disk.create(temporary);
  try {
    await file.write(Buffer.from(JSON.stringify(lease)));
  } finally {
    await file.close();
  }
  await pipe.place.disk.rename(temporary, pathOf(pipe));
}

export function leaseOf(owner: Owner): Lease {
  return { runId: owner.runId, host: owner.host, pid: owner.pid, beat: 1, released: false };
}

import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { World } from '../helpers/world.ts';
import { incremental, job, ran, type BrokenCase } from './cases.ts';

function mount(folder: string, options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
}

/** May this user make a small disk? */
export function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'etl-mount-'));
  try {
    mount(folder, 'size=64k');
    execFileSync('umount', [folder]);
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(folder);
  }
}

function smallDisk(world: World, folder: string, options: string): void {
  mkdirSync(world.path(folder));
  mount(world.path(folder), options);
  world.undo.push(() => void execFileSync('umount', [world.path(folder)]));
}

const twelveMegabytes = `insert into orders select i, (select string_agg(md5(i::text || j::text), '') from generate_series(1, 20) j) from generate_series(100, 20000) i`;

/** To its last page. */
function fillUp(file: string): void {
  try {
    for (;;) appendFileSync(file, Buffer.alloc(4096));
  } catch {
    // that was it
  }
}

export const onSmallDisks: readonly BrokenCase[] = [
  { name: 'disk full', past: false, job: job('out', '{}', 'commit: { bytes: 1MiB }'), before: async (world) => { smallDisk(world, 'out', 'size=2m'); await ran(world); await world.sql(twelveMegabytes); }, exit: 3, code: 'ETL-FILE-001', at: 'public.orders', says: 'No space is left', next: 'Free some space and run again' },
  { name: 'disk full under DuckDB', past: false, job: job('lake').replace('path: lake.duckdb', 'path: small/lake.duckdb'), before: async (world) => { smallDisk(world, 'small', 'size=4m'); await ran(world); await world.sql(twelveMegabytes); }, exit: 3, code: 'ETL-DUCK-019', at: 'public.orders', says: 'No space left on device', next: 'Free some space and run again' },
  { name: 'disk full from the beginning, under DuckDB', past: false, job: job('lake', incremental).replace('path: lake.duckdb', 'path: small/lake.duckdb'), before: async (world) => { smallDisk(world, 'small', 'size=4m'); await ran(world); await world.sql(twelveMegabytes); fillUp(world.path('small/filler')); }, after: (world) => { rmSync(world.path('small/filler')); }, exit: 3, code: 'ETL-DUCK-019', at: 'lake: {', says: 'No space left on device', next: 'Free some space and run again' },
  { name: 'folder that can not be written', past: false, job: job('out'), before: (world) => { smallDisk(world, 'out', 'size=2m,ro'); }, exit: 3, code: 'ETL-FILE-002', at: 'out: {', says: 'The file system is read-only', next: 'Check the owner and the mode of the folder.' },
];

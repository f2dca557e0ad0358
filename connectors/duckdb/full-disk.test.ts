import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canMount } from '../../test/bad-input/disks.cases.ts';
import { DuckdbFile } from './connection.ts';

describe.skipIf(!canMount())('a full disk (needs the right to mount)', () => {
  it('is what every later statement says too, not only that the database was invalidated', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'etl-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=20m', 'tmpfs', folder], { stdio: 'ignore' });
    try {
      await using file = new DuckdbFile({ path: join(folder, 'x.duckdb'), settings: {} });
      const [writer, reader] = [await file.connect(), await file.connect()];
      await writer.query('create table filler (v varchar)');
      const fill = async () => { for (;;) await writer.query("insert into filler select md5(random()::varchar) || md5(random()::varchar) from range(20000)"); };
      const full = { code: 'ETL-DUCK-019', kind: 'not_found', hint: expect.stringContaining('Free some space') as string };
      await expect(fill()).rejects.toMatchObject(full);
      await expect(reader.query('select 1 from filler limit 1')).rejects.toMatchObject({ ...full, message: expect.stringMatching(/invalidated: Failed to create checkpoint .* No space left on device$/) as string });
    } finally {
      execFileSync('umount', [folder]);
      rmdirSync(folder);
    }
  });
});

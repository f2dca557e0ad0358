import { accessSync, constants, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { CheckItem, CheckReport, ConnectorContext, Destination } from '#sdk';
import { SqlDestination } from '../_shared/sql/destination.ts';
import { duckdbCapabilities, type DuckdbConfig } from './config.ts';
import { DuckdbFile, type FileOptions } from './connection.ts';

export async function createDestination(config: DuckdbConfig, context: ConnectorContext): Promise<Destination> {
  const path = resolve(context.directory, config.path);
  const settings = {
    memory_limit: config.memory_limit,
    write_buffer_row_group_count: '1', // a row group is written when it is full: five of them are a hundred megabytes
    ...(config.threads !== undefined && { threads: String(config.threads) }),
    ...(config.temp_directory !== undefined && { temp_directory: resolve(context.directory, config.temp_directory) }),
  };
  const database = new DuckdbFile({ path, settings });
  return new SqlDestination({
    database, capabilities: duckdbCapabilities(), ports: context.ports,
    note: (level, message) => context.note(level, message),
    check: (probe) => (database.isMissing() ? checkMissing({ path, settings }, probe) : checkFile(database, path, probe)),
  });
}

/** A file that is not there stays so. A probe makes one of another name beside it: a run may begin meanwhile. */
async function checkMissing({ path, settings }: FileOptions, probe: boolean): Promise<CheckReport> {
  const report: CheckItem[] = [{ what: 'file', level: 'ok', detail: `${path} is not there yet: the first run makes it` }];
  if (!probe) return [...report, folder(path)];
  const beside = `${path}.etl-probe-${process.pid}`;
  const database = new DuckdbFile({ path: beside, settings });
  try {
    return [...report, ...await checkFile(database, path, probe)];
  } finally {
    await database[Symbol.asyncDispose]();
    for (const file of [beside, `${beside}.wal`]) rmSync(file, { force: true });
  }
}

async function checkFile(database: DuckdbFile, path: string, probe: boolean): Promise<CheckReport> {
  const session = await database.connect();
  try {
    const [row] = await session.query("select version() as version, current_setting('memory_limit') as memory, current_setting('threads') as threads");
    const report: CheckItem[] = [{ what: 'DuckDB', level: 'ok', detail: `${String(row?.['version'])}, ${String(row?.['threads'])} threads, memory limit ${String(row?.['memory'])}` }, folder(path)];
    if (probe) report.push(await probeWrite(session));
    return report;
  } finally {
    await session.close();
  }
}

function folder(path: string): CheckItem {
  try {
    accessSync(dirname(path), constants.W_OK);
    return { what: 'folder', level: 'ok', detail: `${dirname(path)} can be written` };
  } catch {
    return { what: 'folder', level: 'error', detail: `${dirname(path)} can't be written`, hint: 'DuckDB keeps its log beside the file.' };
  }
}

async function probeWrite(session: Awaited<ReturnType<DuckdbFile['connect']>>): Promise<CheckItem> {
  await session.begin();
  try {
    await session.query('create table _etl_probe (value integer)');
    await session.query('insert into _etl_probe values (1)');
  } finally {
    await session.rollback();
  }
  return { what: 'write', level: 'ok', detail: 'a table was made, written and rolled back' };
}

import { basename } from 'node:path';
import { batchOf, rows, type Schema } from '#batch';
import type { Checkpoint, Load, Owner, Run, Session, Split, Target, WriteMode } from '#sdk';
import { testPorts } from '../../src/sdk/testing/ports.ts';
import { FileDestination } from '../../connectors/file/destination.ts';
import type { Format } from '../../connectors/_shared/formats/contract.ts';
import type { Disk } from '../../connectors/_shared/commit-log/disk/disk.ts';

export const PIPE = 'shop/pg->lake';
export const schema: Schema = { fields: [{ name: 'id', type: { kind: 'int32' }, nullable: false }], key: ['id'] };

/** One line a row, so that tests of the protocol need no format. The id 13 can't be held. */
export const lines: Format = {
  name: 'jsonl',
  extension: 'jsonl',
  mapColumn: (field) => ({ column: field.name, from: field.type, to: 'text', outcome: 'exact' }),
  check: (batch) => [...rows(batch)].flatMap(({ values }, row) => (values['id'] === 13 ? [{ row, column: 'id', code: 'ETL-TEST-001', reason: 'unlucky' }] : [])),
  open(_schema, _options, sink) {
    let count = 0;
    let bytes = 0;
    return {
      get rows() { return count; },
      get bytesWritten() { return bytes; },
      async accept(batch) {
        const text = Buffer.from([...rows(batch)].map(({ values }) => `${JSON.stringify(values)}\n`).join(''));
        count += batch.length;
        bytes += text.length;
        batch.release();
        await sink.write(text);
      },
      finish: () => Promise.resolve({ rows: count, bytes }),
      abort: () => undefined,
    };
  },
};

export function destinationOn(disk: Disk, root: string, seed = 1): FileDestination {
  return new FileDestination({ root, disk, ports: testPorts(seed), formatOf: () => Promise.resolve(lines), note: () => undefined });
}

export const owner = (runId: string, sourceIdentity = 'pg:1'): Owner => ({ job: 'shop', runId, sourceIdentity, host: 'here', pid: 1 });

export function target(write: WriteMode = 'append', table = 'orders', stream = 'public.orders', more: Partial<Target> = {}): Target {
  return {
    stream, table, write, key: ['id'], deletes: 'hard', unavailable: 'error', addedColumns: [], shared: false,
    evolve: { tables: true, columns: true, types: true }, options: { format: 'jsonl' }, ...more,
  };
}

export const split = (id = 's1', streams = ['public.orders'], live = false): Split => ({ id, streams, detail: null, live });

export function load(id: string, more: Partial<Load> = {}): Load {
  const targets = more.targets ?? [target()];
  const streams = [...new Set(targets.map((one) => one.stream))];
  return {
    id, kind: 'parts', streams, splits: [split('s1', streams)], staged: false, rebuild: false,
    positions: Object.fromEntries(streams.map((stream) => [stream, { done: id }])), startedAt: '2026-01-01T00:00:00.000000Z',
    fingerprint: 'f', targets, detail: null, ...more,
  };
}

export const at = (place: number, more: Partial<Checkpoint> = {}): Checkpoint => ({ type: 'checkpoint', position: { at: place }, ...more });

export const open = (run: Run, one: Load, part = one.splits[0] ?? split()): Promise<Session> => run.open(one, part, new AbortController().signal);

export async function send(session: Session, to: Target, ids: readonly number[]): Promise<void> {
  await session.accept({ type: 'schema', target: to, schema });
  await session.accept({ type: 'batch', target: to, batch: batchOf(to.stream, schema, ids.map((id) => ({ values: { id } }))) });
}

/** Rows, rejects and position of one commit. */
export async function commit(session: Session, to: Target, ids: readonly number[], place: Checkpoint) {
  await send(session, to, ids);
  return session.commit(place, await session.flush());
}

/** What a reader of the folder's visible files sees. */
export async function visibleIds(disk: Disk, folder: string): Promise<number[]> {
  const ids: number[] = [];
  for (const name of (await disk.list(folder)).toSorted()) {
    if (name.startsWith('.') || !name.endsWith('.jsonl')) continue;
    const text = Buffer.from((await disk.read(`${folder}/${basename(name)}`)) ?? []).toString('utf8');
    for (const line of text.split('\n')) if (line !== '') ids.push(Number((JSON.parse(line) as { id: number }).id));
  }
  return ids;
}

export const hiddenNames = async (disk: Disk, folder: string): Promise<string[]> => (await disk.list(folder)).filter((name) => name.endsWith('.pending'));

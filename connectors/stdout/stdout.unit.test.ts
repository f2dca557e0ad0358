import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { batchOf, memoryInUse } from '#batch';
import { at, load, owner, schema, split, target } from '../../test/helpers/file-world.ts';
import { StdoutDestination } from './destination.ts';

function collector(): { readonly out: Writable; readonly text: () => string } {
  const chunks: Buffer[] = [];
  const out = new Writable({ write(chunk: Buffer, _encoding, done) { chunks.push(Buffer.from(chunk)); done(); } });
  return { out, text: () => Buffer.concat(chunks).toString('utf8') };
}

describe('stdout', () => {
  it('rule 29: writes each row as a line, and counts it at the commit', async () => {
    const before = memoryInUse();
    const { out, text } = collector();
    const run = await new StdoutDestination(out, () => 0).claim('p', owner('r1'));
    const session = await run.open(load('L1'), split(), new AbortController().signal);
    await session.accept({ type: 'schema', target: target(), schema });
    await session.accept({ type: 'batch', target: target(), batch: batchOf('public.orders', schema, [{ values: { id: 1 } }, { values: { id: 2 } }]) });
    expect(await session.flush()).toEqual([]);
    expect(text()).toBe('{"id":1}\n{"id":2}\n');
    expect(await session.commit(at(2), [])).toMatchObject({ revision: 1, rows: 2, bytes: 18 });
    await session[Symbol.asyncDispose]();
    expect(memoryInUse()).toBe(before);
  });

  it('a log of changes says what each row did; a truncate is a row of its own', async () => {
    const { out, text } = collector();
    const run = await new StdoutDestination(out, () => 0).claim('p', owner('r1'));
    const session = await run.open(load('L1', { kind: 'live' }), split(), new AbortController().signal);
    await session.accept({ type: 'schema', target: target(), schema });
    await session.accept({ type: 'batch', target: target(), batch: batchOf('public.orders', schema, [{ op: 'delete', values: { id: 1 } }]) });
    await session.accept({ type: 'truncate', target: target() });
    await session[Symbol.asyncDispose]();
    const lines = text().trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toMatchObject([{ id: 1, _etl_op: 'delete' }, { id: null, _etl_op: 'truncate' }]);
  });

  it('a reader that goes away is an error of its own, and ends nothing by itself', async () => {
    const out = new Writable({ write(_chunk, _encoding, done) { done(Object.assign(new Error('broken'), { code: 'EPIPE' })); } });
    const run = await new StdoutDestination(out, () => 0).claim('p', owner('r1'));
    const session = await run.open(load('L1'), split(), new AbortController().signal);
    await session.accept({ type: 'schema', target: target(), schema });
    const batch = batchOf('public.orders', schema, [{ values: { id: 1 } }]);
    await expect(session.accept({ type: 'batch', target: target(), batch })).rejects.toMatchObject({ code: 'ETL-STDOUT-001' });
  });
});

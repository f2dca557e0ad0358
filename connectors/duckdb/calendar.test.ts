import { batchOf, type Schema } from '#batch';
import { targetFor } from '#testing';
import { expect, test } from 'vitest';
import { scratch } from './helper.ts';

test.each([['straight into the table', 'replace', true], ['through a stage', 'merge', false]] as const)('rule 31: an instant out of DuckDB\'s range is rejected by name, %s, and the rows beside it arrive', async (_, write, staged) => {
  const file = scratch();
  try {
    await using destination = await file.destination();
    await using run = await destination.claim('p', { job: 'p', runId: 'r', sourceIdentity: 's', host: 'h', pid: 1 });
    const schema: Schema = { key: ['n'], fields: [{ name: 'n', type: { kind: 'int32' }, nullable: false }, { name: 'at', type: { kind: 'timestamp' }, nullable: true }] };
    const target = targetFor('far', ['n'], { write });
    const split = { id: '0', streams: ['far'], detail: null, live: false };
    const load = await run.begin({ id: 'l', kind: 'parts', streams: ['far'], splits: [split], staged, rebuild: false, positions: {}, startedAt: '2026-01-01T00:00:00.000000Z', fingerprint: 'f', targets: [target], detail: null }, { far: undefined });
    await using session = await run.open(load, split, new AbortController().signal);
    await session.accept({ type: 'schema', target, schema });
    await session.accept({ type: 'batch', target, batch: batchOf('far', schema, ['2026-01-01T00:00:00.000000', '-290308-12-21T20:00:00.000000', '-infinity', null].map((at, n) => ({ values: { n, at } }))) });
    const rejections = await session.flush();
    expect(rejections.map(({ code, column, key }) => [code, column, key])).toEqual([['ETL-SQL-001', 'at', { n: '1' }]]);
    const receipt = await session.commit({ type: 'checkpoint', position: {}, last: true }, rejections);
    expect([receipt.rows, receipt.rejected]).toEqual([3, 1]);
    await run.publish(load, ['far']);
    await session[Symbol.asyncDispose]();
    await run[Symbol.asyncDispose]();
    await destination[Symbol.asyncDispose]();
    expect((await file.query('select n, "at"::varchar as text from far order by n')).map((row) => [row['n'], row['text']])).toEqual([[0, '2026-01-01 00:00:00'], [2, '-infinity'], [3, null]]);
  } finally {
    file.remove();
  }
});

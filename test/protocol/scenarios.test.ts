import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JobState } from '#sdk';
import { selectionFor } from '#testing';
import { sourceConfig } from '../../connectors/postgres/config.ts';
import { PostgresSource } from '../../connectors/postgres/source.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { contextFor } from './places.ts';

/** Directed scenarios of the models that the seeded rounds do not reach, against the real connectors. */

let server: PostgresServer;
beforeAll(async () => { server = await startPostgres(); });
afterAll(async () => { await server.stop(); });

const EMPTY: JobState = { runEpoch: 1, streams: {}, loads: [] };
const source = (seed: number): PostgresSource => new PostgresSource(sourceConfig.parse({ url: server.url }), contextFor('/', seed));

test('rule 12: ctid ranges are lost with the process that held their snapshot', async () => {
  await server.query('create table moved (id int primary key, v text)');
  await server.query("insert into moved select i, 'x' from generate_series(1, 1000) i");
  const first = source(1);
  await first.discover();
  const [planned] = await first.plan([selectionFor('public.moved', ['id'], { sync: 'full', write: 'replace', immutableKey: false })], EMPTY, { maxSplits: 2, nextLoadId: () => 'l1' });
  if (!planned) throw new RangeError('nothing was planned');
  const { load, reading } = await first.begin(planned, { pipe: 'p', runEpoch: 1, runId: 'r1' });
  expect(await first.resume(load, { pipe: 'p', runEpoch: 1, runId: 'r1' }), 'the process that holds it goes on').toEqual(reading);
  await first[Symbol.asyncDispose]();
  const second = source(2);
  expect(await second.resume(load, { pipe: 'p', runEpoch: 2, runId: 'r2' })).toBe('lost');
  await second[Symbol.asyncDispose]();
});

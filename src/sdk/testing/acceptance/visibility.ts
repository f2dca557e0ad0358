import type { Rejection } from '../../contract.ts';
import type { RuleTest } from './api.ts';
import { row, SCHEMA, text } from './bench.ts';

/** What readers see, and when; positions, counts, rejects (rules 1 to 3, 8, 9, 11, 13, 16, 30 to 32). */
export const visibility: readonly RuleTest[] = [
  {
    name: 'rule 2: dispose never commits, nor does flush',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1, 'dropped')]);
      await first.flush();
      await first[Symbol.asyncDispose]();
      await bench.holds([]);
      const second = await bench.open(run, load);
      bench.expect(second.committed).toBeUndefined();
      await bench.commit(second, 1, { last: true });
      await second[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      await bench.holds([]);
    },
  },
  {
    name: 'rule 3: commit moves rows and the split together; the stream moves in publish only',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1, 'a')]);
      const receipt = await bench.commit(first, 7);
      bench.expect(receipt.rows).toBe(1);
      await bench.put(first, load, [row(2, 'never committed')]);
      await first[Symbol.asyncDispose]();
      await bench.holds([text(1, 'a')]);
      const second = await bench.open(run, load);
      bench.expect(second.committed).toEqual({ position: { v: 1, at: 7 }, complete: false });
      bench.expect(await bench.position()).toBeUndefined();
      await bench.commit(second, 8, { last: true });
      await second[Symbol.asyncDispose]();
      const third = await bench.open(run, load);
      bench.expect(third.committed).toEqual({ position: { v: 1, at: 8 }, complete: true });
      await third[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      bench.expect(await bench.position()).toEqual(load.positions[bench.stream()]);
    },
  },
  {
    name: 'rule 13: publish is not legal before the last part, and idempotent after',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { splits: 2 });
      await bench.fill(run, load, [row(1, 'a')], 0);
      const early: unknown = await run.publish(load, load.streams).then(() => 'published', (error: unknown) => error);
      bench.expect(early).toBeInstanceOf(Error);
      bench.expect(await bench.position()).toBeUndefined();
      await bench.fill(run, load, [row(2, 'b')], 1);
      bench.expect(await run.publish(load, load.streams)).toBe('published');
      bench.expect(await run.publish(load, load.streams)).toBe('already');
      const next = await bench.claim();
      bench.expect(await next.publish(load, load.streams)).toBe('already');
      await bench.holds([text(1, 'a'), text(2, 'b')]);
      bench.expect(next.state.loads).toEqual([]);
    },
  },
  {
    name: 'rule 13: streams of one load are published one by one',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { streams: 2 });
      await bench.fill(run, load, [row(1, 'a')], 0);
      await run.publish(load, [bench.stream(0)]);
      bench.expect(await bench.position(0)).toBeDefined();
      bench.expect(await bench.position(1)).toBeUndefined();
      bench.expect(run.state.loads[0]?.openStreams).toEqual([bench.stream(1)]);
    },
  },
  {
    name: 'rule 11: replace shows the old table whole until publish, and only the new one after',
    needs: ['replace'],
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, { write: 'replace' }, [row(1, 'old'), row(2, 'old')]);
      await bench.holds([text(1, 'old'), text(2, 'old')]);
      const load = await bench.begin(run, { write: 'replace', splits: 2 });
      await bench.fill(run, load, [row(2, 'new')], 0);
      await bench.holds([text(1, 'old'), text(2, 'old')]);
      await bench.fill(run, load, [row(3, 'new')], 1);
      await bench.holds([text(1, 'old'), text(2, 'old')]);
      await run.publish(load, load.streams);
      await bench.holds([text(2, 'new'), text(3, 'new')]);
    },
  },
  {
    name: 'rule 11: an abandoned staged load leaves nothing behind, the next one is whole',
    needs: ['replace'],
    async run(bench) {
      const run = await bench.claim();
      const abandoned = await bench.begin(run, { write: 'replace' });
      const session = await bench.open(run, abandoned);
      await bench.put(session, abandoned, [row(1, 'abandoned')]);
      await bench.commit(session, 1);
      const next = await bench.claim();
      await bench.deliver(next, { write: 'replace' }, [row(2, 'next')]);
      await session[Symbol.asyncDispose]();
      await bench.holds([text(2, 'next')]);
    },
  },
  {
    name: 'rule 11: an empty replace empties the table',
    needs: ['replace'],
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, { write: 'replace' }, [row(1, 'old')]);
      await bench.deliver(run, { write: 'replace' }, []);
      await bench.holds([]);
    },
  },
  {
    name: 'rule 11: a full append shows with publish, beside the rows that were there',
    needs: ['append'],
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, { write: 'append', staged: true }, [row(1, 'first')]);
      const load = await bench.begin(run, { write: 'append', staged: true });
      await bench.fill(run, load, [row(1, 'second')]);
      await bench.holds([text(1, 'first')]);
      await run.publish(load, load.streams);
      await bench.holds([text(1, 'first'), text(1, 'second')]);
    },
  },
  {
    name: 'rule 8: after reset the next load replaces the rows, whatever the write mode',
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, {}, [row(1, 'old'), row(2, 'old')]);
      await run.reset([bench.stream()]);
      bench.expect(await bench.position()).toBeUndefined();
      bench.expect(run.state.streams[bench.stream()]?.rebuild, 'the next load is to replace the rows').toBe(true);
      const load = await bench.begin(run, { staged: true, rebuild: true });
      await bench.fill(run, load, [row(2, 'new')]);
      await run.publish(load, load.streams);
      await bench.holds([text(2, 'new')]);
      bench.expect(run.state.streams[bench.stream()]?.rebuild).toBe(false);
      await bench.deliver(run, {}, [row(3, 'after')]);
      await bench.holds([text(2, 'new'), text(3, 'after')]);
    },
  },
  {
    name: 'rule 8: reset to a position keeps the rows',
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, {}, [row(1, 'a')]);
      await run.reset([bench.stream()], { [bench.stream()]: { v: 1, back: 'here' } });
      bench.expect(await bench.position()).toEqual({ v: 1, back: 'here' });
      bench.expect(run.state.streams[bench.stream()]?.rebuild).toBe(false);
      await bench.holds([text(1, 'a')]);
    },
  },
  {
    name: 'rule 13: a live load is published at any commit, takes its position, and ends',
    needs: ['changes'],
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { kind: 'live' });
      const session = await bench.open(run, load);
      await bench.put(session, load, [row(1, 'a', null, { op: 'insert' })]);
      await bench.commit(session, 11);
      await run.publish(load, load.streams);
      bench.expect(await bench.position()).toEqual({ v: 1, at: 11 });
      const more = async () => {
        await bench.put(session, load, [row(2, 'b', null, { op: 'insert' })]);
        await bench.commit(session, 12);
      };
      await bench.refused(more(), 'fenced', 'load');
      await session[Symbol.asyncDispose]();
      await bench.refused(bench.open(run, load), 'fenced', 'load');
      await bench.holds([text(1, 'a')]);
      bench.expect(run.state.loads).toEqual([]);
    },
  },
  {
    name: 'rules 3 and 13: a live load is published where its split stands by what is committed, not by what a session tried',
    needs: ['changes'],
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { kind: 'live' });
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1, 'a', null, { op: 'insert' })]);
      await bench.commit(first, 11);
      const second = await bench.open(run, load);
      const tried = async () => {
        await bench.put(first, load, [row(2, 'b', null, { op: 'insert' })]);
        await bench.commit(first, 12);
      };
      await bench.refused(tried(), 'fenced');
      await run.publish(load, load.streams);
      bench.expect(await bench.position()).toEqual({ v: 1, at: 11 });
      await bench.holds([text(1, 'a')]);
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  },
  {
    name: 'rule 16: one commit covers all streams of a split',
    needs: ['changes'],
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { kind: 'live', streams: 2 });
      const session = await bench.open(run, load);
      await bench.put(session, load, [row(1, 'a', null, { op: 'insert' })], { stream: 0 });
      await bench.put(session, load, [row(2, 'b', null, { op: 'insert' })], { stream: 1 });
      await session.flush();
      await bench.holds([], { stream: 0 });
      await bench.holds([], { stream: 1 });
      await bench.commit(session, 1, { last: true });
      await bench.holds([text(1, 'a')], { stream: 0 });
      await bench.holds([text(2, 'b')], { stream: 1 });
      await session[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      bench.expect([await bench.position(0), await bench.position(1)]).toEqual([{ v: 1, at: 1 }, { v: 1, at: 1 }]);
    },
  },
  {
    name: 'two splits of a load are written at once',
    needs: ['two sessions'],
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run, { splits: 2 });
      const one = await bench.open(run, load, 0);
      const two = await bench.open(run, load, 1);
      await Promise.all([bench.put(one, load, [row(1, 'a')]), bench.put(two, load, [row(2, 'b')])]);
      await Promise.all([bench.commit(one, 1), bench.commit(two, 2)]);
      await Promise.all([bench.put(two, load, [row(4, 'd')]), bench.put(one, load, [row(3, 'c')])]);
      await Promise.all([bench.commit(one, 3, { last: true }), bench.commit(two, 4, { last: true })]);
      await one[Symbol.asyncDispose]();
      await two[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      await bench.holds([text(1, 'a'), text(2, 'b'), text(3, 'c'), text(4, 'd')]);
    },
  },
  {
    name: 'rule 30: a schema only widens, before the rows that need it, and may be said again',
    async run(bench) {
      const run = await bench.claim();
      const destination = await bench.destination();
      const wider = { ...SCHEMA, fields: [...SCHEMA.fields, { name: 'extra', type: { kind: 'text' as const }, nullable: true }] };
      const load = await bench.begin(run);
      bench.expect((await destination.planSchema(bench.pipe, bench.target(), SCHEMA, false)).conflicts).toEqual([]);
      const session = await bench.open(run, load);
      await bench.put(session, load, [row(1, 'a')]);
      await bench.commit(session, 1);
      bench.expect((await destination.planSchema(bench.pipe, bench.target(), SCHEMA, false)).ddl, 'nothing left to do').toEqual([]);
      await bench.put(session, load, [row(2, 'b', null, { values: { extra: 'x' } })], { schema: wider });
      await bench.put(session, load, [row(3, 'c')]);
      await bench.commit(session, 2, { last: true });
      await session[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      await bench.holds([{ ...text(1, 'a'), extra: null }, { ...text(2, 'b'), extra: 'x' }, { ...text(3, 'c'), extra: null }], { columns: ['id', 'v', 't', 'extra'] });
    },
  },
  {
    name: 'rule 31: rejects lie at the destination in the same commit, once under their id',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const destination = await bench.destination();
      const rejection: Rejection = { id: 'abc', stream: bench.stream(), code: 'ETL-TST-010', reason: 'too long', column: 'v', row: { id: '9', v: 'x' } };
      const many = Array.from({ length: 1200 }, (_, index): Rejection => ({ ...rejection, id: `many ${index}`, key: { id: String(index) } }));
      const list = () => destination.quarantine(bench.pipe, { stream: bench.stream(), limit: 2000 });
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1, 'a')]);
      await first[Symbol.asyncDispose]();
      bench.expect(await list()).toEqual([]);
      const second = await bench.open(run, load);
      await bench.commit(second, 1, { rejections: [rejection] });
      await bench.commit(second, 2, { rejections: [rejection, ...many, rejection], last: true });
      await second[Symbol.asyncDispose]();
      const rows = await list();
      bench.expect(rows.map(({ id }) => id).toSorted()).toEqual(['abc', ...many.map(({ id }) => id)].toSorted());
      bench.expect(rows.find(({ id }) => id === 'many 7')).toMatchObject({ key: { id: '7' } });
      bench.expect(rows.find(({ id }) => id === 'abc')).toMatchObject({ id: 'abc', code: 'ETL-TST-010', reason: 'too long', row: { id: '9', v: 'x' }, load: load.id });
    },
  },
  {
    name: 'rule 32: counts are cumulative in the split, and receipts add up to them',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1), row(2)]);
      const one = await bench.commit(first, 1);
      await first[Symbol.asyncDispose]();
      const next = await bench.claim();
      const second = await bench.open(next, load);
      await bench.put(second, load, [row(3)]);
      const two = await bench.commit(second, 2);
      await second[Symbol.asyncDispose]();
      bench.expect([one.rows, two.rows]).toEqual([2, 1]);
      const state = await (await bench.destination()).state(bench.pipe);
      bench.expect(Object.values(state.loads[0]?.splits ?? {}).map((split) => split.rows)).toEqual([3]);
    },
  },
];

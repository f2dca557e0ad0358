import { UNAVAILABLE_VALUE, type ChangeRow } from '#batch';
import type { Target } from '../../contract.ts';
import type { TableRow } from '../compare.ts';
import type { RuleTest } from './api.ts';
import { row, text, type Bench } from './bench.ts';

/** A change of one commit, as a person writes it. */
type Step = ChangeRow | 'truncate';
interface FoldCase {
  readonly name: string;
  readonly steps: readonly Step[];
  readonly becomes: readonly TableRow[];
}

const SAME: typeof UNAVAILABLE_VALUE = UNAVAILABLE_VALUE;
const insert = (id: number, v: string, t: string): Step => row(id, v, t, { op: 'insert' });
const update = (id: number, v: string | null, t: string | typeof SAME | null): Step => row(id, v, null, { op: 'update', values: { t } });
const remove = (id: number): Step => row(id, null, null, { op: 'delete' });
const move = (from: number, to: number, v: string | typeof SAME, t: string | typeof SAME): Step => row(to, null, null, { op: 'update', oldKey: { id: BigInt(from) }, values: { v, t } });

/** The table before: 1 (a, A), 2 (b, B). */
const CASES: readonly FoldCase[] = [
  { name: 'the last available value of each column wins', steps: [update(1, 'x', SAME), update(1, 'y', 'Y'), update(1, 'z', SAME)], becomes: [text(1, 'z', 'Y'), text(2, 'b', 'B')] },
  { name: 'an unavailable value is the target\'s, never NULL', steps: [update(1, 'x', SAME)], becomes: [text(1, 'x', 'A'), text(2, 'b', 'B')] },
  { name: 'a NULL that was sent is a NULL', steps: [update(1, null, null)], becomes: [text(1, null, null), text(2, 'b', 'B')] },
  { name: 'a moved row takes its unavailable values from the old key', steps: [move(1, 3, 'x', SAME)], becomes: [text(3, 'x', 'A'), text(2, 'b', 'B')] },
  { name: 'a row moved onto a key deleted in the same commit does not take that row\'s values', steps: [remove(2), move(1, 2, 'x', SAME)], becomes: [text(2, 'x', 'A')] },
  { name: 'a chain of moves keeps the values of its first key', steps: [move(1, 3, SAME, SAME), move(3, 4, 'x', SAME), move(4, 5, SAME, SAME)], becomes: [text(5, 'x', 'A'), text(2, 'b', 'B')] },
  { name: 'two rows swap their keys', steps: [move(1, 3, SAME, SAME), move(2, 1, SAME, SAME), move(3, 2, SAME, SAME)], becomes: [text(2, 'a', 'A'), text(1, 'b', 'B')] },
  { name: 'a moved row, updated again, keeps what it had', steps: [move(1, 3, SAME, 'T'), update(3, 'x', SAME)], becomes: [text(3, 'x', 'T'), text(2, 'b', 'B')] },
  { name: 'a freed key is used again', steps: [move(1, 3, SAME, SAME), insert(1, 'n', 'N')], becomes: [text(1, 'n', 'N'), text(2, 'b', 'B'), text(3, 'a', 'A')] },
  { name: 'deleted and inserted again', steps: [remove(1), insert(1, 'n', 'N')], becomes: [text(1, 'n', 'N'), text(2, 'b', 'B')] },
  { name: 'inserted and deleted', steps: [insert(3, 'n', 'N'), remove(3)], becomes: [text(1, 'a', 'A'), text(2, 'b', 'B')] },
  { name: 'truncate, then insert', steps: [update(1, 'x', SAME), 'truncate', insert(2, 'n', 'N')], becomes: [text(2, 'n', 'N')] },
  { name: 'insert, then truncate', steps: [insert(3, 'n', 'N'), 'truncate'], becomes: [] },
  { name: 'truncate, insert, update of what was inserted', steps: ['truncate', insert(1, 'n', 'N'), update(1, 'm', SAME)], becomes: [text(1, 'm', 'N')] },
  { name: 'an update that changes nothing', steps: [update(1, 'a', SAME)], becomes: [text(1, 'a', 'A'), text(2, 'b', 'B')] },
];

async function apply(bench: Bench, steps: readonly Step[], more: Partial<Target> = {}): Promise<void> {
  const run = await bench.claim();
  await bench.deliver(run, { write: 'merge', more }, [row(1, 'a', 'A'), row(2, 'b', 'B')]);
  const load = await bench.begin(run, { write: 'merge', kind: 'live', more });
  const session = await bench.open(run, load);
  const target = load.targets[0];
  let seq = 0n;
  for (const step of steps) {
    if (step === 'truncate' && target) await session.accept({ type: 'truncate', target });
    else if (step !== 'truncate') await bench.put(session, load, [{ ...step, seq: seq++ }]);
  }
  await bench.commit(session, 1, { last: true });
  await session[Symbol.asyncDispose]();
  await run.publish(load, load.streams);
}

const folds = CASES.map(({ name, steps, becomes }): RuleTest => ({
  name: `rule 15: ${name}`,
  needs: ['merge', 'changes', 'hard deletes'],
  async run(bench) {
    await apply(bench, steps);
    await bench.holds(becomes);
  },
}));

const whole: RuleTest = {
  name: 'rule 15: one batch with all of it is the same as one batch each',
  needs: ['merge', 'changes', 'hard deletes'],
  async run(bench) {
    const run = await bench.claim();
    await bench.deliver(run, { write: 'merge' }, [row(1, 'a', 'A'), row(2, 'b', 'B')]);
    const load = await bench.begin(run, { write: 'merge', kind: 'live' });
    const session = await bench.open(run, load);
    const steps = [move(1, 3, SAME, SAME), move(2, 1, SAME, SAME), move(3, 2, SAME, SAME), update(2, 'x', SAME), insert(5, 'e', 'E'), remove(1)];
    await bench.put(session, load, steps.flatMap((step, i) => (step === 'truncate' ? [] : [{ ...step, seq: BigInt(i) }])));
    await bench.commit(session, 1, { last: true });
    await session[Symbol.asyncDispose]();
    await bench.holds([text(2, 'x', 'A'), text(5, 'e', 'E')]);
  },
};

const soft: RuleTest = {
  name: 'soft deletes mark the row, and a row that comes again lives again',
  needs: ['merge', 'changes', 'soft deletes'],
  async run(bench) {
    await apply(bench, [remove(1), remove(2), insert(2, 'n', 'N')], { deletes: 'soft' });
    const rows = await bench.table();
    const marks = Object.fromEntries(rows.map((one) => [one['id'] ?? '', one['_etl_deleted'] === 'true']));
    bench.expect(marks).toEqual({ 1: true, 2: false });
  },
};

const policy: RuleTest = {
  name: 'rule 15: an unavailable value without a row before it is an error where the target says so',
  needs: ['merge', 'changes'],
  async run(bench) {
    await bench.refused(apply(bench, [update(7, 'x', SAME)], { unavailable: 'error' }), 'data');
    await bench.holds([text(1, 'a', 'A'), text(2, 'b', 'B')]);
  },
};

const appended: RuleTest = {
  name: 'rule 15: append folds nothing, every change stays, in order',
  needs: ['append', 'changes'],
  async run(bench) {
    const run = await bench.claim();
    const load = await bench.begin(run, { write: 'append', kind: 'live' });
    const session = await bench.open(run, load);
    await bench.put(session, load, [row(1, 'a', 'A', { op: 'insert', seq: 0n }), row(1, 'b', 'B', { op: 'update', seq: 1n }), row(1, 'b', 'B', { op: 'update', seq: 2n })]);
    await bench.commit(session, 1, { last: true });
    await session[Symbol.asyncDispose]();
    await bench.holds([text(1, 'a', 'A'), text(1, 'b', 'B'), text(1, 'b', 'B')]);
  },
};

const T = (second: number): string => `2026-01-01T00:00:0${second}.000000Z`;
const versions: RuleTest = {
  name: 'rule 14: scd2 keeps every version with its time; one that changes nothing is none',
  needs: ['scd2', 'changes'],
  async run(bench) {
    const run = await bench.claim();
    const more = { validFrom: 'at' };
    const at = (second: number, change: ChangeRow): ChangeRow => ({ ...change, values: { ...change.values, at: T(second) } });
    const load = await bench.begin(run, { write: 'scd2', kind: 'live', more });
    const session = await bench.open(run, load);
    await bench.put(session, load, [at(1, row(1, 'a', 'A', { op: 'insert', seq: 0n })), at(2, row(1, 'b', 'A', { op: 'update', seq: 1n })), at(3, row(1, 'b', 'A', { op: 'update', seq: 2n }))]);
    await bench.commit(session, 1);
    await bench.put(session, load, [at(4, row(1, null, null, { op: 'delete', seq: 3n }))]);
    await bench.commit(session, 2);
    await bench.put(session, load, [at(5, row(1, 'c', 'C', { op: 'insert', seq: 4n }))]);
    await bench.commit(session, 3, { last: true });
    await session[Symbol.asyncDispose]();
    const version = (v: string, t: string, from: number, to: number | null): TableRow => ({ ...text(1, v, t), _etl_valid_from: T(from), _etl_valid_to: to === null ? null : T(to) });
    await bench.holds([version('a', 'A', 1, 2), version('b', 'A', 2, 4), version('c', 'C', 5, null)], { columns: ['id', 'v', 't', '_etl_valid_from', '_etl_valid_to'] });
  },
};

const closes: RuleTest = {
  name: 'rule 14: a full load of scd2 closes the keys that it did not see, in publish',
  needs: ['scd2'],
  async run(bench) {
    const run = await bench.claim();
    const current = async () => (await bench.table(bench.target({ write: 'scd2' }))).filter((one) => (one['_etl_valid_to'] ?? null) === null).map((one) => `${one['id']}${one['v']}`).sort();
    await bench.deliver(run, { write: 'scd2', staged: true }, [row(1, 'a'), row(2, 'b')]);
    bench.expect(await current()).toEqual(['1a', '2b']);
    const load = await bench.begin(run, { write: 'scd2', staged: true });
    await bench.fill(run, load, [row(1, 'a'), row(3, 'c')]);
    bench.expect(await current()).toEqual(['1a', '2b']);
    await run.publish(load, load.streams);
    bench.expect(await current()).toEqual(['1a', '3c']);
    bench.expect(await bench.table(bench.target({ write: 'scd2' }))).toHaveLength(3);
  },
};

const beginsAnew: RuleTest = {
  name: 'rules 8 and 14: a table of scd2 that begins anew holds one version a key, each with its time',
  needs: ['scd2'],
  async run(bench) {
    const run = await bench.claim();
    const dated = (change: ChangeRow, second: number): ChangeRow => ({ ...change, values: { ...change.values, at: T(second) } });
    const columns = ['id', 'v', 't', '_etl_valid_from', '_etl_valid_to'];
    const first = (id: number, v: string, second: number): TableRow => ({ ...text(id, v), _etl_valid_from: T(second), _etl_valid_to: null });
    const wish = { write: 'scd2' as const, staged: true, more: { validFrom: 'at' } };
    await bench.deliver(run, wish, [dated(row(1, 'a'), 1)]);
    await bench.deliver(run, wish, [dated(row(1, 'b'), 2)]);
    await run.reset([bench.stream()]);
    await bench.deliver(run, { ...wish, rebuild: true }, [dated(row(1, 'b'), 2), dated(row(2, 'c'), 3)]);
    await bench.holds([first(1, 'b', 2), first(2, 'c', 3)], { columns });
  },
};

const rebuild: RuleTest = {
  name: 'rules 16 and 17: a rebuilt shadow replaces its table in the very commit; the same generation goes on',
  needs: ['rebuild of merge'],
  async run(bench) {
    const run = await bench.claim();
    await bench.deliver(run, { write: 'merge' }, [row(1, 'old'), row(2, 'old')]);
    const load = await bench.begin(run, { write: 'merge', kind: 'live' });
    const target = bench.target({ write: 'merge' });
    const first = await bench.open(run, load);
    await bench.put(first, load, [row(2, 'before', null, { op: 'update' })]);
    await first.accept({ type: 'rebuild', target, generation: 'g1' });
    await bench.put(first, load, [row(3, 'new')]);
    await bench.commit(first, 1);
    await bench.holds([text(1, 'old'), text(2, 'before')]);
    await first[Symbol.asyncDispose]();
    const second = await bench.open(run, load);
    await second.accept({ type: 'rebuild', target, generation: 'g1' });
    await bench.put(second, load, [row(4, 'new')]);
    await bench.commit(second, 2, { rebuilt: [bench.stream()] });
    await bench.holds([text(3, 'new'), text(4, 'new')]);
    await bench.put(second, load, [row(5, 'after', null, { op: 'insert' })]);
    await bench.commit(second, 3, { last: true });
    await second[Symbol.asyncDispose]();
    await run.publish(load, load.streams);
    await bench.holds([text(3, 'new'), text(4, 'new'), text(5, 'after')]);
  },
};

const otherGeneration: RuleTest = {
  name: 'rule 17: another generation begins its shadow anew',
  needs: ['rebuild of merge'],
  async run(bench) {
    const run = await bench.claim();
    await bench.deliver(run, { write: 'merge' }, [row(1, 'old')]);
    const load = await bench.begin(run, { write: 'merge', kind: 'live' });
    const target = bench.target({ write: 'merge' });
    const session = await bench.open(run, load);
    await session.accept({ type: 'rebuild', target, generation: 'g1' });
    await bench.put(session, load, [row(3, 'g1')]);
    await bench.commit(session, 1);
    await session.accept({ type: 'rebuild', target, generation: 'g2' });
    await bench.put(session, load, [row(4, 'g2')]);
    await bench.commit(session, 2, { rebuilt: [bench.stream()], last: true });
    await session[Symbol.asyncDispose]();
    await bench.holds([text(4, 'g2')]);
  },
};

/** What a commit of changes makes of a table (rules 14 to 17, section 5). */
export const changes: readonly RuleTest[] = [...folds, whole, soft, policy, appended, versions, closes, beginsAnew, rebuild, otherGeneration];

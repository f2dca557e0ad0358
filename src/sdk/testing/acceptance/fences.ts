import type { RuleTest } from './api.ts';
import { row, SCHEMA, text } from './bench.ts';

/** Claims, epochs, loads: who may write (rules 3 to 10, 13, 22). */
export const fences: readonly RuleTest[] = [
  {
    name: 'rule 7: claim raises the run epoch, and state() takes nothing',
    async run(bench) {
      const one = await bench.claim();
      const seen = await (await bench.destination()).state(bench.pipe);
      bench.expect(seen.runEpoch).toBe(one.token.runEpoch);
      const two = await bench.claim();
      bench.expect(two.token.runEpoch).toBeGreaterThan(one.token.runEpoch);
    },
  },
  {
    name: 'rule 7: an older run is fenced in begin, open, publish, reset and renewLease',
    async run(bench) {
      const old = await bench.claim();
      const load = await bench.begin(old);
      await bench.fill(old, load, [row(1)]);
      const stale = bench.load();
      const after = bench.after(old, stale);
      await bench.claim();
      await bench.refused(old.begin(stale, after), 'fenced', 'run');
      await bench.refused(bench.open(old, load), 'fenced', 'run');
      await bench.refused(old.publish(load, load.streams), 'fenced', 'run');
      await bench.refused(old.reset(load.streams), 'fenced', 'run');
      await bench.refused(old.renewLease(), 'fenced', 'run');
    },
  },
  {
    name: 'rule 7: a session of an older run commits nothing',
    async run(bench) {
      const old = await bench.claim();
      const load = await bench.begin(old);
      const session = await bench.open(old, load);
      await bench.put(session, load, [row(1, 'zombie')]);
      const next = await bench.claim();
      await bench.refused(bench.commit(session, 1), 'fenced');
      await session[Symbol.asyncDispose]();
      await bench.fill(next, load, [row(2, 'new')]);
      await next.publish(load, load.streams);
      await bench.holds([text(2, 'new')]);
    },
  },
  {
    name: 'rule 7: open raises the split epoch; the session before it commits nothing, by scope split',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const first = await bench.open(run, load);
      await bench.put(first, load, [row(1, 'first')]);
      await first.flush();
      const second = await bench.open(run, load);
      bench.expect(second.committed).toBeUndefined();
      await bench.refused(bench.commit(first, 1), 'fenced', 'split');
      await first[Symbol.asyncDispose]();
      await bench.put(second, load, [row(2, 'second')]);
      await bench.commit(second, 2, { last: true });
      await second[Symbol.asyncDispose]();
      await run.publish(load, load.streams);
      await bench.holds([text(2, 'second')]);
    },
  },
  {
    name: 'rule 24: two processes that open a split at once get two epochs, and one of them commits',
    needs: ['many processes'],
    async run(bench) {
      const chief = await bench.claim();
      const load = await bench.begin(chief);
      const worker = await bench.attach(chief.token);
      for (let round = 1; round <= 5; round++) {
        const sessions = await Promise.all([bench.open(chief, load), bench.open(worker, load)]);
        const outcomes = await Promise.allSettled(sessions.map(async (session, i) => {
          await bench.put(session, load, [row(round * 10 + i)]);
          await bench.commit(session, round);
        }));
        bench.expect(outcomes.filter(({ status }) => status === 'fulfilled'), `round ${round}`).toHaveLength(1);
        for (const session of sessions) await session[Symbol.asyncDispose]();
        bench.expect(await bench.table()).toHaveLength(round);
      }
    },
  },
  {
    name: 'rules 7 and 23: what an abandoned session staged is not committed by its successor',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const abandoned = await bench.open(run, load);
      await bench.put(abandoned, load, [row(1, 'abandoned')]);
      await abandoned.flush();
      const next = await bench.open(run, load);
      await bench.put(next, load, [row(2, 'next')]);
      await bench.put(abandoned, load, [row(3, 'late')]).catch(() => undefined);
      await abandoned.flush().catch(() => undefined);
      await bench.commit(next, 1, { last: true });
      await run.publish(load, load.streams);
      await bench.holds([text(2, 'next')]);
      await abandoned[Symbol.asyncDispose]();
      await next[Symbol.asyncDispose]();
    },
  },
  {
    name: 'rule 7: a session of a load that was replaced commits nothing',
    async run(bench) {
      const run = await bench.claim();
      const old = await bench.begin(run);
      const session = await bench.open(run, old);
      await bench.put(session, old, [row(1, 'old')]);
      const load = await bench.begin(run);
      await bench.refused(bench.commit(session, 1), 'fenced', 'load');
      await session[Symbol.asyncDispose]();
      await bench.refused(run.publish(old, old.streams), 'fenced', 'load');
      await bench.fill(run, load, [row(2, 'new')]);
      await run.publish(load, load.streams);
      await bench.holds([text(2, 'new')]);
    },
  },
  {
    name: 'rule 7: reset ends the loads, and so the sessions on them',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      const session = await bench.open(run, load);
      await bench.put(session, load, [row(1, 'old')]);
      await run.reset(load.streams);
      await bench.refused(bench.commit(session, 1), 'fenced', 'load');
      await session[Symbol.asyncDispose]();
      await bench.refused(bench.open(run, load), 'fenced', 'load');
      bench.expect(run.state.streams[bench.stream()]?.rebuild).toBe(true);
    },
  },
  {
    name: 'rule 4: begin compares with the last load of its streams, open or ended',
    async run(bench) {
      const run = await bench.claim();
      const first = await bench.deliver(run, {}, [row(1, 'a')]);
      const late = bench.load();
      await bench.refused(run.begin(late, { [bench.stream()]: undefined }), 'fenced');
      await bench.refused(run.begin(first, { [bench.stream()]: undefined }), 'fenced');
      const second = await bench.begin(run);
      await bench.refused(run.begin(late, { [bench.stream()]: first.id }), 'fenced');
      bench.expect((await run.begin(second, { [bench.stream()]: first.id })).id, 'the same load again').toBe(second.id);
      bench.expect(run.state.loads.map(({ load }) => load.id)).toEqual([second.id]);
    },
  },
  {
    name: 'rule 4: the list of splits is fixed, and the next load begins each of them anew',
    async run(bench) {
      const run = await bench.claim();
      const first = await bench.deliver(run, {}, [row(1, 'a')]);
      const again = bench.load();
      const second = await run.begin({ ...again, splits: first.splits }, bench.after(run, again));
      const session = await bench.open(run, second);
      bench.expect(session.committed).toBeUndefined();
      await session[Symbol.asyncDispose]();
      const stored = (await (await bench.destination()).state(bench.pipe)).loads[0];
      bench.expect(stored?.load.splits).toEqual(first.splits);
      bench.expect(stored?.load.targets).toEqual(second.targets);
    },
  },
  {
    name: 'rule 8: reset and a new run never lower an epoch; the open of the next load is above all before it',
    async run(bench) {
      const run = await bench.claim();
      const load = await bench.begin(run);
      for (let i = 0; i < 3; i++) await (await bench.open(run, load))[Symbol.asyncDispose]();
      await run.reset(load.streams);
      const next = await bench.claim();
      bench.expect(next.token.runEpoch).toBeGreaterThan(run.token.runEpoch);
    },
  },
  {
    name: 'rule 10: a writer that was never closed does not block its successor',
    async run(bench) {
      const old = await bench.claim();
      const load = await bench.begin(old);
      const abandoned = await bench.open(old, load);
      await bench.put(abandoned, load, [row(1, 'abandoned')]);
      await abandoned.flush();
      const next = await bench.claim();
      await bench.fill(next, load, [row(1, 'right')]);
      await next.publish(load, load.streams);
      await bench.holds([text(1, 'right')]);
      await abandoned[Symbol.asyncDispose]();
      await bench.holds([text(1, 'right')]);
    },
  },
  {
    name: 'attach: another process of the run opens, commits and publishes, and is fenced with it',
    async run(bench) {
      const chief = await bench.claim();
      const load = await bench.begin(chief);
      const worker = await bench.attach(chief.token);
      await bench.fill(worker, load, [row(1, 'worker')]);
      await chief.publish(load, load.streams);
      await bench.holds([text(1, 'worker')]);
      await bench.claim();
      await bench.refused(bench.open(worker, load), 'fenced');
    },
  },
  {
    name: 'rule 8: the lease shows who runs, grows when renewed, and is given back',
    async run(bench) {
      const run = await bench.claim();
      const destination = await bench.destination();
      const first = await destination.lease(bench.pipe);
      bench.expect(first).toMatchObject({ runId: run.token.runId, released: false });
      await run.renewLease();
      bench.expect((await destination.lease(bench.pipe))?.beat).toBeGreaterThan(first?.beat ?? 0);
      await run[Symbol.asyncDispose]();
      bench.expect((await destination.lease(bench.pipe))?.released).toBe(true);
    },
  },
  {
    name: 'rule 22: another source behind the same pipe is state_lost, until it is adopted',
    async run(bench) {
      await bench.deliver(await bench.claim(), {}, [row(1, 'a')]);
      await bench.refused(bench.claim({ identity: 'source-2' }), 'state_lost');
      await (await bench.destination()).administer(bench.pipe, { type: 'adopt', sourceIdentity: 'source-2', targets: [] });
      const run = await bench.claim({ identity: 'source-2' });
      bench.expect(run.state.streams[bench.stream()]?.position).toBeDefined();
    },
  },
  {
    name: 'rule 22: a second pipe that writes the same target is refused',
    async run(bench) {
      await bench.deliver(await bench.claim(), {}, [row(1, 'a')]);
      const other = await bench.claim({ pipe: `${bench.pipe}-other` });
      await bench.refused(bench.deliver(other, {}, [row(2, 'b')]), 'state_lost');
      await bench.holds([text(1, 'a')]);
    },
  },
  {
    name: 'rule 22: a second pipe that replaces the same target is refused before a row is read',
    needs: ['replace'],
    async run(bench) {
      await bench.deliver(await bench.claim(), { write: 'replace' }, [row(1, 'a')]);
      const other = await bench.claim({ pipe: `${bench.pipe}-other` });
      for (const rebuild of [false, true]) {
        const load = await bench.begin(other, { write: 'replace', rebuild });
        const session = await bench.open(other, load);
        await bench.refused(session.accept({ type: 'schema', target: bench.target({ write: 'replace' }), schema: SCHEMA }), 'state_lost');
        await session[Symbol.asyncDispose]();
      }
      await bench.holds([text(1, 'a')]);
    },
  },
  {
    name: 'rule 22: adopt takes a target over as it lies there; who wrote it before is fenced, and refused from then on',
    async run(bench) {
      const destination = await bench.destination();
      const [pipe, renamed] = [bench.pipe, `${bench.pipe}-renamed`];
      const old = await bench.claim();
      await bench.deliver(old, {}, [row(1, 'a')]);
      bench.expect(await destination.owners(pipe, [bench.target()])).toEqual([]);
      bench.expect(await destination.owners(renamed, [bench.target()])).toEqual([pipe]);
      await destination.administer(renamed, { type: 'adopt', sourceIdentity: 'source-1', targets: [bench.target()] });
      bench.expect(await destination.owners(renamed, [bench.target()])).toEqual([]);
      bench.expect(await destination.owners(pipe, [bench.target()])).toEqual([renamed]);
      await bench.refused(bench.begin(old), 'fenced', 'run');
      await bench.deliver(await bench.claim({ pipe: renamed }), {}, [row(2, 'b')]);
      await bench.holds([text(1, 'a'), text(2, 'b')]);
      const conflicts = async (of: string, rebuild: boolean) => (await destination.planSchema(of, bench.target(), SCHEMA, rebuild)).conflicts.length;
      bench.expect([await conflicts(pipe, false), await conflicts(pipe, true), await conflicts(renamed, false)]).toEqual([1, 1, 0]);
      await bench.refused(bench.deliver(await bench.claim(), {}, [row(3, 'c')]), 'state_lost');
      await bench.refused(bench.deliver(await bench.claim(), { staged: true, rebuild: true }, [row(4, 'd')]), 'state_lost');
      await bench.holds([text(1, 'a'), text(2, 'b')]);
      const run = await bench.claim({ pipe: renamed });
      await run.reset([bench.stream()]);
      await bench.deliver(run, { staged: true, rebuild: true }, [row(5, 'e')]);
      await bench.holds([text(5, 'e')]);
    },
  },
  {
    name: 'rule 22: the plan tells of a dropped target and of one that another pipe writes, and a rebuild makes it anew',
    needs: ['dropTarget'],
    async run(bench) {
      await bench.deliver(await bench.claim(), {}, [row(1, 'a')]);
      const destination = await bench.destination();
      const conflicts = async (pipe: string, rebuild: boolean) => (await destination.planSchema(pipe, bench.target(), SCHEMA, rebuild)).conflicts.length;
      bench.expect([await conflicts(bench.pipe, false), await conflicts(`${bench.pipe}-other`, false)]).toEqual([0, 1]);
      await bench.under.dropTarget?.(bench.target(), destination);
      bench.expect([await conflicts(bench.pipe, false), await conflicts(bench.pipe, true)]).toEqual([1, 0]);
      const run = await bench.claim();
      await run.reset([bench.stream()]);
      await bench.deliver(run, { staged: true, rebuild: true }, [row(2, 'b')]);
      await bench.holds([text(2, 'b')]);
    },
  },
  ...(['open', 'commit', 'publish'] as const).map((when): RuleTest => ({
    name: `rule 22: a target that was dropped with its state kept is state_lost in ${when}`,
    needs: ['dropTarget'],
    async run(bench) {
      const run = await bench.claim();
      await bench.deliver(run, {}, [row(1, 'a')]);
      const load = await bench.begin(run);
      const drop = async () => bench.under.dropTarget?.(bench.target(), await bench.destination());
      if (when === 'open') await drop();
      const attempt = async () => {
        const session = await bench.open(run, load);
        try {
          await bench.put(session, load, [row(2, 'b')]);
          if (when === 'commit') await drop();
          await bench.commit(session, 2, { last: true });
        } finally {
          await session[Symbol.asyncDispose]();
        }
        if (when === 'publish') await drop();
        await run.publish(load, load.streams);
      };
      await bench.refused(attempt(), 'state_lost');
    },
  })),
];

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD, World, type Said } from '../helpers/world.ts';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import { job, type BrokenCase } from './cases.ts';
import { brokenJobs } from './jobs.cases.ts';
import { canMount, onSmallDisks } from './disks.cases.ts';
import { brokenSources } from './sources.cases.ts';
import { brokenTargets } from './targets.cases.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres({ password: PASSWORD }); });
afterAll(() => server.stop());

/** `file:line:col` of the text that the case names as the cause. */
function place(text: string, at: string): string {
  const lines = text.slice(0, text.indexOf(at)).split('\n');
  return `job.yaml:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

/** The lines that begin so, without that. */
function lines(text: string, begin: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(begin)).map((line) => line.slice(begin.length).trim());
}

/** One error: its code, its cause, its place, the next step, and no secret. */
function judge(one: BrokenCase, job: string, said: Said): void {
  const text = said.err + said.out;
  expect(said.exit, text).toBe(one.exit);
  const [error = '', ...more] = lines(text, 'error ');
  expect(more, 'one error').toEqual([]);
  expect(error).toMatch(new RegExp(`^${one.code} `));
  expect(error).toContain(one.says);
  expect(lines(text, '  next:').at(-1)).toContain(one.next);
  const [where] = lines(text, '  where:');
  if (one.at === undefined) expect(where, 'no place in the job is the cause').toBeUndefined();
  else expect(where?.split(' ')[0]).toBe(place(job, one.at));
  for (const secret of [PASSWORD, 's3cr3t']) expect(text).not.toContain(secret);
  expect(text, 'no stack of the program').not.toMatch(/\n\s+at .+\.js:\d+/);
}

/** Before it breaks, the job has moved its table once, unless the case makes a past of its own: what stands then must stand after. */
async function prove(one: BrokenCase): Promise<void> {
  const world = await World.open(server, `case_${++count}`);
  try {
    const target = /^target: (\w+)/m.exec(one.job)?.[1];
    if (one.past !== false && (target === 'out' || target === 'lake' || target === 'wh')) {
      world.write('job.yaml', job(target));
      expect((await world.etl('run', 'job.yaml')).exit, 'the run before').toBe(0);
    }
    world.write('job.yaml', one.job);
    await one.before?.(world);
    const text = world.read('job.yaml');
    const before = await world.visible();
    if (one.planned) {
      const plan = await world.etl('plan', 'job.yaml');
      expect([plan.exit === 0, plan.out + plan.err], 'a plan promises nothing that a run refuses').toEqual([false, expect.stringContaining(one.says)]);
    }
    const said = await (one.run?.(world) ?? world.etl('run', 'job.yaml', ...(one.args ?? [])));
    judge(one, text, said);
    await one.after?.(world);
    expect(await world.visible(), 'the old tables are whole, and nothing is half-written').toEqual(before);
  } finally {
    await world.close();
  }
}

describe('broken jobs', () => test.each(brokenJobs)('$name', prove));
describe('broken sources', () => test.each(brokenSources)('$name', prove));
describe('broken targets', () => test.each(brokenTargets)('$name', prove));
describe.skipIf(!canMount())('full and read-only disks (needs the right to mount)', () => test.each(onSmallDisks)('$name', prove));

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type PostgresServer } from '../services/postgres.ts';
import type { BrokenCase } from './cases.ts';
import { brokenJobs } from './jobs.cases.ts';
import { brokenSources, brokenTargets } from './moments.cases.ts';
import { PASSWORD, World, type Said } from './world.ts';

let server: PostgresServer;
let count = 0;
beforeAll(async () => { server = await startPostgres({ password: PASSWORD }); });
afterAll(() => server.stop());

/** `file:line:col` of the text that the case names as the cause. */
function place(text: string, at: string): string {
  const lines = text.slice(0, text.indexOf(at)).split('\n');
  return `job.yaml:${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

function judge(one: BrokenCase, said: Said): void {
  const text = said.err + said.out;
  expect(said.exit, text).toBe(one.exit);
  expect(text).toContain(one.code);
  expect(text).toMatch(one.says);
  expect(text, 'a next step').toMatch(/next:/);
  if (one.at !== undefined) expect(text).toContain(place(one.job, one.at));
  for (const secret of [PASSWORD, 's3cr3t']) expect(text).not.toContain(secret);
  expect(text, 'no stack of the program').not.toMatch(/\n\s+at .+\.js:\d+/);
}

async function prove(one: BrokenCase): Promise<void> {
  const world = await World.open(server, `case_${++count}`);
  try {
    world.write('job.yaml', one.job);
    await one.before?.(world);
    const before = await world.visible();
    const said = await (one.run?.(world) ?? world.etl('run', 'job.yaml', ...(one.args ?? [])));
    judge(one, said);
    const after = await world.visible();
    const appeared = Object.keys(after).filter((name) => !(name in before) && !one.mayAppear?.test(name));
    expect(appeared, 'nothing half-written').toEqual([]);
    for (const [name, content] of Object.entries(before)) expect(after[name], `${name} is whole`).toBe(content);
  } finally {
    await world.close();
  }
}

describe('broken jobs', () => test.each(brokenJobs)('$name', prove));
describe('broken sources', () => test.each(brokenSources)('$name', prove));
describe('broken targets', () => test.each(brokenTargets)('$name', prove));

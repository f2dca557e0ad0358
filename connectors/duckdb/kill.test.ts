import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeDifferences, Oracle } from '#testing';
import { expect, test } from 'vitest';
import { duckdbError } from './errors.ts';
import { scratch } from './helper.ts';
import { runWorld, type World } from './kill-world.ts';

const loader = new URL('../../test/helpers/run-ts.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('./kill-child.ts', import.meta.url));

function startChild(args: readonly string[]) {
  const child = spawn(process.execPath, ['--conditions=etl-source', '--import', loader, script, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  child.stdout.on('data', (chunk: Buffer) => { output += chunk.toString(); });
  const ended = new Promise<{ signal: string | null; output: string }>((resolve) => void child.once('exit', (_code, signal) => resolve({ signal, output })));
  return { child, ended, held: () => Promise.race([ended, new Promise((resolve) => void child.stdout.once('data', resolve))]) };
}

const POINTS = ['sql.claimed', 'sql.open', 'sql.commit.held', 'duckdb.commit', 'duckdb.committed', 'sql.publish', 'sql.published', 'duckdb.close'];
const CASES: readonly (World & { readonly points: readonly string[] })[] = [
  { world: 'full', write: 'replace', points: [...POINTS, 'duckdb.relayed', 'sql.publish.flip'] },
  { world: 'incremental', write: 'merge', points: POINTS },
  { world: 'incremental', write: 'append', points: POINTS },
];

for (const { points, ...one } of CASES) {
  test(`rules 7 to 10: killed at any step of a ${one.world} load by ${one.write}, the next process goes on and no row is lost or doubled`, async () => {
    for (const [index, point] of points.entries()) {
      const file = scratch();
      // the next process's scripted clock begins anew, so the child dies in its first run
      const nth = point === 'duckdb.close' ? 1 : 1 + index % 3;
      const { ended } = startChild([file.path, one.world, one.write, point, String(nth)]);
      const { signal, output } = await ended;
      expect(signal ?? output, point).toBe('SIGKILL');
      const { world, positions } = await runWorld(file.path, one, 'after');
      const oracle = new Oracle(world.script, world.history);
      for (const { name } of world.script.streams) {
        const have = await file.table(name.replaceAll('.', '_'));
        const differences = oracle.compare(name, have, positions[name], { write: one.write, placeholder: '__unavailable__', ordered: one.write === 'append', snapshotLsn: one.world === 'live' ? 10 : 0 });
        expect(describeDifferences(differences), `${point}, ${name}`).toBe('');
      }
      file.remove();
    }
  });
}

test('rule 28: a file that another process holds is locked, with its pid; after that one is gone it opens', async () => {
  const file = scratch();
  const { child, ended, held } = startChild([file.path, 'full', 'replace', 'sql.claimed', '1', 'linger']);
  await held();
  const destination = await file.destination();
  await expect(destination.state('p')).rejects.toMatchObject({ kind: 'locked', code: 'ETL-DUCK-001', message: expect.stringContaining(String(child.pid)) as string });
  child.kill('SIGKILL');
  await ended;
  expect((await destination.state('p')).runEpoch).toBe(1);
  await destination[Symbol.asyncDispose]();
  file.remove();
});

test('rule 28: after dispose another process can open the file, for the job\'s `after` command', async () => {
  const file = scratch();
  const { positions } = await runWorld(file.path, { world: 'full', write: 'replace' }, 'here');
  expect(Object.keys(positions).length).toBeGreaterThan(0);
  const { signal, output } = await startChild([file.path, 'full', 'replace', 'never']).ended;
  expect({ signal, output }).toMatchObject({ signal: null, output: 'done\n' });
  file.remove();
});

test('a program that is no run of ours and has the file open is waited for as something that passes, and never skipped for', () => {
  const held = (by: string) => duckdbError(new Error(`IO Error: Could not set lock on file "/x/a.duckdb": Conflicting lock is held in ${by} (PID 7). See also https://duckdb.org/docs/stable/connect/concurrency`));
  expect(['/usr/local/bin/node', '/opt/node-22/bin/node', '/usr/bin/python3.11'].map(held).map(({ code, kind }) => `${code} ${kind}`)).toEqual(['ETL-DUCK-001 locked', 'ETL-DUCK-001 locked', 'ETL-DUCK-001 transient']);
});

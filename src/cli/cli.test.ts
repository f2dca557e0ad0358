import { describe, expect, test, vi } from 'vitest';
import { EtlError } from '../errors/error.ts';
import { Redactor } from '../observe/redact.ts';
import type { RunReport } from '../engine/index.ts';
import { asEtlError } from './command.ts';
import { commandOf } from './command-table.ts';
import { exitOfKind, exitOfReport } from './exit.ts';
import { bytes, duration, position, table } from './format.ts';
import { Output } from './output.ts';
import { systemPorts } from './ports.ts';

describe('redaction', () => {
  const secret = 'p@ss/wö"rd';
  const redactor = new Redactor();
  redactor.add(secret);

  test.each([secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), Buffer.from(secret).toString('base64url'), Buffer.from(secret).toString('hex'), JSON.stringify(secret).slice(1, -1)])('%s', (form) => {
    const shown = redactor.text(`before ${form} after`);
    expect(shown).toBe('before *** after');
  });

  test('a password of a URL that nobody registered', () => {
    expect(new Redactor().text('at postgres://me:unknown@db:5432/x')).toBe('at postgres://me:***@db:5432/x');
  });
});

test('what would steer a terminal is shown, colours pass', () => {
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => { said.push(String(text)); return true; });
  try {
    new Output({ env: {}, quiet: false, verbose: false, json: false, debug: false }).say('a\u001b[2Jb\u001b]0;title\u0007\u009bc\rd\u001b[31mred\u001b[39m\tä\n');
  } finally {
    write.mockRestore();
  }
  expect(said.join('')).toBe('a\\x1b[2Jb\\x1b]0;title\\x07\\x9bc\\x0dd\u001b[31mred\u001b[39m\tä\n\n');
});

describe('exit codes', () => {
  const report = (outcome: RunReport['outcome'], more: Partial<RunReport> = {}): RunReport => ({ runId: 'r', job: 'j', startedAt: '', durationMs: 1, streams: [], notes: [], outcome, ...more });

  test('of reports', () => {
    expect([report('ok'), report('skipped'), report('rejected_rows'), report('stopped'), report('failed')].map(exitOfReport)).toEqual([0, 0, 4, 6, 1]);
    expect(exitOfReport(report('ok', { after: { command: 'x', exitCode: 3 } }))).toBe(1);
    expect(exitOfReport(report('failed', { error: { kind: 'transient', code: 'ETL-X-1', message: '' } }))).toBe(3);
  });

  test('of errors', () => {
    expect((['config', 'unsupported', 'auth', 'transient', 'state_lost', 'data', 'internal', 'locked', 'fenced'] as const).map(exitOfKind)).toEqual([2, 2, 3, 3, 3, 1, 1, 5, 5]);
  });

  test('an unknown error is a bug, ours stays ours', () => {
    const own = new EtlError({ kind: 'data', code: 'ETL-X-001', message: 'm' });
    expect(asEtlError(own)).toBe(own);
    expect(asEtlError(new TypeError('x is not a function\n more'))).toMatchObject({ kind: 'internal', code: 'ETL-CLI-000', message: 'TypeError: x is not a function' });
  });
});

test('numbers, times, tables, positions', () => {
  expect([bytes(0), bytes(1234), bytes(56_000_000), duration(12), duration(1500), duration(61_000)]).toEqual(['0 B', '1.2 kB', '56 MB', '12 ms', '1.5 s', '1 min 1 s']);
  expect(table([{ title: 'a' }, { title: 'n', right: true }, { title: 'none' }], [['x', '1', ''], ['yy', '10', '']])).toEqual(['a    n', 'x    1', 'yy  10']);
  expect(position({ v: 1, kind: 'incremental', column: 'at', bound: '2024-01-01', key: [5] })).toBe('2024-01-01 5');
});

test('run ids grow within a millisecond', () => {
  const ids = Array.from({ length: 5000 }, () => systemPorts.random.uuidv7());
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test('a command that there is not is answered with the one that was probably meant', () => {
  expect(commandOf(['state', 'set', 'job.yaml'])).toMatchObject({ name: 'state set', rest: ['job.yaml'] });
  expect(commandOf(['run', 'state', 'show'])).toMatchObject({ name: 'run', rest: ['state', 'show'] });
  const hint = (...argv: string[]): string | undefined => {
    try {
      return commandOf(argv).name;
    } catch (error) {
      return asEtlError(error).hint;
    }
  };
  expect(hint('rnu', 'job.yaml')).toBe('did you mean `etl run`?');
  expect(hint('state', 'shwo')).toBe('did you mean `etl state show`?');
  expect(hint('job.yaml')).toBe('etl run job.yaml');
  expect(hint('constructor')).toBe('etl --help lists the commands');
});

import { expect, test } from 'vitest';
import type { Binding } from '../plan/bind.ts';
import type { JobState, Load, StoredLoad } from '../sdk/contract.ts';
import { fingerprintOf, leftBehind, refuseMixing, verdictOf } from './fingerprint.ts';

const binding = (all: string, unmixable: string, more: Partial<Binding['selection']> = {}): Binding => ({
  stream: 's', fingerprint: all, unmixable, target: { write: 'merge', table: 't' }, selection: { stream: 's', sync: 'incremental', fullRefresh: false, ...more },
}) as unknown as Binding;

const stored = (load: Partial<Load>, before: Binding, revision = 1): StoredLoad => ({
  load: { id: 'l', kind: 'parts', streams: ['s'], staged: false, fingerprint: fingerprintOf([before]), ...load } as Load, openStreams: ['s'],
  splits: { s: { splitEpoch: 1, revision, complete: false, rows: revision, rejected: 0, bytes: revision } },
});
const KNOWN: JobState = { runEpoch: 1, loads: [], streams: { s: { rebuild: false, incarnations: {}, lastLoad: 'before' } } };
const now = (one: Binding) => new Map([['s', one]]);

test('rule 5: an unfinished load goes on while the job is the same', () => {
  expect(verdictOf(stored({}, binding('a', 'u')), now(binding('a', 'u')))).toBe('continue');
});

test('rule 5: where the fingerprint is another, a staged load is replaced, an incremental one goes on, a live one is published where it stands', () => {
  const changed = now(binding('b', 'u'));
  expect(verdictOf(stored({ staged: true }, binding('a', 'u')), changed)).toBe('replace');
  expect(verdictOf(stored({}, binding('a', 'u')), changed)).toBe('continue');
  expect(verdictOf(stored({ kind: 'live' }, binding('a', 'u')), changed)).toBe('publish_then_new');
});

test('rule 5: an incremental load of another job that has committed nothing, or whose table is replaced now, makes room for a new one', () => {
  expect(verdictOf(stored({}, binding('a', 'u'), 0), now(binding('b', 'u')))).toBe('replace');
  const replaced = { ...binding('b', 'u'), target: { write: 'replace', table: 't' } } as unknown as Binding;
  expect(verdictOf(stored({}, binding('a', 'u')), now(replaced))).toBe('replace');
});

test('rule 5: a live load that a stream left is published where it stands', () => {
  expect(verdictOf(stored({ kind: 'live' }, binding('a', 'u')), new Map())).toBe('publish_then_new');
  expect(verdictOf(stored({}, binding('a', 'u')), new Map())).toBe('leave');
});

test('rule 5: a stream that is no longer in the job leaves its place in a log, and keeps one that is nobody else\'s', () => {
  const log = { ...binding('a', 'u'), selection: { ...binding('a', 'u').selection, sync: 'cdc' as const } };
  const at = (one: Binding): JobState => ({ ...KNOWN, streams: { s: { rebuild: false, incarnations: {}, position: { v: 1 }, fingerprint: fingerprintOf([one]) } } });
  expect(leftBehind(at(log), new Map())).toEqual(['s']);
  expect(leftBehind(at(log), now(log))).toEqual([]);
  expect(leftBehind(at(binding('a', 'u')), new Map())).toEqual([]);
});

test('rule 5: what can not be mixed in one table stops with config_changed, and a full refresh goes through', () => {
  const state = { runEpoch: 1, loads: [], streams: { s: { rebuild: false, incarnations: {}, fingerprint: fingerprintOf([binding('a', 'u')]) } } } satisfies JobState;
  expect(() => { refuseMixing(state, [binding('a', 'other')]); }).toThrow(/its target, key, write mode, names or a rule/);
  expect(() => { refuseMixing(state, [binding('b', 'u')]); }).not.toThrow();
  expect(() => { refuseMixing(state, [binding('a', 'other', { fullRefresh: true })]); }).not.toThrow();
});

import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { History, type RowVersion } from './history.ts';
import { judge, NOWHERE, type Bounds, type DeliveredRow, type Look, type Mode } from './oracle.ts';

/** Two writers: their markers are 2 and 1, their rows 4 and 3; each has raised both its rows once. */
function history(): History {
  const of = new History();
  of.add(0, 0, [{ id: 2, version: 1, at: 10 }, { id: 4, version: 1, at: 11 }]);
  of.add(1, 0, [{ id: 1, version: 1, at: 12 }, { id: 3, version: 1, at: 13 }]);
  of.add(0, 1, [{ id: 2, version: 2, at: 20 }, { id: 4, version: 2, at: 21 }]);
  of.add(1, 1, [{ id: 1, version: 2, at: 22 }, { id: 3, version: 2, at: 23 }]);
  return of;
}

const row = (id: number, version: number, at: number): DeliveredRow => {
  const sum = id + version;
  const payload = sum % 17 === 0 ? null : sum % 23 === 0 ? '' : `${'ü'.repeat((id * 7 + version) % 20)}|${id}`;
  return { id, version, at, payload, hash: createHash('md5').update(`${id}:${version}`).digest('hex') };
};
const rows = (...versions: readonly RowVersion[]): DeliveredRow[] => versions.map(({ id, version, at }) => row(id, version, at));
const after = (of: History, zero: number, one: number): DeliveredRow[] => rows(...of.after(0, zero).values(), ...of.after(1, one).values());

const bounds: Bounds = { leastLoads: 1, mostLoads: 1, transactions: [0, 0], cursor: 0 };
function faults(mode: Mode, delivered: readonly DeliveredRow[], more: Partial<Look & Bounds> = {}): string {
  return judge(mode, history(), { rows: delivered, before: NOWHERE, after: { at: 99, id: 99 }, faults: [], ...more }, { ...bounds, ...more }).faults.join('; ');
}

describe('full loads', () => {
  const replace: Mode = { sync: 'full', write: 'replace' };
  const append: Mode = { sync: 'full', write: 'append' };

  it('each is the source of one instant, whole and once', () => {
    expect(faults(replace, after(history(), 1, 0))).toBe('');
    expect(faults(append, [...after(history(), 0, 0), ...after(history(), 1, 1)], { leastLoads: 2, mostLoads: 2 })).toBe('');
    expect(faults(replace, after(history(), 1, 0).slice(0, 3)), 'a row less').toContain('LOST');
    expect(faults(replace, [...rows({ id: 2, version: 2, at: 20 }, { id: 4, version: 1, at: 11 }), ...after(history(), 0, 0).slice(2)]), 'half a transaction').toMatch(/LOST.*4 v2.*DOUBLED.*4 v1/);
    expect(faults(replace, [])).toContain('LOST: 0 loads');
  });

  it('a load more, a load less, an old load', () => {
    const twice = [...after(history(), 1, 1), ...after(history(), 1, 1)];
    expect(faults(append, twice)).toContain('DOUBLED: 2 loads');
    expect(faults(append, after(history(), 1, 1), { leastLoads: 2, mostLoads: 2 })).toContain('LOST: 1 loads');
    expect(faults(replace, after(history(), 0, 1), { transactions: [1, 1] })).toContain('STALE: writer 0');
  });

  it('bytes that were never committed', () => {
    const [first, ...others] = after(history(), 1, 1);
    expect(faults(replace, [{ ...first, payload: 'other' } as DeliveredRow, ...others])).toContain('FOREIGN');
    expect(faults(replace, [{ ...first, at: 7 } as DeliveredRow, ...others])).toContain('FOREIGN');
  });
});

describe('incremental passes', () => {
  const append: Mode = { sync: 'incremental', write: 'append' };
  const merge: Mode = { sync: 'incremental', write: 'merge' };
  const all = after(history(), 1, 1);

  it('all that the position covers, nothing that it does not', () => {
    const reach = { at: 21, id: Number.POSITIVE_INFINITY };
    expect(faults(append, all.slice(0, 2), { before: reach, after: reach })).toBe('');
    expect(faults(append, all.slice(0, 1), { before: reach, after: reach })).toMatch(/LOST.*4 v2/);
    expect(faults(append, all.slice(0, 3), { before: reach, after: reach })).toMatch(/UNCOVERED.*1 v2/);
    expect(faults(append, [], { cursor: 21 }), 'committed before the run began').toMatch(/LOST.*2 v2/);
  });

  it('a version twice or after a later one', () => {
    expect(faults(append, [...after(history(), 0, 0), ...all])).toBe('');
    expect(faults(append, [...all, ...all.slice(3)])).toContain('DOUBLED');
    expect(faults(append, [...all, ...after(history(), 0, 0)])).toContain('out of order');
    expect(faults(merge, [...after(history(), 0, 0), ...all])).toContain('a key twice');
  });

  it('scd2: the last version is open, and each ends where the next begins', () => {
    const scd2: Mode = { sync: 'incremental', write: 'scd2' };
    const old = { ...row(3, 1, 13), validFrom: 13, validTo: 23 };
    const open = { ...row(3, 2, 23), validFrom: 23, validTo: null };
    expect(faults(scd2, [old, open])).toBe('');
    expect(faults(scd2, [{ ...old, validTo: 22 }, open])).toContain('does not end where the next begins');
    expect(faults(scd2, [{ ...old, validTo: null }, open])).toContain('not the last version is open');
  });
});

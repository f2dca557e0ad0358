import fc from 'fast-check';
import { expect, test } from 'vitest';
import { snake, targetNames, type NameRules } from './names.ts';

const rules = (more: Partial<NameRules> = {}): NameRules => ({ naming: 'snake', maxNameBytes: 63, caseSensitiveNames: false, held: new Map(), renames: new Map(), ...more });
const name = fc.oneof(fc.string({ minLength: 1, maxLength: 80 }), fc.constantFrom('valueOf', '__proto__', 'constructor'), fc.stringMatching(/^[aAbB_ ]{1,4}$/), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }));

test('snake case', () => {
  expect(['orderId', 'HTTPServerID', 'Straße Nr.', 'already_snake', '_x', 'v2Name'].map(snake)).toEqual(['order_id', 'http_server_id', 'straße_nr_', 'already_snake', '_x', 'v2_name']);
});

test('target names are never alike, within the limit, and the same in whatever order', () => {
  fc.assert(fc.property(fc.uniqueArray(name, { maxLength: 20 }), fc.constantFrom('as_is', 'snake', 'lower', 'camel'), fc.boolean(), fc.integer({ min: 20, max: 63 }), (sources, naming, caseSensitiveNames, maxNameBytes) => {
    const { targets } = targetNames(sources, rules({ naming, caseSensitiveNames, maxNameBytes }));
    const names = [...targets.values()];
    expect(targets.size).toBe(sources.length);
    expect(new Set(names.map((each) => (caseSensitiveNames ? each : each.toLowerCase()))).size).toBe(sources.length);
    for (const each of names) expect(Buffer.byteLength(each)).toBeLessThanOrEqual(maxNameBytes);
    const turned = targetNames(sources.toReversed(), rules({ naming, caseSensitiveNames, maxNameBytes })).targets;
    for (const source of sources) expect(turned.get(source)).toBe(targets.get(source));
  }));
});

test('a newcomer does not take a name away', () => {
  expect(targetNames(['orderId', 'order_id'], rules()).targets.get('order_id')).toBe('order_id');
  expect(targetNames(['orderId', 'OrderId'], rules({ held: new Map([['OrderId', 'order_id']]) })).targets.get('OrderId')).toBe('order_id');
});

test('what a column was called it is called again, whoever comes and goes', () => {
  const columns = fc.uniqueArray(fc.oneof(fc.stringMatching(/^[aAbB_ ]{1,3}$/), name), { minLength: 1, maxLength: 8 });
  fc.assert(fc.property(fc.array(columns, { minLength: 2, maxLength: 6 }), fc.constantFrom('as_is', 'snake', 'lower', 'camel'), fc.boolean(), (runs, naming, caseSensitiveNames) => {
    let held: ReadonlyMap<string, string> = new Map();
    for (const sources of runs) {
      const { targets } = targetNames(sources, rules({ naming, caseSensitiveNames, held }));
      for (const [source, before] of held) expect(targets.get(source)).toBe(before);
      expect(new Set([...targets.values()].map((each) => (caseSensitiveNames ? each : each.toLowerCase()))).size).toBe(targets.size);
      held = targets;
    }
  }));
});

test('a name that another convention gave is given up with it', () => {
  expect(targetNames(['orderId'], rules({ naming: 'as_is', held: new Map([['orderId', 'order_id']]) })).targets.get('orderId')).toBe('orderId');
});

test('a name that the job gives meets no other', () => {
  expect(targetNames(['a', 'b'], rules({ renames: new Map([['a', 'x'], ['b', 'X']]) })).clashes).toEqual([['a', 'b']]);
  expect(targetNames(['X', 'a', 'b'], rules({ renames: new Map([['a', 'x']]) })).clashes).toEqual([['a', 'X']]);
  expect(targetNames(['x', 'a'], rules({ renames: new Map([['a', 'x'], ['x', 'a']]) })).clashes).toEqual([]);
});

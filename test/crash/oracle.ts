import { createHash } from 'node:crypto';
import { STILL, textOf, type Row } from './source.ts';
import type { DeliveredRow, Mode } from './targets.ts';

/** What was found wrong: every line names ids, so that it can be looked at. */
export type Faults = readonly string[];

const named = (ids: readonly string[]): string => `${ids.length} ids: ${ids.slice(0, 6).join(', ')}${ids.length > 6 ? ' …' : ''}`;
const fault = (what: string, ids: readonly string[]): string[] => (ids.length === 0 ? [] : [`${what} (${named(ids)})`]);

/** The same function of id and version that the writers used, computed apart from the database. */
function payloadOf(id: string, version: string): string | null {
  const sum = Number(id) + Number(version);
  if (sum % 17 === 0) return null;
  if (sum % 23 === 0) return '';
  return createHash('md5').update(`${id}:${version}`).digest('hex') + 'ü'.repeat((Number(id) * 7 + Number(version)) % 20);
}

/** Every delivered version has once been committed at the source: its number is not above the last, its payload is its own. */
function unreal(source: ReadonlyMap<string, Row>, delivered: readonly Row[]): string[] {
  return fault('versions that the source never had', delivered.filter((row) => {
    const last = source.get(row.id);
    return last === undefined || Number(row.version) > Number(last.version) || Number(row.version) < 1 || row.payload !== payloadOf(row.id, row.version);
  }).map((row) => `${row.id} v${row.version}`));
}

function lastMissing(source: ReadonlyMap<string, Row>, delivered: readonly Row[]): string[] {
  const there = new Set(delivered.map((row) => `${row.id}|${textOf(row)}`));
  return fault('LOST: the last version is not there', [...source.values()].filter((row) => !there.has(`${row.id}|${textOf(row)}`)).map((row) => `${row.id} v${row.version}`));
}

function doubled(delivered: readonly Row[]): string[] {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const row of delivered) {
    const key = `${row.id} v${row.version}`;
    if (seen.has(key)) twice.push(key);
    seen.add(key);
  }
  return fault('DOUBLED: the same version twice', twice);
}

function exact(source: ReadonlyMap<string, Row>, delivered: readonly Row[]): string[] {
  const there = new Map<string, Row>();
  const twice: string[] = [];
  for (const row of delivered) {
    if (there.has(row.id)) twice.push(row.id);
    there.set(row.id, row);
  }
  const ids = [...source.keys()];
  return [
    ...fault('DOUBLED: a key twice', twice),
    ...fault('LOST', ids.filter((id) => !there.has(id))),
    ...fault('differs', ids.filter((id) => {
      const found = there.get(id);
      const wanted = source.get(id);
      return found !== undefined && wanted !== undefined && textOf(found) !== textOf(wanted);
    })),
    ...fault('not in the source', [...there.keys()].filter((id) => !source.has(id))),
  ];
}

/** How often a load of a full append arrived: the rows that nobody writes are in each load once. */
export function loadsDelivered(delivered: readonly Row[]): { loads: number; faults: Faults } {
  const counts = new Map<string, number>();
  for (const row of delivered) if (Number(row.id) <= STILL) counts.set(row.id, (counts.get(row.id) ?? 0) + 1);
  const loads = counts.get('1') ?? 0;
  const uneven = Array.from({ length: STILL }, (_, index) => String(index + 1)).filter((id) => (counts.get(id) ?? 0) !== loads);
  return { loads, faults: fault(`part of a load shows: not ${loads} times there`, uneven) };
}

function versionsOf(source: ReadonlyMap<string, Row>, delivered: readonly DeliveredRow[]): string[] {
  const byId = new Map<string, DeliveredRow[]>();
  for (const row of delivered) byId.set(row.id, [...(byId.get(row.id) ?? []), row]);
  const disordered: string[] = [];
  const gaps: string[] = [];
  const open: string[] = [];
  for (const [id, rows] of byId) {
    const ordered = rows.toSorted((a, b) => Number(a.version) - Number(b.version));
    ordered.forEach((row, index) => {
      const next = ordered[index + 1];
      if (next && String(row.validFrom) >= String(next.validFrom)) disordered.push(id);
      if (next && row.validTo !== next.validFrom) gaps.push(id);
    });
    const current = rows.filter((row) => row.validTo === null);
    const wanted = source.get(id);
    if (current.length !== 1 || wanted === undefined || !current[0] || textOf(current[0]) !== textOf(wanted)) open.push(id);
  }
  return [...fault('versions are not in order', disordered), ...fault('a version does not end where the next begins', gaps), ...fault('the open version is not the source’s row', open)];
}

/** The target against the source, with the writers still and a run that ended with 0 behind it. */
export function compare(mode: Mode, sourceRows: readonly Row[], delivered: readonly DeliveredRow[]): Faults {
  const source = new Map(sourceRows.map((row) => [row.id, row]));
  if (mode.write === 'replace' || mode.write === 'merge') return exact(source, delivered);
  const real = [...unreal(source, delivered), ...lastMissing(source, delivered)];
  if (mode.write === 'scd2') return [...real, ...doubled(delivered), ...versionsOf(source, delivered)];
  return mode.sync === 'full' ? [...real, ...loadsDelivered(delivered).faults] : [...real, ...doubled(delivered)];
}

/** One number for all that stands in a table, whatever its order. */
export function contentHash(delivered: readonly DeliveredRow[]): string {
  const lines = delivered.map((row) => `${row.id}|${textOf(row)}|${row.validFrom ?? ''}|${row.validTo ?? ''}`).toSorted();
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

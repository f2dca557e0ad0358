import { createHash, createHmac } from 'node:crypto';
import { canonicalText, UNAVAILABLE, type Vector } from '../batch/index.ts';
import type { JsonObject, Rejection } from '../sdk/contract.ts';
import { domainKey } from './hash.ts';
import type { StreamPlan } from './plan.ts';
import type { NormalizeSpec } from './spec.ts';
import { isKept, isMasked, ruleOf } from './target-schema.ts';

export interface Reason {
  readonly code: string;
  readonly reason: string;
  readonly column: string;
}

/** Why a row is refused; the first names its code and column. */
export type Reasons = readonly [Reason, ...Reason[]];

/** The columns as they came and as they leave, in the plan's order. */
export interface Columns {
  readonly given: readonly Vector[];
  readonly changed: readonly Vector[];
}

/** The rejection of row `i`. Its id is the same at each replay (rule 31); masked values appear only as they leave. */
export function rejectionOf(spec: NormalizeSpec, plan: StreamPlan, columns: Columns, row: { i: number; reasons: Reasons }): Rejection {
  const shown = new Map<string, string | null>();
  plan.columns.forEach((column, c) => {
    const changed = columns.changed[c];
    if (!changed || changed.validity?.[row.i] === UNAVAILABLE) return;
    const text = canonicalText(changed, row.i);
    // A value that could not be changed is shown as it came, unless it is one that must not leave.
    const given = columns.given[c];
    shown.set(column.target.name, text ?? (column.masked || !given ? null : canonicalText(given, row.i)));
  });
  const key = new Map(plan.key.flatMap((c) => {
    const name = plan.columns[c]?.target.name;
    return name === undefined ? [] : [[name, shown.get(name) ?? null] as const];
  }));
  const known = key.size > 0 && [...key.values()].every((text) => text !== null);
  const secret = known ? [] : plan.columns.flatMap((column, c) => secretText(spec, column.source.name, columns.given[c], row.i));
  return {
    id: idOf(spec.stream, known ? [...key.values()] : [...[...shown].flat(), ...secret]), stream: spec.stream, ...row.reasons[0], reason: row.reasons.map(({ reason }) => reason).join(' '),
    ...(known && { key: Object.fromEntries(key) }), row: Object.fromEntries(shown),
  };
}

/** Tells rows apart whose hash failed, without saying what they hold. */
function secretText(spec: NormalizeSpec, column: string, given: Vector | undefined, i: number): string[] {
  const rule = ruleOf(spec, column)?.hash;
  const text = rule && given ? canonicalText(given, i) : null;
  return rule && text !== null ? [createHmac('sha256', domainKey(rule.key, `rejection:${spec.stream}.${column}`)).update(text).digest('hex')] : [];
}

function idOf(stream: string, texts: readonly (string | null)[]): string {
  return createHash('sha256').update(JSON.stringify([stream, ...texts])).digest('hex');
}

/** A rejection of the source's, which knows nothing of masking: what must not leave is taken out, and names become the target's. */
export function normalizeRejection(spec: NormalizeSpec, names: ReadonlyMap<string, string>, rejection: Rejection): Rejection {
  const clean = (object: JsonObject): JsonObject => Object.fromEntries(Object.entries(object)
    .filter(([name]) => isKept(spec, name) && !isMasked(ruleOf(spec, name)))
    .map(([name, value]) => [names.get(name) ?? name, value]));
  const hidden = rejection.column !== undefined && (!isKept(spec, rejection.column) || isMasked(ruleOf(spec, rejection.column)));
  const masked = Object.entries(spec.columns).filter(([, rule]) => isMasked(rule));
  const key = rejection.key && clean(rejection.key);
  return {
    ...rejection,
    id: rejection.key ? maskedId(spec, rejection.key, rejection.id) : masked.reduce((id, [name]) => maskedId(spec, { [name]: null }, id), rejection.id),
    reason: hidden ? `Column ${rejection.column ?? ''}: ${rejection.code}.` : rejection.reason,
    row: clean(rejection.row),
    ...(key && { key }),
  };
}

/** A plain hash of a key that is hashed with a key would give that key away. */
function maskedId(spec: NormalizeSpec, key: JsonObject, id: string): string {
  return Object.keys(key).reduce((masked, name) => {
    const rule = ruleOf(spec, name)?.hash;
    return rule ? createHmac('sha256', domainKey(rule.key, `rejection:${spec.stream}`)).update(masked).digest('hex') : masked;
  }, id);
}

import { createHash } from 'node:crypto';
import type { Naming } from './spec.ts';

/** What a name at the destination is made from. */
export interface NameRules {
  readonly naming: Naming;
  readonly maxNameBytes: number;
  readonly caseSensitiveNames: boolean;
  /** Source names that keep their plain form when a newcomer would have the same. */
  readonly known: ReadonlySet<string>;
  /** Names that the job itself gives, by source name. */
  readonly renames: ReadonlyMap<string, string>;
}

export interface Names {
  /** Target name by source name. */
  readonly targets: ReadonlyMap<string, string>;
  /** Source names that meet in a name that the job itself gives to one of them, which comes first. */
  readonly clashes: readonly (readonly string[])[];
}

/**
 * Target names: the same for the same set of columns in whatever order, and never two alike. Where two source names meet,
 * the one that is spelt so at the source, or that was there before, keeps the name; others get a hash. What the job names meets nothing.
 */
export function targetNames(sources: readonly string[], rules: NameRules): Names {
  const fold = (name: string): string => (rules.caseSensitiveNames ? name : name.toLowerCase());
  const groups = new Map<string, { source: string; plain: string; rank: number }[]>();
  for (const source of sources) {
    const plain = cut(rules.renames.get(source) ?? convert(source, rules.naming), source, rules.maxNameBytes);
    const group = groups.get(fold(plain)) ?? [];
    group.push({ source, plain, rank: rankOf(source, plain, rules) });
    groups.set(fold(plain), group);
  }
  const targets = new Map<string, string>();
  const clashes: string[][] = [];
  const rest: { source: string; plain: string }[] = [];
  for (const group of groups.values()) {
    const best = Math.max(...group.map((entry) => entry.rank));
    const first = group.filter((entry) => entry.rank === best);
    const [only] = first;
    if (best === RENAMED && group.length > 1) clashes.push([...first, ...group.filter((entry) => entry.rank !== best)].map((entry) => entry.source));
    for (const entry of group) {
      if (first.length === 1 && entry === only) targets.set(entry.source, entry.plain);
      else rest.push(entry);
    }
  }
  const taken = new Set(groups.keys());
  // By source name, so that the order of the columns decides nothing.
  for (const { source, plain } of rest.sort((a, b) => (a.source < b.source ? -1 : 1))) {
    let name = plain;
    for (let digits = 8; taken.has(fold(name)); digits += 8) name = withHash(plain, source, digits, rules.maxNameBytes);
    taken.add(fold(name));
    targets.set(source, name);
  }
  return { targets, clashes };
}

const RENAMED = 4;

function rankOf(source: string, plain: string, rules: NameRules): number {
  if (rules.renames.has(source)) return RENAMED;
  return (plain === source ? 2 : 0) + (rules.known.has(source) ? 1 : 0);
}

function convert(name: string, naming: Naming): string {
  switch (naming) {
    case 'as_is': return name;
    case 'lower': return name.toLowerCase();
    case 'snake': return snake(name) || 'column';
    case 'camel': {
      const [first = '', ...others] = snake(name).split('_').filter((word) => word !== '');
      return first + others.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('') || 'column';
    }
  }
}

/** `HTTPServerId` → `http_server_id`. */
export function snake(name: string): string {
  return name.normalize('NFC')
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1_$2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1_$2')
    .replace(/[^\p{L}\p{M}\p{N}_]+/gu, '_')
    .toLowerCase();
}

function digest(source: string, digits: number): string {
  return createHash('sha256').update(source).digest('hex').slice(0, digits);
}

/** A name that is too long is cut and ends in a hash of the whole, so that no two long names meet. */
export function cut(name: string, source: string, maxBytes: number): string {
  return Buffer.byteLength(name) <= maxBytes ? name : withHash(name, source, 8, maxBytes);
}

function withHash(name: string, source: string, digits: number, maxBytes: number): string {
  const suffix = `_${digest(source, digits)}`;
  let kept = '';
  let bytes = suffix.length;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    kept += character;
  }
  return kept + suffix;
}

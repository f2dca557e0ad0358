import { createHash } from 'node:crypto';
import type { Naming } from './spec.ts';

/** What a name at the destination is made from. */
export interface NameRules {
  readonly naming: Naming;
  readonly maxNameBytes: number;
  readonly caseSensitiveNames: boolean;
  /** Names that columns bear from earlier loads, by source name: also of columns that are gone, whose values may still stand there. */
  readonly held: ReadonlyMap<string, string>;
  /** Names that the job itself gives, by source name. */
  readonly renames: ReadonlyMap<string, string>;
}

export interface Names {
  /** Target name by source name. */
  readonly targets: ReadonlyMap<string, string>;
  /** Source names that meet in a name that the job itself gives to one of them, which comes first. */
  readonly clashes: readonly (readonly string[])[];
}

/** A target name that a column asks for. */
interface Claim {
  readonly source: string;
  readonly name: string;
  readonly rank: number;
}

/**
 * Target names: the same for the same set of columns in whatever order, and never two alike. What a column was called before
 * it is called again, and nothing else is. Where two source names meet, the one that is spelt so at the source keeps the name;
 * others get a hash. What the job names meets nothing.
 */
export function targetNames(sources: readonly string[], rules: NameRules): Names {
  const fold = (name: string): string => (rules.caseSensitiveNames ? name : name.toLowerCase());
  const groups = new Map<string, Claim[]>();
  for (const source of new Set([...sources, ...rules.held.keys()])) {
    const claim = claimOf(source, rules);
    const group = groups.get(fold(claim.name));
    if (group) group.push(claim);
    else groups.set(fold(claim.name), [claim]);
  }
  const { winners, losers, clashes } = contest([...groups.values()]);
  const targets = new Map(winners.map(({ source, name }) => [source, name]));
  const taken = new Set(groups.keys());
  // By source name, so that the order of the columns decides nothing.
  for (const { source, name: wanted } of losers.toSorted((a, b) => (a.source < b.source ? -1 : 1))) {
    let name = wanted;
    for (let digits = HASH_DIGITS; taken.has(fold(name)); digits += HASH_DIGITS) name = withHash(wanted, source, digits, rules.maxNameBytes);
    taken.add(fold(name));
    targets.set(source, name);
  }
  return { targets, clashes };
}

/** Of those that meet in a name, the one with the highest rank has it, if it is alone there. */
function contest(groups: readonly (readonly Claim[])[]): { winners: readonly Claim[]; losers: readonly Claim[]; clashes: Names['clashes'] } {
  const winners: Claim[] = [];
  const losers: Claim[] = [];
  const clashes: string[][] = [];
  for (const group of groups) {
    const best = Math.max(...group.map(({ rank }) => rank));
    const first = group.filter(({ rank }) => rank === best);
    const others = group.filter(({ rank }) => rank !== best);
    if (best === RENAMED && group.length > 1) clashes.push([...first, ...others].map(({ source }) => source));
    if (first.length === 1) winners.push(...first);
    else losers.push(...first);
    losers.push(...others);
  }
  return { winners, losers, clashes };
}

const RENAMED = 3;
const HELD = 2;
const SPELT_SO = 1;

function claimOf(source: string, rules: NameRules): Claim {
  const plain = cut(rules.renames.get(source) ?? convert(source, rules.naming), source, rules.maxNameBytes);
  if (rules.renames.has(source)) return { source, name: plain, rank: RENAMED };
  const held = rules.held.get(source);
  if (held !== undefined && (held === plain || isHashed(held, plain, source, rules.maxNameBytes))) return { source, name: held, rank: HELD };
  return { source, name: plain, rank: plain === source ? SPELT_SO : 0 };
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
  return Buffer.byteLength(name) <= maxBytes ? name : withHash(name, source, HASH_DIGITS, maxBytes);
}

const HASH_DIGITS = 8;
const ALL_DIGITS = 64;

/** Whether these rules could have given the name to a column that met another: a changed convention gives new names. */
function isHashed(name: string, plain: string, source: string, maxBytes: number): boolean {
  for (let digits = HASH_DIGITS; digits <= ALL_DIGITS; digits += HASH_DIGITS) if (name === withHash(plain, source, digits, maxBytes)) return true;
  return false;
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

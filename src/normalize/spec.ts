import type { LogicalType } from '../batch/types.ts';
import type { Target } from '../sdk/contract.ts';

/** A key for hashing. The material never leaves the process and is never printed. */
export interface HashKey {
  /** Public name of the key, kept in column metadata and state. */
  readonly id: string;
  readonly master: Uint8Array;
}

export interface HashRule {
  readonly method: 'hmac-sha256';
  readonly key: HashKey;
  /** Default: stream and column, which makes values of two columns unlinkable; a shared name makes joins work. */
  readonly domain?: string;
  /** Applied to the text before hashing. */
  readonly normalizer?: 'email' | 'phone';
}

export interface MaskRule {
  /** Characters left as they are at the start and at the end. */
  readonly keepFirst: number;
  readonly keepLast: number;
  readonly with: string;
}

/** What happens to one column, by its source name. Several may apply: rename and cast beside one of the others. */
export interface ColumnRule {
  readonly drop?: true;
  readonly rename?: string;
  readonly cast?: LogicalType;
  readonly hash?: HashRule;
  readonly mask?: MaskRule;
  /** Replaces every present value by this text. */
  readonly redact?: string;
  /** Keeps this many characters. */
  readonly truncate?: number;
}

export type Naming = 'as_is' | 'snake' | 'lower' | 'camel';

export type RowCheck =
  | { readonly check: 'not_null'; readonly column: string }
  | { readonly check: 'in'; readonly column: string; readonly values: readonly string[] }
  | { readonly check: 'matches'; readonly column: string; readonly pattern: string }
  | { readonly check: 'range'; readonly column: string; readonly min?: string; readonly max?: string };

export type ContractColumns = 'evolve' | 'freeze' | 'discard_row' | 'discard_value';

/** How one stream is normalised. Pure data but for hash keys. */
export interface NormalizeSpec {
  readonly stream: string;
  readonly target: Target;
  readonly columns: Readonly<Record<string, ColumnRule>>;
  /** A column without a rule: kept, or dropped (an allowlist that fails closed). */
  readonly others: 'keep' | 'drop';
  readonly naming: Naming;
  readonly contract: { readonly columns: ContractColumns; readonly types: 'widen' | 'freeze' | 'discard_row' };
  /** Source columns of the last published load; undefined: the contract begins with the first schema seen. */
  readonly knownColumns?: readonly string[];
  /** What each was called at the destination, of all columns that it ever had. */
  readonly knownNames?: Readonly<Record<string, string>>;
  /** Their types, to which the contract holds them; undefined: those of the first schema seen. */
  readonly knownTypes?: Readonly<Record<string, LogicalType>>;
  readonly checks: readonly RowCheck[];
  readonly badRows: 'quarantine' | 'fail';
  /** NUL, invalid UTF-8, lone surrogates in text. Counted whatever it is. */
  readonly badText: 'strip' | 'replace' | 'fail' | 'quarantine' | 'keep';
  /** Longest name in bytes at the destination; longer ones are cut with a hash, injectively. */
  readonly maxNameBytes: number;
  readonly caseSensitiveNames: boolean;
}

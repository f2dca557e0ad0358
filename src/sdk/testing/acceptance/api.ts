import type { Capabilities, Destination, JsonObject, Target, WriteMode } from '../../contract.ts';
import type { TableRow } from '../compare.ts';
import type { Bench } from './bench.ts';

/** Vitest's functions, handed in so that the SDK does not depend on it. */
export type TestApi = Pick<typeof import('vitest'), 'describe' | 'test' | 'expect' | 'beforeAll' | 'afterAll'>;

/** What a destination gives so that its promises can be checked from outside. */
export interface DestinationUnderTest {
  readonly name: string;
  /** Called before all else; removed by `stop`. */
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Another process's view of the same server, folder or file. With `processes: 1` it is called once for a test. */
  make(): Promise<Destination>;
  /** What a reader sees now: values as canonical texts by target column, in order of writing where there is one; none when there is no table. */
  readTable(target: Target, destination: Destination): Promise<readonly TableRow[]>;
  /** What is declared, before any is made: it equals that of the made ones. */
  readonly capabilities: Capabilities;
  /** `readTable` shows an append log in its order. */
  readonly ordered?: boolean;
  /** Someone drops the table behind our back. */
  dropTarget?(target: Target, destination: Destination): Promise<void>;
  /** Set on every target: schema or folder, options. */
  readonly target?: { readonly schema?: string; readonly options?: JsonObject };
  /** Seeds of whole scripted runs for each mode; default 3. */
  readonly scriptedSeeds?: number;
}

/** What a test needs of the destination; what is lacking is printed with what was left out. */
export type Need = WriteMode | 'soft deletes' | 'hard deletes' | 'changes' | 'many processes' | 'two sessions' | 'dropTarget' | 'rebuild of merge';

export interface RuleTest {
  /** Begins with the rule's number. */
  readonly name: string;
  readonly needs?: readonly Need[];
  run(bench: Bench): Promise<void>;
}

/** The first need that the destination does not declare, or undefined. */
export function lacking(under: DestinationUnderTest, needs: readonly Need[] = []): Need | undefined {
  const { capabilities } = under;
  const has = (need: Need): boolean => {
    switch (need) {
      case 'soft deletes': return capabilities.deletes.includes('soft');
      case 'hard deletes': return capabilities.deletes.includes('hard');
      case 'changes': return capabilities.takesChanges;
      case 'many processes': return capabilities.processes === 'many';
      case 'two sessions': return capabilities.maxSessions > 1;
      case 'dropTarget': return under.dropTarget !== undefined;
      case 'rebuild of merge': return capabilities.takesChanges && capabilities.writeModes.includes('merge');
      case 'append': case 'merge': case 'replace': case 'scd2': return capabilities.writeModes.includes(need);
    }
  };
  return needs.find((need) => !has(need));
}

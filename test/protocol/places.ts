import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { emptyStore, memoryDestination, memoryTable, TestNetwork, testPorts, type MemoryStore, type NetworkFault, type Seeded, type TableRow } from '#testing';
import { MemoryServer } from '../../src/sdk/testing/memory-server.ts';
import type { Capabilities, ConnectorContext, Destination, JobState, JsonObject, PipeId, Target } from '#sdk';

/** A destination that lies somewhere: processes come and go, it stays. */
export interface Place {
  readonly capabilities: Capabilities;
  /** Set on each target of the job. */
  readonly target?: { readonly schema?: string; readonly options?: JsonObject };
  /** What a dead run had decided shows only after the next claim (rules 13 and 26). */
  readonly settlesAtClaim?: boolean;
  /** Its steps that are named (docs/testing.md). */
  readonly failpoints: readonly string[];
  /** `readTables` shows an append log in its order. */
  readonly ordered: boolean;
  /** A process opens it. `faults` draws what the wire does, where that can be simulated. */
  open(faults?: Seeded): Promise<Destination>;
  /** What readers see now, table by table. Undefined: they have to wait, since a paused run holds a table. */
  readTables(targets: readonly Target[]): Promise<readonly (readonly TableRow[])[] | undefined>;
  /** State and tables of one instant, where that can be had between two steps of this process. */
  now?(pipe: PipeId): { readonly state: JobState; table(target: Target): readonly TableRow[] };
  /** What was overtaken arrives. */
  deliverLate(): void;
  remove(): Promise<void>;
}

/** Makes places of one kind. `at` is a folder that a child process may share. */
export interface PlaceKind {
  readonly name: string;
  make(at: string): Promise<Place>;
  /** Servers that all places of the kind share. */
  stop?(): Promise<void>;
}

export const KINDS: Readonly<Record<string, () => Promise<PlaceKind>>> = {
  memory: () => Promise.resolve({ name: 'memory', make: memoryPlace }),
  jsonl: async () => (await import('./places-file.ts')).fileKind('jsonl'),
  parquet: async () => (await import('./places-file.ts')).fileKind('parquet'),
  duckdb: async () => (await import('./places-duckdb.ts')).duckdbKind(),
  postgres: async () => (await import('./places-postgres.ts')).postgresKind(),
};

/** In memory where the machine has such a folder: processes are killed here, never the machine. */
export function temporaryFolder(): string {
  return mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'etl-round-'));
}

/** The failpoints of these rooms, as docs/testing.md lists them (a test holds the list to the code). */
export function failpointsOf(...rooms: readonly string[]): string[] {
  const text = readFileSync(new URL('../../docs/testing.md', import.meta.url), 'utf8');
  return [...text.matchAll(/^- `([^`]+)`$/gm)].map((match) => match[1] ?? '').filter((name) => rooms.includes(name.split('.')[0] ?? ''));
}

export function contextFor(directory: string, seed: number): ConnectorContext {
  return { ports: testPorts(seed, { eager: true }), directory, maxBufferedBytes: 1 << 24, note: () => undefined };
}

const MEMORY_CALLS = ['claim', 'begin', 'open', 'schema', 'stage', 'commit', 'publish', 'reset'];

/** The store lies in one file, written whole and renamed at each step of the server, so that a killed child leaves it as it was. */
function memoryPlace(at: string): Promise<Place> {
  const file = join(at, 'store.json');
  const store: MemoryStore = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as MemoryStore) : emptyStore();
  const reload = (): void => { if (existsSync(file)) Object.assign(store, JSON.parse(readFileSync(file, 'utf8')) as MemoryStore); };
  const saved = (): void => {
    if (process.send === undefined && !existsSync(file)) return; // only where a child shares it
    writeFileSync(`${file}.new`, JSON.stringify(store));
    renameSync(`${file}.new`, file);
  };
  const networks: TestNetwork[] = [];
  return Promise.resolve({
    capabilities: memoryDestination().capabilities,
    ordered: true,
    open: (faults?: Seeded) => {
      reload();
      const network = new TestNetwork(() => faultOf(faults));
      networks.push(network);
      return Promise.resolve(memoryDestination({ store, network, saved }));
    },
    failpoints: MEMORY_CALLS.flatMap((call) => [`memory.${call}.sending`, `memory.${call}.sent`]),
    readTables: (targets: readonly Target[]) => {
      reload();
      return Promise.resolve(targets.map((target) => memoryTable(store, target.table)));
    },
    now: (pipe: PipeId) => ({ state: new MemoryServer(store).state(pipe), table: (target: Target) => memoryTable(store, target.table) }),
    deliverLate: () => { for (const network of networks) network.deliverLate(); },
    remove: () => {
      rmSync(at, { recursive: true, force: true });
      return Promise.resolve();
    },
  });
}

function faultOf(faults: Seeded | undefined): NetworkFault | undefined {
  return faults?.chance(0.04) ? faults.pick(['lost before', 'lost after', 'late']) : undefined;
}

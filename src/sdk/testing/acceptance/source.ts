import { memoryInUse, poisonReleased, rows, type ChangeRow } from '#batch';
import type { Checkpoint, JobState, Load, Reading, RunToken, Selection, Source, SourceMessage, Split } from '../../contract.ts';
import type { TestApi } from './api.ts';

/** What a source gives so that its promises can be checked from outside. The tables stand still while the suite runs. */
export interface SourceUnderTest {
  readonly name: string;
  start?(): Promise<void>;
  stop?(): Promise<void>;
  /** Another process's view of the same system. */
  make(): Promise<Source>;
  readonly selection: () => readonly Selection[];
  /** A text that changes when anything at the system does: slots, tables. Proves that discover and plan only read. */
  fingerprint?(): Promise<string>;
  /** Most splits to plan for; default 3. */
  readonly maxSplits?: number;
}

const EMPTY: JobState = { runEpoch: 1, streams: {}, loads: [] };
const NEVER = new AbortController().signal;
/** No more than this may come after a stop: what was on its way. */
const MESSAGES_AFTER_STOP = 64;

interface Begun {
  readonly source: Source;
  readonly load: Load;
  readonly reading: Reading;
}
type Place = { readonly under: SourceUnderTest; readonly expect: TestApi['expect'] };
interface SourceTest {
  readonly name: string;
  run(place: Place): Promise<void>;
}

/** Registers a test for each promise of a source. */
export function sourceAcceptance(under: SourceUnderTest, api: TestApi): void {
  api.describe(`source ${under.name}`, () => {
    api.beforeAll(async () => {
      poisonReleased(0xdb);
      await under.start?.();
    });
    api.afterAll(async () => {
      poisonReleased(undefined);
      await under.stop?.();
    });
    for (const { name, run } of TESTS) {
      api.test(name, async () => {
        const before = memoryInUse();
        await run({ under, expect: api.expect });
        api.expect(memoryInUse(), 'bytes of batches that were not released').toBe(before);
      });
    }
  });
}

const TESTS: readonly SourceTest[] = [
  {
    name: 'rule 22: identity is the same for every process',
    async run({ under, expect }) {
      await using one = await under.make();
      await using two = await under.make();
      expect(await one.identity()).toBe(await two.identity());
      expect((await one.identity()).length).toBeGreaterThan(0);
    },
  },
  {
    name: 'discover and plan read only, and give every stream its load',
    async run({ under, expect }) {
      await using source = await under.make();
      const before = await under.fingerprint?.();
      const catalogue = (await source.discover()).map((info) => info.name);
      const loads = await planned(source, under);
      for (const { stream, query } of under.selection()) {
        if (query === undefined) expect(catalogue).toContain(stream);
        expect(loads.filter((load) => load.streams.includes(stream)), stream).toHaveLength(1);
      }
      expect(await under.fingerprint?.()).toBe(before);
    },
  },
  {
    name: 'rule 4: loads, splits and positions are plain JSON, split ids unique in their load',
    async run({ under, expect }) {
      await eachLoad(under, ({ load, reading }) => {
        expect(JSON.parse(JSON.stringify(load))).toEqual(load);
        expect(JSON.parse(JSON.stringify(reading))).toEqual(reading);
        expect(new Set(load.splits.map((split) => split.id)).size).toBe(load.splits.length);
        if (load.kind === 'live') expect(load.splits).toHaveLength(1);
        else expect(Object.keys(load.positions).sort()).toEqual([...load.streams].sort());
        return Promise.resolve();
      });
    },
  },
  {
    name: 'rule 1: a read ends with a checkpoint marked last, and nothing after it',
    async run({ under, expect }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        const { messages } = await readAll(source, reading, split);
        expect(messages.at(-1)).toMatchObject({ type: 'checkpoint', last: true });
        expect(messages.filter((message) => message.type === 'checkpoint' && message.last)).toHaveLength(1);
      });
    },
  },
  {
    name: 'a schema comes before a stream\'s first batch of every read, and a batch has the schema that was said',
    async run({ under, expect }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        const said = new Map<string, readonly string[]>();
        for await (const message of source.read(reading, split, undefined, NEVER)) {
          if (message.type === 'schema') said.set(message.stream, message.schema.fields.map((field) => field.name));
          if (message.type !== 'batch') continue;
          expect(split.streams).toContain(message.stream);
          expect(message.batch.schema.fields.map((field) => field.name)).toEqual(said.get(message.stream));
          message.batch.release();
        }
      });
    },
  },
  {
    name: 'rule 2: from every checkpoint the read goes on with exactly what had not come',
    async run({ under, expect }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        const whole = await readAll(source, reading, split);
        for (const at of spread(whole.checkpoints)) {
          const rest = await readAll(source, reading, split, at.checkpoint);
          expect(rest.rows, `from ${JSON.stringify(at.checkpoint.position)}`).toEqual(perStream(whole.flat.slice(at.rows)));
        }
      });
    },
  },
  {
    name: 'rule 1: a stop is answered soon, and what was given before it can be gone on from',
    async run({ under, expect }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        const whole = await readAll(source, reading, split);
        const stop = new AbortController();
        let after = 0;
        let given: Checkpoint | undefined;
        for await (const message of source.read(reading, split, undefined, stop.signal)) {
          if (stop.signal.aborted) after++;
          if (message.type === 'checkpoint') given = message;
          if (message.type === 'batch') {
            message.batch.release();
            stop.abort();
          }
        }
        expect(after).toBeLessThanOrEqual(MESSAGES_AFTER_STOP);
        const at = whole.checkpoints.find(({ checkpoint }) => JSON.stringify(checkpoint.position) === JSON.stringify(given?.position));
        if (!given || !at) return;
        expect((await readAll(source, reading, split, given)).rows).toEqual(perStream(whole.flat.slice(at.rows)));
      });
    },
  },
  {
    name: 'an abandoned read gives all its memory back',
    async run({ under }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        for await (const message of source.read(reading, split, undefined, NEVER)) {
          if (message.type !== 'batch') continue;
          message.batch.release();
          break;
        }
      });
    },
  },
  {
    name: 'rule 12: another process goes on with the load, or says that it is lost',
    async run({ under, expect }) {
      const begun = await beginAll(under);
      const before = await Promise.all(begun.map(async ({ source, load, reading }) => load.splits[0] && perStream((await readAll(source, reading, load.splits[0])).flat)));
      for (const { source } of begun) await source[Symbol.asyncDispose]();
      for (const [i, { load }] of begun.entries()) {
        await using source = await opened(under);
        const reading = await source.resume(load, token(2));
        const split = load.splits[0];
        if (reading !== 'lost' && split && load.kind === 'parts') expect((await readAll(source, reading, split)).rows).toEqual(before[i]);
      }
    },
  },
  {
    name: 'rule 19: acknowledge may be repeated',
    async run({ under, expect }) {
      await eachSplit(under, async ({ source, reading }, split) => {
        const last = (await readAll(source, reading, split)).checkpoints.at(-1)?.checkpoint;
        if (!last || !source.acknowledge) return;
        await source.acknowledge(split, last.position);
        await source.acknowledge(split, last.position);
        expect((await readAll(source, reading, split, last)).flat).toEqual([]);
      });
    },
  },
];

function token(runEpoch: number): RunToken {
  return { pipe: 'acceptance', runEpoch, runId: `run-${runEpoch}` };
}

let loads = 0;
function planned(source: Source, under: SourceUnderTest): Promise<readonly Load[]> {
  return source.plan(under.selection(), EMPTY, { maxSplits: under.maxSplits ?? 3, nextLoadId: () => `acceptance-${process.pid}-${++loads}` });
}

/** As each process of a run opens it: the catalogue is read first, with the job's queries. */
async function opened(under: SourceUnderTest): Promise<Source> {
  const source = await under.make();
  await source.discover({ queries: Object.fromEntries(under.selection().flatMap(({ stream, query }) => (query === undefined ? [] : [[stream, query]]))) });
  return source;
}

async function beginAll(under: SourceUnderTest): Promise<Begun[]> {
  const begun: Begun[] = [];
  const planner = await opened(under);
  const plans = await planned(planner, under);
  await planner[Symbol.asyncDispose]();
  for (const load of plans) {
    const source = await opened(under);
    begun.push({ source, ...await source.begin(load, token(1)) });
  }
  return begun;
}

async function eachLoad(under: SourceUnderTest, visit: (begun: Begun) => Promise<void>): Promise<void> {
  const all = await beginAll(under);
  try {
    for (const begun of all) await visit(begun);
  } finally {
    for (const { source } of all) await source[Symbol.asyncDispose]();
  }
}

function eachSplit(under: SourceUnderTest, visit: (begun: Begun, split: Split) => Promise<void>): Promise<void> {
  return eachLoad(under, async (begun) => {
    for (const split of begun.load.splits) await visit(begun, split);
  });
}

interface FlatRow {
  readonly stream: string;
  readonly text: string;
}
interface Whole {
  readonly messages: readonly SourceMessage[];
  readonly flat: readonly FlatRow[];
  readonly rows: Readonly<Record<string, readonly string[]>>;
  /** With how many rows had come before each. */
  readonly checkpoints: readonly { readonly checkpoint: Checkpoint; readonly rows: number }[];
}

async function readAll(source: Source, reading: Reading, split: Split, from?: Checkpoint): Promise<Whole> {
  const messages: SourceMessage[] = [];
  const flat: FlatRow[] = [];
  const checkpoints: Whole['checkpoints'][number][] = [];
  for await (const message of source.read(reading, split, from?.position, NEVER)) {
    messages.push(message);
    if (message.type === 'checkpoint') checkpoints.push({ checkpoint: message, rows: flat.length });
    if (message.type === 'truncate') flat.push({ stream: message.stream, text: 'truncate' });
    if (message.type !== 'batch') continue;
    for (const row of rows(message.batch)) flat.push({ stream: message.stream, text: textOf(row) });
    message.batch.release();
  }
  return { messages, flat, rows: perStream(flat), checkpoints };
}

function textOf({ values, op, oldKey }: ChangeRow): string {
  return JSON.stringify({ op: op ?? 'snapshot', oldKey, values }, (_, value: unknown) =>
    (typeof value === 'bigint' ? String(value) : typeof value === 'symbol' ? '\u0000unavailable' : value));
}

function perStream(flat: readonly FlatRow[]): Record<string, string[]> {
  const streams: Record<string, string[]> = {};
  for (const { stream, text } of flat) streams[stream] = [...streams[stream] ?? [], text];
  return streams;
}

/** At most a dozen of them, first and last among them. */
function spread<T>(list: readonly T[]): T[] {
  const step = Math.max(1, Math.floor(list.length / 12));
  return list.filter((_, i) => i % step === 0 || i === list.length - 1);
}

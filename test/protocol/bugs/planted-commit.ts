import type { Catcher, PlantedBug } from './harness.ts';

const MEMORY_SERVER = 'src/sdk/testing/memory-server.ts';
const MEMORY = 'src/sdk/testing/memory-destination.ts';
const INTENTS = 'connectors/_shared/commit-log/intents.ts';
const FOLD = 'connectors/_shared/commit-log/fold.ts';
export const memorySuite: Catcher = { suite: 'src/sdk/testing/memory.test.ts', project: 'unit' };
export const fileSuite: Catcher = { suite: 'connectors/file/acceptance.test.ts', project: 'service' };
/** One rule's tests: the whole suite takes minutes on a busy machine. */
export const duckdbTest = (only: string): Catcher => ({ suite: 'connectors/duckdb/acceptance.test.ts', project: 'service', only });
export const postgresSuite: Catcher = { suite: 'connectors/postgres/acceptance.test.ts', project: 'service' };

/** Commit, fences and epochs. */
export const commitBugs: readonly PlantedBug[] = [
  {
    name: 'state outside the transaction (SQL)',
    catcher: { rounds: 'postgres', write: 'append' },
    edits: [{
      file: 'connectors/_shared/sql/session.ts',
      find: "    const revision = count(before['revision']) + 1;\n",
      replace: "    const revision = count(before['revision']) + 1;\n    await session.commit();\n    await failpoint('sql.between');\n    await session.begin();\n",
    }],
  },
  {
    name: 'delete on unknown (files)',
    catcher: { rounds: 'jsonl' },
    edits: [{ file: 'connectors/file/session.ts', find: "if (this.state === 'open') await this.pipe.place.disk.unlink", replace: 'await this.pipe.place.disk.unlink' }],
  },
  {
    name: 'commit repeated on unknown (memory)',
    catcher: { rounds: 'memory' },
    edits: [
      { file: MEMORY, find: '  private refused: Rejection[] = [];\n', replace: '  private refused: Rejection[] = [];\n  private sent: StagedMessage[] = [];\n' },
      { file: MEMORY, find: '    const messages = this.waiting;\n', replace: '    const messages = this.waiting;\n    this.sent.push(...messages);\n' },
      {
        file: MEMORY,
        find: "    const receipt = await this.call('commit', () => this.parts.server.commit(this.parts.claimed, at, [...rejections, ...this.refused.splice(0)]));\n",
        replace: "    const send = () => this.call('commit', () => this.parts.server.commit(this.parts.claimed, at, rejections));\n    const receipt = await send().catch(async (error: EtlError) => {\n      if (error.kind !== 'transient') throw error;\n      this.ended = false;\n      this.waiting = this.sent;\n      await this.flush();\n      return send();\n    });\n    this.sent = [];\n",
      },
    ],
  },
  { name: 'looking without taking the epoch (memory)', catcher: memorySuite, edits: [{ file: MEMORY_SERVER, find: '      state.splitEpoch++;\n', replace: '' }] },
  {
    name: 'looking without taking the epoch (files)', catcher: fileSuite,
    edits: [{ file: INTENTS, find: 'opened.epoch = (split?.epoch ?? 0) + 1;', replace: 'opened.epoch = split?.epoch ?? 1;' }],
  },
  {
    name: 'looking without taking the epoch (SQL)', catcher: duckdbTest('rule 7: open raises'),
    edits: [{ file: 'connectors/_shared/sql/session.ts', find: 'set split_epoch = split_epoch + 1', replace: 'set split_epoch = split_epoch' }],
  },
  {
    name: 'commit without the load check (files)', catcher: fileSuite,
    edits: [{ file: INTENTS, find: "      if (!load) return fenced('load');\n      if (split?.epoch !== body.epoch) return fenced('split');\n", replace: "      if (split && split.epoch !== body.epoch) return fenced('split');\n" }],
  },
  {
    name: 'commit without the load check (SQL)', catcher: duckdbTest('rule 7: a session of a load'),
    edits: [{ file: 'connectors/_shared/sql/fence.ts', find: '      if (!writable) throw database', replace: "      if (!writable && load.id === '') throw database" }],
  },
  { name: 'commit without the split epoch (files)', catcher: fileSuite, edits: [{ file: INTENTS, find: "      if (split?.epoch !== body.epoch) return fenced('split');\n", replace: '' }] },
  {
    name: 'commit without the split epoch (SQL)', catcher: duckdbTest('rule 7: open raises'),
    edits: [{ file: 'connectors/_shared/sql/fence.ts', find: "if (row && count(row['split_epoch']) === at.epoch) return row;", replace: 'if (row) return row;' }],
  },
  {
    name: 'publish without comparing the incarnation (memory)', catcher: memorySuite,
    edits: [{ file: MEMORY_SERVER, find: '      if (!open.load.rebuild) this.checkIncarnations(pipe, open, wanted);\n', replace: '' }],
  },
  {
    name: 'publish without comparing the incarnation (files)', catcher: fileSuite,
    edits: [{ file: 'connectors/file/run.ts', find: '      if (wanted !== undefined && id !== wanted) throw targetLost(table);\n', replace: '' }],
  },
  {
    name: 'publish without comparing the incarnation (SQL)', catcher: duckdbTest('rule 22: a target that was dropped'),
    edits: [{ file: 'connectors/_shared/sql/publish.ts', find: '  else await checkIncarnations(context, control, held.load.targets', replace: '  else if (open.length < 0) await checkIncarnations(context, control, held.load.targets' }],
  },
  {
    name: 'a target created anew while state names one (memory)', catcher: memorySuite,
    edits: [
      { file: MEMORY_SERVER, find: 'if (named !== undefined && table?.incarnation !== named)', replace: 'if (named !== undefined && table && table.incarnation !== named)' },
      { file: 'src/sdk/testing/memory-effects.ts', find: '  if (stream.incarnations[target.table] === undefined) stream.incarnations', replace: '  stream.incarnations' },
    ],
  },
  {
    name: 'a target created anew while state names one (SQL)', catcher: duckdbTest('rule 22: a target that was dropped'),
    edits: [{ file: 'connectors/_shared/sql/incarnation.ts', find: 'if (known !== undefined && found[index] !== known)', replace: 'if (known !== undefined && found[index] !== undefined && found[index] !== known)' }],
  },
  { name: 'reset keeps an append\'s rows (memory)', catcher: memorySuite, edits: [{ file: MEMORY_SERVER, find: '        else state.rebuild = true;\n', replace: '' }] },
  { name: 'reset keeps an append\'s rows (files)', catcher: fileSuite, edits: [{ file: FOLD, find: '    delete stream.position;\n    stream.rebuild = true;\n', replace: '    delete stream.position;\n' }] },
  {
    name: 'reset keeps an append\'s rows (SQL)', catcher: duckdbTest('rule 8: after reset'),
    edits: [{ file: 'connectors/_shared/sql/run.ts', find: 'to === undefined || (before?.rebuild ?? false)', replace: 'before?.rebuild ?? false' }],
  },
  {
    name: 'stage named by split alone (memory)', catcher: memorySuite,
    edits: [{ file: MEMORY_SERVER, find: '  return `${load}/${split}/${splitEpoch}`;\n', replace: '  return `${load}/${split}${splitEpoch < 0}`;\n' }],
  },
  { name: 'begin without compare-and-set (memory)', catcher: memorySuite, edits: [{ file: MEMORY_SERVER, find: 'if (pipe.streams[stream]?.lastLoad !== after[stream]) throw', replace: 'if (after[stream] === \'never\') throw' }] },
  { name: 'begin without compare-and-set (files)', catcher: fileSuite, edits: [{ file: INTENTS, find: '      if (load.streams.some((stream) => fold.streams.get(stream)?.lastLoad !== after[stream])) return fenced(\'begin\');\n', replace: '' }] },
  {
    name: 'begin without compare-and-set (SQL)', catcher: duckdbTest('rule 4: begin compares'),
    edits: [{ file: 'connectors/_shared/sql/run.ts', find: 'if (last === after[stream]) continue;', replace: 'if (stream !== "") continue;' }],
  },
  {
    name: 'begin without the run epoch (memory)', catcher: memorySuite,
    edits: [{
      file: MEMORY_SERVER, find: '      const pipe = this.checkRun(token);\n      const stored = pipe.loads.find',
      replace: '      const pipe = this.store.pipes[token.pipe] ?? this.checkRun(token);\n      const stored = pipe.loads.find',
    }],
  },
  {
    name: 'begin without the run epoch (files)', catcher: fileSuite,
    edits: [{ file: INTENTS, find: "      if (fold.loads.has(load.id)) return 'done';\n      if (fold.run !== run) return fenced('run');\n", replace: "      if (fold.loads.has(load.id)) return 'done';\n" }],
  },
  {
    name: 'a live load complete and never published', catcher: { rounds: 'memory' },
    edits: [{ file: 'src/engine/run-load.ts', find: 'pipe.run.publish(load, load.streams))', replace: "(load.kind === 'live' ? Promise.resolve() : pipe.run.publish(load, load.streams)))" }],
  },
  {
    name: 'published from the position in memory (memory)', catcher: memorySuite,
    edits: [
      { file: MEMORY_SERVER, find: '    return this.atomic(() => {\n      const pipe = this.checkRun(claimed.token);\n      const open = this.checkLoad(pipe, claimed.load);\n      const split', replace: '    this.seen = at.position;\n    return this.atomic(() => {\n      const pipe = this.checkRun(claimed.token);\n      const open = this.checkLoad(pipe, claimed.load);\n      const split' },
      { file: MEMORY_SERVER, find: 'export class MemoryServer {\n', replace: "export class MemoryServer {\n  private seen: Checkpoint['position'] | undefined;\n" },
      { file: MEMORY_SERVER, find: "splits[load.splits[0]?.id ?? '']?.position : load", replace: "this.seen ?? splits[load.splits[0]?.id ?? '']?.position : load" },
    ],
  },
  {
    name: 'reset that lowers an epoch, without the load check (memory)', catcher: memorySuite,
    edits: [{ file: MEMORY_SERVER, find: '      endLoads(pipe, streams);\n      for (const stream of streams) {\n        const state', replace: '      pipe.runEpoch--;\n      endLoads(pipe, streams);\n      for (const stream of streams) {\n        const state' }],
  },
  {
    name: 'acknowledgement before the commit', catcher: { rounds: 'memory' },
    edits: [{ file: 'src/pipeline/run-split.ts', find: '  report.committed(await session.commit', replace: '  await acknowledge(at.position);\n  report.committed(await session.commit' }],
  },
];

import type { PlantedBug } from './harness.ts';
import { duckdbTest, fileSuite, memorySuite } from './planted-commit.ts';

const RUN_SPLIT = 'src/pipeline/run-split.ts';

/** Where reading begins, goes on and ends. */
export const splitBugs: readonly PlantedBug[] = [
  {
    name: 'an iterator\'s end taken for last', catcher: { rounds: 'memory' },
    edits: [
      { file: RUN_SPLIT, find: "  if (session.committed?.complete) return 'complete';\n", replace: "  if (session.committed?.complete) return 'complete';\n  let seen = session.committed?.position;\n" },
      { file: RUN_SPLIT, find: 'else if (!isDue(work, message))', replace: 'else if (((seen = message.position), !isDue(work, message)))' },
      {
        file: RUN_SPLIT, find: "  if (stop.aborted) return 'stopped';\n  throw",
        replace: "  if (seen) {\n    work.report.committed(await session.commit({ type: 'checkpoint', position: seen, last: true }, await session.flush()), []);\n    return 'complete';\n  }\n  if (stop.aborted) return 'stopped';\n  throw",
      },
    ],
  },
  {
    name: 'the tail before a stop lost', catcher: { rounds: 'memory' },
    edits: [
      { file: RUN_SPLIT, find: 'deliver({ normalize, cadence, report }', replace: 'deliver({ normalize, cadence, report, stop }' },
      { file: RUN_SPLIT, find: 'await session.accept({ ...part, batch });', replace: '{ if (stop.aborted) batch.release(); else await session.accept({ ...part, batch }); }' },
    ],
  },
  {
    name: 'split ids reused by the next load (files)', catcher: fileSuite,
    edits: [
      { file: 'connectors/_shared/commit-log/fold.ts', find: 'openStreams: new Set(load.streams), splits: new Map(), staged', replace: 'openStreams: new Set(load.streams), splits: kept, staged' },
      { file: 'connectors/_shared/commit-log/fold.ts', find: 'function begin(fold: Fold, load: Load): void {\n', replace: 'const kept = new Map<string, FoldedSplit>();\nfunction begin(fold: Fold, load: Load): void {\n' },
    ],
  },
  {
    name: 'ctid ranges continued under a new snapshot', catcher: { suite: 'test/protocol/scenarios.test.ts', project: 'service' },
    edits: [{ file: 'connectors/postgres/source.ts', find: "    return this.readings.get(load.id) ?? 'lost';\n", replace: '    this.snapshot ??= this.exportSnapshot();\n    return { snapshot: (await this.snapshot).snapshot };\n' }],
  },
  {
    name: '> for >= at a cursor', catcher: { suite: 'connectors/postgres/incremental.test.ts', project: 'service' },
    edits: [{
      file: 'connectors/postgres/source/incremental.ts',
      find: 'const further = after ? [beyond(passColumns(pass, selected), after, selected)] : [];',
      replace: 'const further = after ? [`${column} > ${quoteText(after[0] ?? \'\')}::${type}`] : [];',
    }],
  },
  {
    name: 'publish before the last part (memory)', catcher: memorySuite,
    edits: [{ file: 'src/sdk/testing/memory-server.ts', find: '      if (missing) throw', replace: '      if (missing?.id === \'\') throw' }],
  },
  {
    name: 'publish before the last part (files)', catcher: fileSuite,
    edits: [{ file: 'connectors/_shared/commit-log/intents.ts', find: '      if (missing !== undefined) {\n', replace: "      if (missing === '') {\n" }],
  },
  {
    name: 'publish before the last part (SQL)', catcher: duckdbTest('rule 13: publish is not legal'),
    edits: [{ file: 'connectors/_shared/sql/publish.ts', find: '  if (missing !== undefined) throw', replace: "  if (missing === '') throw" }],
  },
  {
    name: 'a dropped target with its state kept (memory)', catcher: memorySuite,
    edits: [{ file: 'src/sdk/testing/memory-server.ts', find: '    if (open.load.rebuild || (open.load.staged', replace: '    if (open.load.id || (open.load.staged' }],
  },
  {
    name: 'a dropped target with its state kept (SQL)', catcher: duckdbTest('rule 22: a target that was dropped'),
    edits: [{ file: 'connectors/_shared/sql/incarnation.ts', find: '  if (tables.length === 0) return;\n', replace: '  if (tables.length >= 0) return;\n' }],
  },
  {
    name: 'a dropped target with its state kept (files)', catcher: fileSuite,
    edits: [
      { file: 'connectors/file/run.ts', find: 'if (known !== undefined && (await incarnationOf(this.pipe, tableOf(target))) !== known)', replace: 'if (known === \'\')' },
      { file: 'connectors/file/folder.ts', find: '  if (known !== undefined && mark?.id !== known) throw targetLost(table);\n', replace: '' },
    ],
  },
];

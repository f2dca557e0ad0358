import type { PlantedBug } from './harness.ts';

const SESSION = 'connectors/_shared/sql/session.ts';
const PUBLISH = 'connectors/_shared/sql/publish.ts';
const RUN = 'connectors/_shared/sql/run.ts';
const FENCE = 'connectors/_shared/sql/fence.ts';
const FOLDER = 'connectors/file/folder.ts';
const LOG = 'connectors/_shared/commit-log/log.ts';
const INTENTS = 'connectors/_shared/commit-log/intents.ts';

const positionFirst: PlantedBug['edits'] = [{
  file: SESSION, find: "    await failpoint('sql.commit.held');\n",
  replace: `    await failpoint('sql.commit.held');
    await session.query(\`update \${STATE_SCHEMA}.splits set position = $4, complete = complete or $5 where pipe = $1 and load = $2 and split = $3\`, [token.pipe, load.id, split.id, json(at.position), at.last === true]);
    await session.commit();
    await session.begin();
`,
}];
/** Each fence alone is safe by the others: without any of them a zombie begins a load of its own. */
const noFences: PlantedBug['edits'] = [
  { file: FENCE, find: "if (row && count(row['run_epoch']) === token.runEpoch) return;", replace: 'if (row) return;' },
  { file: FENCE, find: '  if (!writable) throw', replace: "  if (!writable && load.id === '') throw" },
  { file: RUN, find: 'if (last === after[stream]) continue;', replace: 'if (stream !== "") continue;' },
];

/** Mistakes that only show when a process dies, is paused or is cut off: `npm run crash` looks for them, from a seed whose first round has the modes that they concern. */
export const crashBugs: readonly PlantedBug[] = [
  {
    name: 'a rename in the transaction that changed the rows (DuckDB)', catcher: { suite: 'test/protocol/rounds.test.ts', project: 'service', only: 'rounds into duckdb' },
    edits: [{ file: 'connectors/duckdb/dialect.ts', find: '  if (rewritten) await remake', replace: "  if (rewritten && fresh.table === '') await remake" }],
  },
  { name: 'crash: position committed before its rows (Postgres)', catcher: { crash: 'postgres-postgres', seed: 8 }, edits: positionFirst },
  { name: 'crash: position committed before its rows (DuckDB)', catcher: { crash: 'postgres-duckdb', seed: 8 }, edits: positionFirst },
  {
    name: 'crash: rows committed before their position (Postgres)', catcher: { crash: 'postgres-postgres', seed: 8 },
    edits: [{ file: SESSION, find: "    const revision = count(before['revision']) + 1;\n", replace: "    const revision = count(before['revision']) + 1;\n    await session.commit();\n    await session.begin();\n" }],
  },
  {
    name: 'crash: a publish that appends twice (Postgres)', catcher: { crash: 'postgres-postgres', seed: 10 },
    edits: [{ file: PUBLISH, find: '    await insertAll({ dialect, connection: control', replace: '    for (let twice = 0; twice < 2; twice++) await insertAll({ dialect, connection: control' }],
  },
  { name: 'crash: no fence is checked (Postgres)', catcher: { crash: 'postgres-postgres', seed: 443 }, edits: noFences },
  {
    name: 'crash: a claim that fences nobody (Postgres)', catcher: { crash: 'postgres-postgres', seed: 443 },
    edits: [...noFences.slice(1), { file: 'connectors/_shared/sql/destination.ts', find: 'set run_epoch = run_epoch + 1, run_id', replace: 'set run_epoch = run_epoch + 0, run_id' }],
  },
  {
    name: 'crash: a claim that fences nobody (files)', catcher: { crash: 'postgres-parquet', seed: 8 },
    edits: [
      { file: INTENTS, find: '      taken.run = fold.run + 1;\n', replace: '      taken.run = Math.max(1, fold.run);\n' },
      { file: INTENTS, find: "      if (load.streams.some((stream) => fold.streams.get(stream)?.lastLoad !== after[stream])) return fenced('begin');\n", replace: '' },
    ],
  },
  { name: 'crash: a record decided once, not before each number (files)', catcher: { crash: 'postgres-parquet', seed: 73 }, edits: [
    { file: LOG, find: "    for (;;) {\n      const mine = await this.follow(intent.nonce);\n      const verdict = mine ? 'done' : intent.decide(this.fold);", replace: "    let decided: ReturnType<Intent['decide']> | undefined;\n    for (;;) {\n      decided ??= intent.decide(this.fold);\n      const mine = await this.follow(intent.nonce);\n      const verdict = mine ? 'done' : decided;" },
  ] },
  {
    name: 'crash: a lost answer to a commit, and what memory says is taken for committed (Postgres)', catcher: { crash: 'postgres-postgres', seed: 520 },
    edits: [
      { file: SESSION, find: 'export interface Opening {\n', replace: 'const remembered = new Map<string, string | undefined>();\n\nexport interface Opening {\n' },
      { file: SESSION, find: "    const position = text(row['position']);\n", replace: "    const place = [token.pipe, load.id, split.id].join();\n    if (!remembered.has(place)) remembered.set(place, text(row['position']));\n    const position = remembered.get(place);\n" },
    ],
  },
  {
    name: 'crash: rows dropped at SIGTERM, and the split called complete (source)', catcher: { crash: 'postgres-parquet', seed: 600 },
    edits: [
      { file: 'connectors/postgres/source/rows.ts', find: '        rows?.arena.release();\n        return false;\n', replace: '        rows?.arena.release();\n        return true;\n' },
      { file: 'connectors/postgres/source/rows.ts', find: '    if (stop.aborted) return false;\n', replace: '    if (stop.aborted) return true;\n' },
    ],
  },
  {
    name: 'crash: the bound of a pass forgets open transactions (source)', catcher: { crash: 'postgres-parquet', seed: 1 },
    edits: [{ file: 'connectors/postgres/source/clock.ts', find: 'const running = transactions.filter((each) => !each.prepared)', replace: "const running = transactions.filter((each) => each.id === '')" }],
  },
  {
    name: 'crash: names given before the record (files)', catcher: { crash: 'postgres-parquet', seed: 1 },
    edits: [{ file: 'connectors/file/session.ts', find: "      await failpoint('file.commit.prepared');\n", replace: "      await failpoint('file.commit.prepared');\n      await this.show(body);\n" }],
  },
  {
    name: 'crash: a table is emptied before it is replaced (Postgres)', catcher: { crash: 'postgres-postgres', seed: 3 },
    edits: [{
      file: PUBLISH, find: "  if (replaces || (!exists && stage.target.write !== 'scd2')) return flip(context, control, load, stage);\n",
      replace: "  if (replaces && exists) {\n    await control.query(`delete from ${qualified(context.database.dialect, name)}`);\n    await control.commit();\n    await control.begin();\n  }\n  if (replaces || (!exists && stage.target.write !== 'scd2')) return flip(context, control, load, stage);\n",
    }],
  },
  { name: 'crash: stages of dead loads stay (Postgres)', catcher: { crash: 'postgres-postgres', seed: 10 }, edits: [{ file: 'connectors/_shared/sql/stages.ts', find: '  await dropStages(database, connection, pipe, theirs);\n', replace: '' }] },
  { name: 'crash: files of dead writers stay', catcher: { crash: 'postgres-parquet', seed: 3 }, edits: [{ file: FOLDER, find: '|| !(dead(originOf(plain)) || fold.adopted.get(table)?.has(plain))) continue;', replace: '|| !dead(originOf(plain)) || plain !== name) continue;' }] },
  { name: 'crash: exit 0 though a stream failed', catcher: { crash: 'postgres-postgres', seed: 1 }, edits: [{ file: 'src/cli/exit.ts', find: 'return error ? exitOfKind(error.kind) : EXIT.failed;', replace: 'return error ? EXIT.ok : EXIT.failed;' }] },
];

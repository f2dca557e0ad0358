import type { Catcher, PlantedBug } from './harness.ts';
import { duckdbTest, memorySuite } from './planted-commit.ts';

const FOLD = 'src/sdk/testing/fold.ts';
const SQL_FOLD = 'connectors/_shared/sql/fold.ts';
const SQL_MERGE = 'connectors/_shared/sql/merge.ts';
const rounds: Catcher = { rounds: 'memory' };

/** What a commit of changes makes of a table. */
export const changeBugs: readonly PlantedBug[] = [
  { name: 'fold by row (memory)', catcher: rounds, edits: [{ file: FOLD, find: 'const known = change.unavailable.filter((name) => name in before.row);', replace: 'const known: string[] = [];' }] },
  {
    name: 'fold by row (SQL)', catcher: duckdbTest('rule 15'),
    edits: [{ file: SQL_FOLD, find: 'cells.map((index) => `, max(v${index}) as v${index}`)', replace: 'cells.map((index) => `, (array_agg(v${index} order by seq desc))[1] as v${index}`)' }],
  },
  { name: 'unavailable taken as NULL (memory)', catcher: rounds, edits: [{ file: FOLD, find: '[name, before ? before[name] ?? null : policy.unavailable(key, name)]', replace: '[name, null]' }] },
  { name: 'unavailable taken as NULL (SQL)', catcher: duckdbTest('rule 15'), edits: [{ file: SQL_MERGE, find: 'when t._etl_present then t.${name} else', replace: 'when t._etl_present then null else' }] },
  { name: 'moved row filled from the new key (memory)', catcher: rounds, edits: [{ file: FOLD, find: 'const origin = change.oldKey ?? change.key;', replace: 'const origin = change.key;' }] },
  { name: 'moved row filled from the new key (SQL)', catcher: duckdbTest('rule 15'), edits: [{ file: SQL_MERGE, find: 'columnCast(sink, name, `f.r${i}`)', replace: 'columnCast(sink, name, `f.k${i}`)' }] },
  {
    name: 'deletes before reads (memory)', catcher: rounds,
    edits: [
      { file: FOLD, find: '  const source = truncated ? {} : table;\n', replace: '' },
      { file: FOLD, find: "    if (folded === 'gone') continue;\n", replace: "    if (folded === 'gone') continue;\n    const source = truncated ? {} : after;\n" },
    ],
  },
  {
    name: 'deletes before reads (SQL)', catcher: duckdbTest('rule 15'),
    edits: [{
      file: SQL_MERGE, find: '  await connection.query(`create temporary table ${folded} as ${resolved(applying, sink, moves)}`);\n',
      replace: '  if (moves) await connection.query(`delete from ${qualified(dialect, sink.into)} as t using ${stageName(dialect, sink)} as s where ${sink.key.map((name, i) => `t.${dialect.quote(name)} = s._etl_old_${i}`).join(\' and \')}`);\n  await connection.query(`create temporary table ${folded} as ${resolved(applying, sink, moves)}`);\n',
    }],
  },
  { name: 'truncate forgotten in a fold (memory)', catcher: rounds, edits: [{ file: FOLD, find: '      truncated = true;\n', replace: '' }] },
  { name: 'truncate does not end what came before it in the commit (memory)', catcher: memorySuite, edits: [{ file: FOLD, find: '      rows.clear();\n', replace: '' }] },
  {
    name: 'truncate forgotten in a fold (SQL)', catcher: duckdbTest('rule 15'),
    edits: [{
      file: SQL_MERGE, find: "  const table = qualified(dialect, sink.into);\n  if (sink.pending.truncatedAt !== undefined) await empty(applying, sink);\n",
      replace: '  const table = qualified(dialect, sink.into);\n',
    }],
  },
];

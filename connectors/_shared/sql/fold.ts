import type { SqlDialect } from './dialect.ts';
import { oldKeyColumn, OP, ORDINAL, UNAVAILABLE_MASK } from './names.ts';
import { stageName, type Sink } from './sink.ts';

/**
 * The fold of rule 15 as queries over a stage.
 *
 * The life of a key falls into segments: a row begins one when it moves onto the key, or comes after the key was gone; a delete or a move
 * away ends it. Within a segment the last available value of each column wins. What a segment leaves open comes from the segment that the
 * row had before it moved, through any chain of moves, at last from the target's row of the first key, as it was before the commit.
 */
export interface Fold {
  /** A query: one row a key, `seq` of its last row, `gone`, and for each folded column `v<i>` (ordinal of its value) and the root key `r<k>`, `rooted`. */
  readonly query: string;
  /** Columns (by index in the sink) that may be unavailable. */
  readonly cells: readonly number[];
}

const DELETE_OP = 3;

function eventsOf(dialect: SqlDialect, sink: Sink, moves: boolean): string {
  const { quote } = dialect;
  const after = sink.pending.truncatedAt === undefined ? '' : ` and s.${ORDINAL} > ${sink.pending.truncatedAt}`;
  const key = sink.key.map((name, i) => `s.${quote(name)} as k${i}`).join(', ');
  const moved = moves ? `(${movedCondition(sink, dialect)})` : 'false';
  const cells = [...sink.pending.unavailable].map((index) => `case when substr(s.${UNAVAILABLE_MASK}, ${index + 1}, 1) = '1' then null else s.${ORDINAL} end as v${index}`);
  const rows = `select ${[key, `s.${ORDINAL} as seq`, `s.${OP} = ${DELETE_OP} as gone`, `${moved} as came`, ...cells].join(', ')} from ${stageName(dialect, sink)} s where true${after}`;
  if (!moves) return rows;
  const oldKey = sink.key.map((_, i) => `s.${oldKeyColumn(i)} as k${i}`).join(', ');
  const none = [...sink.pending.unavailable].map((index) => `null as v${index}`);
  return `${rows} union all select ${[oldKey, `s.${ORDINAL} as seq`, 'true as gone', 'false as came', ...none].join(', ')} from ${stageName(dialect, sink)} s where ${moved}${after}`;
}

/** The row has an old key, and it is another one. */
export function movedCondition(sink: Sink, dialect: SqlDialect): string {
  const some = sink.key.map((_, i) => `s.${oldKeyColumn(i)} is not null`).join(' or ');
  const other = sink.key.map((name, i) => `s.${oldKeyColumn(i)} is distinct from s.${dialect.quote(name)}`).join(' or ');
  return `(${some}) and (${other})`;
}

export function foldOf(dialect: SqlDialect, sink: Sink, moves: boolean): Fold {
  const cells = [...sink.pending.unavailable];
  const keys = sink.key.map((_, i) => `k${i}`).join(', ');
  const values = cells.map((index) => `, max(v${index}) as v${index}`).join('');
  const carried = cells.map((index) => `, coalesce(c.v${index}, p.v${index})`).join('');
  const own = cells.map((index) => `, v${index}`).join('');
  const target = sink.key.map((_, i) => `f${i}`).join(', ');
  const query = `with recursive events as (${eventsOf(dialect, sink, moves)}),
numbered as (select *, coalesce(sum(case when gone then 1 else 0 end) over (partition by ${keys} order by seq rows between unbounded preceding and 1 preceding), 0)
  + sum(case when came then 1 else 0 end) over (partition by ${keys} order by seq rows between unbounded preceding and current row) as segment from events),
segments as (select ${keys}, segment, max(case when gone then null else seq end) as seq, max(case when gone then seq end) as gone_at, max(case when came then seq end) as came_at, max(seq) as last_at${values}
  from numbered group by ${keys}, segment),
lasts as (select *, row_number() over (partition by ${keys} order by last_at desc) as place from segments),
finals as (select * from lasts where place = 1),
chain as (
  select ${sink.key.map((_, i) => `k${i} as f${i}`).join(', ')}, ${keys}, segment, came_at${own}, 0 as depth from finals where gone_at is null
  union all
  select ${sink.key.map((_, i) => `c.f${i}`).join(', ')}, ${sink.key.map((_, i) => `p.k${i}`).join(', ')}, p.segment, p.came_at${carried}, c.depth + 1 from chain c join segments p on p.gone_at = c.came_at
),
roots as (select *, row_number() over (partition by ${target} order by depth desc) as place from chain)
select ${sink.key.map((_, i) => `f.k${i}`).join(', ')}, f.seq, f.gone_at is not null as gone${cells.map((index) => `, r.v${index}`).join('')}, ${sink.key.map((_, i) => `r.k${i} as r${i}`).join(', ')},
  ${sink.pending.truncatedAt === undefined ? 'r.segment = 0' : 'false'} as rooted
from finals f left join roots r on r.place = 1 and ${sink.key.map((_, i) => `r.f${i} ${sink.nullableKey ? 'is not distinct from' : '='} f.k${i}`).join(' and ')}`;
  return { query, cells };
}

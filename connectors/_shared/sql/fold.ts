import { qualified, type SqlDialect } from './dialect.ts';
import type { Applying } from './merge.ts';
import { oldKeyColumn, OP, ORDINAL, shortName, UNAVAILABLE_MASK, VALID_TO } from './names.ts';
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
  const moved = moves ? movedCondition(dialect, sink.key) : 'false';
  const cells = [...sink.pending.unavailable].map((index) => `case when substr(s.${UNAVAILABLE_MASK}, ${index + 1}, 1) = '1' then null else s.${ORDINAL} end as v${index}`);
  const rows = `select ${[key, `s.${ORDINAL} as seq`, `s.${OP} = ${DELETE_OP} as gone`, `${moved} as came`, ...cells].join(', ')} from ${stageName(dialect, sink)} s where true${after}`;
  if (!moves) return rows;
  const oldKey = sink.key.map((_, i) => `s.${oldKeyColumn(i)} as k${i}`).join(', ');
  const none = [...sink.pending.unavailable].map((index) => `null as v${index}`);
  return `${rows} union all select ${[oldKey, `s.${ORDINAL} as seq`, 'true as gone', 'false as came', ...none].join(', ')} from ${stageName(dialect, sink)} s where ${moved}${after}`;
}

/** The row of stage `s` has an old key, and it is another one. */
export function movedCondition(dialect: SqlDialect, key: readonly string[]): string {
  const some = key.map((_, i) => `s.${oldKeyColumn(i)} is not null`).join(' or ');
  const other = key.map((name, i) => `s.${oldKeyColumn(i)} is distinct from s.${dialect.quote(name)}`).join(' or ');
  return `((${some}) and (${other}))`;
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

/**
 * For versions, which fold nothing: each staged row gets the values that it did not send from the row before it, through moves, at last
 * from the target's open version. Those that nobody has become the placeholder, or fail.
 */
export async function fillStage({ context, connection }: Applying, sink: Sink): Promise<void> {
  const { dialect } = context.database;
  const { quote } = dialect;
  const stage = stageName(dialect, sink);
  const cells = [...sink.pending.unavailable];
  const keys = sink.key.map((_, i) => `k${i}`).join(', ');
  const moved = movedCondition(dialect, sink.key);
  const own = sink.key.map((name, i) => `s.${quote(name)} as k${i}`).join(', ');
  const origin = sink.key.map((name, i) => `case when ${moved} then s.${oldKeyColumn(i)} else s.${quote(name)} end as k${i}`).join(', ');
  const known = cells.map((index) => `case when substr(s.${UNAVAILABLE_MASK}, ${index + 1}, 1) = '1' then null else s.${ORDINAL} end as v${index}`).join(', ');
  const carried = cells.map((index) => `coalesce(c.v${index}, r.v${index})`).join(', ');
  const values = cells.map((index) => `v${index}`).join(', ');
  const filled = quote(shortName('u', context.token.runId, stage));
  await connection.query(`create temporary table ${filled} as with recursive
touches as (select s.${ORDINAL} as seq, ${own}, 1 as lives from ${stage} s where s.${OP} <> ${DELETE_OP} union all select s.${ORDINAL}, ${origin}, 0 from ${stage} s where s.${OP} <> ${DELETE_OP}),
befores as (select *, max(case when lives = 1 then seq end) over (partition by ${keys} order by seq, lives rows between unbounded preceding and 1 preceding) as before from touches),
linked as (select b.seq, ${sink.key.map((_, i) => `b.k${i}`).join(', ')}, b.before, ${known}, s.${UNAVAILABLE_MASK} is not null as lacks from befores b join ${stage} s on s.${ORDINAL} = b.seq where b.lives = 0),
chain as (select seq, ${keys}, before, ${values}, 0 as depth from linked where lacks
  union all select c.seq, ${sink.key.map((_, i) => `r.k${i}`).join(', ')}, r.before, ${carried}, c.depth + 1 from chain c join linked r on r.seq = c.before where ${cells.map((index) => `c.v${index} is null`).join(' or ')}),
ends as (select *, row_number() over (partition by seq order by depth desc) as place from chain)
select * from ends where place = 1`);
  const equal = sink.nullableKey ? 'is not distinct from' : '=';
  const root = sink.key.map((name, i) => `t.${quote(name)} ${equal} f.k${i}`).join(' and ');
  const policy = sink.target.unavailable;
  for (const index of cells) {
    const column = sink.columns.find((each) => each.index === index);
    if (!column) continue;
    const name = quote(column.name);
    const none = policy === 'error' ? 'null' : `cast(${dialect.literal(policy.placeholder)} as ${column.stageType})`;
    await connection.query(`update ${stage} as s set ${name} = n.value from (select f.seq, case when f.v${index} is not null then (select o.${name} from ${stage} o where o.${ORDINAL} = f.v${index})
      when t._etl_open then cast(t.${name} as ${column.stageType}) else ${none} end as value
      from ${filled} f left join (select true as _etl_open, x.* from ${qualified(dialect, sink.into)} x where x.${quote(VALID_TO)} is null) t on f.before is null and ${root}) n
      where n.seq = s.${ORDINAL} and substr(s.${UNAVAILABLE_MASK}, ${index + 1}, 1) = '1'`);
  }
  await connection.query(`drop table ${filled}`);
}

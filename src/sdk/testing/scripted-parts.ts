import { batchOf } from '#batch';
import type { Position, SourceMessage } from '../contract.ts';
import type { Seeded } from './random.ts';
import { changeRowOf, timeOf, type FullRow } from './script.ts';
import type { ScriptedWorld } from './scripted-world.ts';

/** A range of key texts of one stream; incremental: above the last bound. */
export interface PartDetail {
  readonly stream: string;
  readonly above?: string;
  readonly upTo?: string;
  readonly after?: number;
}
/** Incremental order is (at, key), full order is the key. */
export interface PartPosition {
  readonly v: 1;
  readonly at?: string;
  readonly key?: string;
}
export interface PartRead {
  readonly world: ScriptedWorld;
  readonly detail: PartDetail;
  /** The moment of the snapshot, or the bound. */
  readonly lsn: number;
  readonly from: PartPosition | undefined;
  readonly stop: AbortSignal;
  readonly draw: Seeded;
}

/** A range of a table at one moment, in key order. */
export function readFull(part: PartRead): AsyncIterable<SourceMessage> {
  const { schema, rows } = part.world.history.at(part.detail.stream, { lsn: part.lsn });
  const rest = [...rows].filter(([key]) => inRange(part.detail, key) && (part.from?.key === undefined || key > part.from.key)).sort(byText);
  return emit(part, schema, rest, ([key]) => ({ v: 1, key }));
}

/** Rows of a range above the last bound and up to this one, as they are now, in order of the cursor. */
export function readIncremental(part: PartRead): AsyncIterable<SourceMessage> {
  const { world, detail, from } = part;
  const { schema, rows } = world.history.at(detail.stream, { lsn: world.state.now });
  const after = detail.after === undefined ? '' : timeOf(detail.after);
  const upTo = timeOf(part.lsn);
  const order = ([key, row]: [string, FullRow]): string => `${row['at'] ?? ''} ${key}`;
  const begin = from ? `${from.at ?? ''} ${from.key ?? ''}` : '';
  const rest = [...rows].filter((entry) => {
    const at = entry[1]['at'] ?? '';
    return inRange(detail, entry[0]) && at > after && at <= upTo && order(entry) > begin;
  }).sort((x, y) => (order(x) < order(y) ? -1 : 1));
  return emit(part, schema, rest, ([key, row]) => ({ v: 1, at: row['at'] ?? '', key }));
}

async function* emit(
  part: PartRead, schema: Parameters<typeof batchOf>[1], rest: readonly [string, FullRow][], positionAt: (entry: [string, FullRow]) => Position,
): AsyncGenerator<SourceMessage> {
  const { detail: { stream }, draw, stop, world } = part;
  let position: Position = part.from ? { ...part.from } : { v: 1 };
  yield { type: 'schema', stream, schema };
  for (let at = 0; at < rest.length;) {
    await Promise.resolve();
    const some = rest.slice(at, at + 1 + draw.below(world.options.batchRows ?? 4));
    at += some.length;
    yield { type: 'batch', stream, batch: batchOf(stream, schema, some.map(([, row], i) => changeRowOf(schema, row, { seq: BigInt(at + i) }))) };
    const end = some.at(-1);
    if (end) position = positionAt(end);
    if (at < rest.length && (stop.aborted || draw.chance(0.5))) yield { type: 'checkpoint', position };
    if (stop.aborted) return;
  }
  yield { type: 'checkpoint', position, last: true };
}

function inRange({ above, upTo }: PartDetail, key: string): boolean {
  return (above === undefined || key > above) && (upTo === undefined || key <= upTo);
}
function byText(x: [string, unknown], y: [string, unknown]): number {
  return x[0] < y[0] ? -1 : 1;
}

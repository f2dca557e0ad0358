import { DELETE, PRESENT, viewInt32, type Batch, type Vector } from '#batch';
import type { FormatReject } from '../formats/contract.ts';

/** The days and instants that a database holds, both ends included; the infinities besides. */
export interface Calendar {
  readonly days: readonly [number, number];
  readonly instants: readonly [bigint, bigint];
}

const INFINITE_DAYS: ReadonlySet<number> = new Set([-2_147_483_648, 2_147_483_647]);
const INFINITE_INSTANTS: ReadonlySet<bigint> = new Set([-(2n ** 63n), 2n ** 63n - 1n]);

/** Rows with a day or an instant that the database has no place for. A delete needs no more than its key. */
export function outOfCalendar(batch: Batch, calendar: Calendar, database: string): readonly FormatReject[] {
  return batch.schema.fields.flatMap((field, index) => {
    const vector = batch.columns[index];
    const rows = vector ? rowsBeyond(vector, calendar) : [];
    const reason = `${field.name} holds a ${field.type.kind} that is out of ${database}'s range`;
    return rows.filter((row) => batch.ops?.[row] !== DELETE || batch.schema.key.includes(field.name)).map((row) => ({ row, column: field.name, code: 'ETL-SQL-001', reason }));
  });
}

function rowsBeyond(vector: Vector, calendar: Calendar): number[] {
  const { kind } = vector.type;
  const rows = kind === 'date' ? daysBeyond(vector, calendar.days) : kind === 'timestamp' || kind === 'timestamptz' ? instantsBeyond(vector, calendar.instants) : [];
  return vector.validity ? rows.filter((row) => vector.validity?.[row] === PRESENT) : rows;
}

function daysBeyond({ data, length }: Vector, [low, high]: Calendar['days']): number[] {
  const days = viewInt32(data.byteOffset, length);
  const found: number[] = [];
  for (let row = 0; row < length; row++) {
    const day = days[row] ?? 0;
    if ((day < low || day > high) && !INFINITE_DAYS.has(day)) found.push(row);
  }
  return found;
}

/** The upper halves tell which rows are worth a look at the whole. */
function instantsBeyond({ data, length }: Vector, [low, high]: Calendar['instants']): number[] {
  const halves = viewInt32(data.byteOffset, length * 2);
  const [lowest, highest] = [Number(low >> 32n), Number(high >> 32n)];
  const found: number[] = [];
  for (let row = 0; row < length; row++) {
    const upper = halves[row * 2 + 1] ?? 0;
    if (upper > lowest && upper < highest) continue;
    const instant = (BigInt(upper) << 32n) | BigInt((halves[row * 2] ?? 0) >>> 0);
    if ((instant < low || instant > high) && !INFINITE_INSTANTS.has(instant)) found.push(row);
  }
  return found;
}

/**
 * Canonical texts of dates, times, timestamps and intervals, and back. Years past 9999 bear a sign, year 0 is 1 BC;
 * the infinities are the least and the greatest integer. Everything returns undefined for what is not such a value.
 */

const DAY = 86_400_000_000;
const DATE_LEAST = -2_147_483_648;
const DATE_GREATEST = 2_147_483_647;
export const INSTANT_LEAST = -(2n ** 63n);
export const INSTANT_GREATEST = 2n ** 63n - 1n;

const two = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));
const pad2 = (value: number): string => two[value] ?? String(value);

/** Days from 1970-01-01 of a proleptic Gregorian date. */
export function daysOf(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468;
}

function yearText(year: number): string {
  if (year >= 0 && year <= 9999) return String(year).padStart(4, '0');
  return (year < 0 ? '-' : '+') + String(Math.abs(year)).padStart(4, '0');
}

function civilText(days: number): string {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  return `${yearText(yearOfEra + era * 400 + (month <= 2 ? 1 : 0))}-${pad2(month)}-${pad2(day)}`;
}

/** `2026-03-08`, `infinity`. */
export function dateText(days: number): string {
  if (days === DATE_LEAST) return '-infinity';
  return days === DATE_GREATEST ? 'infinity' : civilText(days);
}

const DATE = /^([+-]?)(\d{4,7})-(\d\d)-(\d\d)$/;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function civilDays(text: string): number | undefined {
  const match = DATE.exec(text);
  if (!match) return undefined;
  const year = Number(match[2]) * (match[1] === '-' ? -1 : 1);
  const month = Number(match[3]);
  const day = Number(match[4]);
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const last = month === 2 && leap ? 29 : MONTH_DAYS[month - 1];
  return last === undefined || day < 1 || day > last ? undefined : daysOf(year, month, day);
}

export function parseDate(text: string): number | undefined {
  if (text === 'infinity') return DATE_GREATEST;
  if (text === '-infinity') return DATE_LEAST;
  const days = civilDays(text);
  return days !== undefined && days > DATE_LEAST && days < DATE_GREATEST ? days : undefined;
}

/** `23:59:59.000001`; 24:00:00.000000 is a time of its own. */
export function timeText(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const minutes = Math.floor(seconds / 60);
  return `${pad2(Math.floor(minutes / 60))}:${pad2(minutes % 60)}:${pad2(seconds % 60)}.${String(micros % 1_000_000).padStart(6, '0')}`;
}

const TIME = /^(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?$/;

export function parseTime(text: string): number | undefined {
  const match = TIME.exec(text);
  if (!match) return undefined;
  const minutes = Number(match[2]);
  const seconds = Number(match[3] ?? '0');
  if (minutes > 59 || seconds > 59) return undefined;
  const micros = ((Number(match[1]) * 60 + minutes) * 60 + seconds) * 1_000_000 + Number((match[4] ?? '').padEnd(6, '0'));
  return micros <= DAY ? micros : undefined;
}

/** `2026-03-08T02:30:00.000001`; the zone's `Z` is the caller's. Micros beyond 2^53 need `bigInstantText`. */
export function instantText(micros: number): string {
  const days = Math.floor(micros / DAY);
  return `${civilText(days)}T${timeText(micros - days * DAY)}`;
}

export function bigInstantText(micros: bigint): string {
  if (micros === INSTANT_LEAST) return '-infinity';
  if (micros === INSTANT_GREATEST) return 'infinity';
  const day = BigInt(DAY);
  const rest = ((micros % day) + day) % day;
  return `${civilText(Number((micros - rest) / day))}T${timeText(Number(rest))}`;
}

/** A timestamp without zone; with `zoned`, an instant with `Z` or an offset. */
export function parseInstant(text: string, zoned: boolean): bigint | undefined {
  if (text === 'infinity') return INSTANT_GREATEST;
  if (text === '-infinity') return INSTANT_LEAST;
  const match = /^([^T ]+)[T ]([\d:.]+)(Z|[+-]\d\d(?::?\d\d)?(?::\d\d)?)?$/.exec(text);
  const zone = match?.[3];
  if (!match || (zone !== undefined) !== zoned) return undefined;
  const days = civilDays(match[1] ?? '');
  const time = parseTime(match[2] ?? '');
  if (days === undefined || time === undefined) return undefined;
  const micros = BigInt(days) * BigInt(DAY) + BigInt(time) - BigInt(offsetSeconds(zone ?? 'Z')) * 1_000_000n;
  return micros > INSTANT_LEAST && micros < INSTANT_GREATEST ? micros : undefined;
}

function offsetSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const digits = zone.slice(1).replaceAll(':', '').padEnd(6, '0');
  const seconds = Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2, 4)) * 60 + Number(digits.slice(4, 6));
  return zone.startsWith('-') ? -seconds : seconds;
}

export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

/** All three parts at their greatest or least: the infinite intervals, as in Postgres. */
const INFINITE: Readonly<Record<'infinity' | '-infinity', Interval>> = {
  infinity: { months: 2_147_483_647, days: 2_147_483_647, micros: 9_223_372_036_854_775_807n },
  '-infinity': { months: -2_147_483_648, days: -2_147_483_648, micros: -9_223_372_036_854_775_808n },
};
const isSame = (left: Interval, right: Interval): boolean => left.months === right.months && left.days === right.days && left.micros === right.micros;

/** ISO 8601 with a sign for each part, as Postgres prints it: `P1Y2M3DT4H5M6.5S`, `PT0S`. */
export function intervalText(interval: Interval): string {
  const { months, days, micros } = interval;
  if (isSame(interval, INFINITE.infinity)) return 'infinity';
  if (isSame(interval, INFINITE['-infinity'])) return '-infinity';
  const part = (value: number | bigint, unit: string): string => (value == 0 ? '' : `${value}${unit}`);
  const date = part(Math.trunc(months / 12), 'Y') + part(months % 12, 'M') + part(days, 'D');
  const seconds = micros / 1_000_000n;
  const time = part(seconds / 3600n, 'H') + part((seconds / 60n) % 60n, 'M') + secondsPart(seconds % 60n, micros % 1_000_000n);
  if (date === '' && time === '') return 'PT0S';
  return `P${date}${time === '' ? '' : `T${time}`}`;
}

function secondsPart(seconds: bigint, micros: bigint): string {
  if (seconds === 0n && micros === 0n) return '';
  const sign = seconds < 0n || micros < 0n ? '-' : '';
  const fraction = micros === 0n ? '' : `.${String(micros < 0n ? -micros : micros).padStart(6, '0').replace(/0+$/, '')}`;
  return `${sign}${seconds < 0n ? -seconds : seconds}${fraction}S`;
}

const INT = '([+-]?\\d+)';
const INTERVAL = new RegExp(`^P(?:${INT}Y)?(?:${INT}M)?(?:${INT}W)?(?:${INT}D)?(?:T(?:${INT}H)?(?:${INT}M)?(?:([+-]?)(\\d+)(?:\\.(\\d{1,6}))?S)?)?$`);

export function parseInterval(text: string): Interval | undefined {
  if (text === 'infinity' || text === '-infinity') return INFINITE[text];
  const match = INTERVAL.exec(text);
  if (!match || text.endsWith('P') || text.endsWith('T')) return undefined;
  const number = (index: number): bigint => BigInt(match[index] ?? '0');
  const months = number(1) * 12n + number(2);
  const days = number(3) * 7n + number(4);
  const fraction = number(8) * 1_000_000n + BigInt((match[9] ?? '').padEnd(6, '0'));
  const micros = (number(5) * 60n + number(6)) * 60_000_000n + (match[7] === '-' ? -fraction : fraction);
  const fits = BigInt.asIntN(32, months) === months && BigInt.asIntN(32, days) === days && BigInt.asIntN(64, micros) === micros;
  return fits ? { months: Number(months), days: Number(days), micros } : undefined;
}

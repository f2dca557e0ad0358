// Postgres' numeric on the wire: u16 digits of base 10000, i16 weight of the first, u16 sign, u16 scale, then the digits.
import { be16, FAIL, GROW, outcome, refuse, R_NAN, R_RANGE } from "./copy-layout";

const NEGATIVE: i32 = 0x4000;
const POWERS: StaticArray<u64> = [
  1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
  100000000000000, 1000000000000000, 10000000000000000, 100000000000000000, 1000000000000000000, 10000000000000000000,
];
@inline function power(n: i32): u64 { return unchecked(POWERS[n]); }

export namespace decimal {
  /** The integer that was read last, in two words. */
  export let high: u64 = 0;
  export let low: u64 = 0;
}

/** (high, low) = (high, low) * by + plus; false past 127 bits. */
function multiplyAdd(by: u64, plus: u64): bool {
  const low = decimal.low, high = decimal.high;
  const l0 = (low & 0xffffffff) * by + plus;
  const l1 = (low >> 32) * by + (l0 >> 32);
  const h0 = (high & 0xffffffff) * by + (l1 >> 32);
  const h1 = (high >> 32) * by + (h0 >> 32);
  decimal.low = (l1 << 32) | (l0 & 0xffffffff);
  decimal.high = (h1 << 32) | (h0 & 0xffffffff);
  return h1 < 0x80000000;
}

/** A digit of base 10000 without its last `cut` decimal places; -1 where they are not zero. By constants: a division is dear. */
@inline function cutDigit(digit: u32, cut: i32): i32 {
  const by: u32 = cut == 1 ? 10 : cut == 2 ? 100 : 1000;
  const rest = cut == 1 ? digit / 10 : cut == 2 ? digit / 100 : digit / 1000;
  return rest * by == digit ? <i32>rest : -1;
}

/**
 * The numeric of `length` bytes at `f` as an integer of `scale`, below the limit of two words at `limit`: left in `decimal`. FAIL where it
 * is damaged, else 0; what does not fit is refused.
 */
export function readDecimal(f: usize, length: i32, scale: i32, limit: usize): i32 {
  if (length < 8) return FAIL;
  let digits = be16(f);
  const weight = <i32>(<i16>be16(f + 2)), sign = be16(f + 4);
  decimal.high = 0; decimal.low = 0;
  if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) { refuse(R_NAN); return 0; }
  if (length != 8 + 2 * digits || (sign != 0 && sign != NEGATIVE)) return FAIL;
  while (digits > 0 && load<u16>(f + 6 + 2 * digits) == 0) digits--;
  if (digits == 0) return 0;
  // what the last digit counts for, as a power of ten of the result
  const exponent = 4 * (weight - digits + 1) + scale;
  const short = digits <= 4 && 4 * digits + max(exponent, 0) <= 19;
  const damaged = short ? readShort(f + 8, digits, exponent) : readLong(f + 8, digits, exponent);
  if (damaged) return FAIL;
  const high = decimal.high, low = decimal.low, most = load<u64>(limit, 8);
  if (high > most || (high == most && low >= load<u64>(limit))) { refuse(R_RANGE); return 0; }
  if (sign == NEGATIVE) { decimal.low = ~low + 1; decimal.high = ~high + <u64>(low == 0); }
  return 0;
}

/** At most four digits, whose integer fits one word: nearly every number of daily life. */
function readShort(f: usize, digits: i32, exponent: i32): bool {
  let value: u64 = 0;
  for (let i = 1; i < digits; i++, f += 2) {
    const digit = be16(f);
    if (digit > 9999) return true;
    value = value * 10000 + digit;
  }
  const last = be16(f);
  if (last > 9999) return true;
  if (exponent >= 0) decimal.low = (value * 10000 + last) * power(exponent);
  else {
    const rest = exponent < -3 ? -1 : cutDigit(last, -exponent);
    if (rest < 0) refuse(R_RANGE);
    else decimal.low = value * power(4 + exponent) + rest;
  }
  return false;
}

function readLong(f: usize, digits: i32, exponent: i32): bool {
  for (let i = 1; i < digits; i++, f += 2) {
    const digit = be16(f);
    if (digit > 9999) return true;
    if (!multiplyAdd(10000, digit)) { refuse(R_RANGE); return false; }
  }
  const last = be16(f);
  if (last > 9999) return true;
  if (exponent < 0) {
    const rest = exponent < -3 ? -1 : cutDigit(last, -exponent);
    if (rest < 0 || !multiplyAdd(power(4 + exponent), rest)) refuse(R_RANGE);
    return false;
  }
  let fits = multiplyAdd(10000, last);
  for (; fits && exponent > 0; exponent--) fits = multiplyAdd(10, 0);
  if (!fits) refuse(R_RANGE);
  return false;
}

@inline function put4(to: usize, digit: i32): void {
  store<u8>(to, 48 + digit / 1000);
  store<u8>(to + 1, 48 + (digit / 100) % 10);
  store<u8>(to + 2, 48 + (digit / 10) % 10);
  store<u8>(to + 3, 48 + digit % 10);
}

/** Canonical text of a numeric at `to`, of which `room` bytes are free; its length, FAIL or GROW. */
export function numberText(f: usize, length: i32, to: usize, room: usize): i32 {
  if (length < 8) return FAIL;
  const digits = be16(f);
  const weight = <i32>(<i16>be16(f + 2));
  const sign = be16(f + 4);
  if (length != 8 + 2 * digits) return FAIL;
  const integers = max(weight + 1, 0);
  const fractions = max(digits - weight - 1, 0);
  const most = <usize>(16 + 4 * (integers + fractions));
  if (most > room) { outcome.needBytes = most; outcome.needChild = 0; return GROW; }
  if (sign == 0xC000) { store<u8>(to, 78); store<u8>(to + 1, 97); store<u8>(to + 2, 78); return 3; }
  if (sign == 0xD000 || sign == 0xF000) {
    let p = to;
    if (sign == 0xF000) store<u8>(p++, 45);
    store<u64>(p, 0x7974696e69666e49); // Infinity
    return <i32>(p + 8 - to);
  }
  if (sign != 0 && sign != NEGATIVE) return FAIL;
  for (let i = 0; i < digits; i++) if (be16(f + 8 + 2 * i) > 9999) return FAIL;
  let p = to;
  if (sign == NEGATIVE) store<u8>(p++, 45);
  const start = p;
  for (let i = 0; i < integers; i++, p += 4) put4(p, i < digits ? be16(f + 8 + 2 * i) : 0);
  // leading zeros go, but for one
  let zeros: usize = 0;
  while (start + zeros + 1 < p && load<u8>(start + zeros) == 48) zeros++;
  if (zeros > 0) { memory.copy(start, start + zeros, p - start - zeros); p -= zeros; }
  if (p == start) store<u8>(p++, 48);
  const point = p;
  store<u8>(p++, 46);
  for (let place = -1; place > weight - digits; place--, p += 4) {
    const i = weight - place;
    put4(p, i >= 0 && i < digits ? be16(f + 8 + 2 * i) : 0);
  }
  while (p > point + 1 && load<u8>(p - 1) == 48) p--;
  if (p == point + 1) p = point;
  // -0 is 0
  if (sign == NEGATIVE && p == start + 1 && load<u8>(start) == 48) { store<u8>(to, 48); return 1; }
  return <i32>(p - to);
}


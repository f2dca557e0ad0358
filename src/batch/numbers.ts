/** Canonical texts of numbers, and back. Everything that parses returns undefined for what is not such a value. */

const SMALLEST_NORMAL_FLOAT32 = 2 ** -126;

/** The shortest text that reads back, as ECMAScript prints it; −0 is 0. */
export function float64Text(value: number): string {
  return String(value);
}

/** The shortest text that reads back as the same float32. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value) && Math.abs(value) < 2 ** 24) return String(value);
  // Below the normal range a float32 has fewer than six sure digits, so a shorter text may read back.
  for (let digits = Math.abs(value) < SMALLEST_NORMAL_FLOAT32 ? 1 : 6; digits < 9; digits++) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return String(shorter);
  }
  return String(Number(value.toPrecision(9)));
}

const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

export function parseFloatText(text: string): number | undefined {
  if (text === 'NaN') return Number.NaN;
  if (text === 'Infinity' || text === '-Infinity') return Number(text);
  if (!FLOAT.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

export function parseInteger(text: string): bigint | undefined {
  return /^[+-]?\d+$/.test(text) ? BigInt(text.startsWith('+') ? text.slice(1) : text) : undefined;
}

/** No exponent, no trailing zeros, −0 as 0. */
export function decimalText(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  let digits = String(negative ? -unscaled : unscaled);
  if (scale > 0) {
    digits = digits.padStart(scale + 1, '0');
    const fraction = digits.slice(-scale).replace(/0+$/, '');
    digits = digits.slice(0, -scale) + (fraction === '' ? '' : `.${fraction}`);
  }
  return negative ? `-${digits}` : digits;
}

/** The digits of a decimal text, as whole part and fraction. */
interface Digits {
  readonly negative: boolean;
  readonly whole: string;
  readonly fraction: string;
}

const NUMBER = /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d{1,6}))?$/;

function digitsOf(text: string): Digits | undefined {
  const match = NUMBER.exec(text);
  if (!match) return undefined;
  let whole = match[2] ?? '';
  let fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return undefined;
  const exponent = Number(match[4] ?? '0');
  if (exponent > 0) {
    whole += fraction.slice(0, exponent).padEnd(exponent, '0');
    fraction = fraction.slice(exponent);
  } else if (exponent < 0) {
    const padded = whole.padStart(-exponent, '0');
    fraction = padded.slice(padded.length + exponent) + fraction;
    whole = padded.slice(0, padded.length + exponent);
  }
  return { negative: match[1] === '-', whole: whole.replace(/^0+/, ''), fraction: fraction.replace(/0+$/, '') };
}

/** The unscaled integer of a decimal, or undefined where it has more digits than the type: nothing is ever rounded. */
export function parseDecimal(text: string, precision: number, scale: number): bigint | undefined {
  const digits = digitsOf(text);
  if (!digits || digits.fraction.length > scale || digits.whole.length > precision - scale) return undefined;
  const unscaled = BigInt(digits.whole + digits.fraction.padEnd(scale, '0'));
  return digits.negative ? -unscaled : unscaled;
}

/** The canonical text of any decimal, `NaN` and the infinities included. */
export function canonicalNumber(text: string): string | undefined {
  if (text === 'NaN' || text === 'Infinity' || text === '-Infinity') return text;
  const digits = digitsOf(text);
  if (!digits) return undefined;
  const magnitude = (digits.whole || '0') + (digits.fraction === '' ? '' : `.${digits.fraction}`);
  return digits.negative && magnitude !== '0' ? `-${magnitude}` : magnitude;
}

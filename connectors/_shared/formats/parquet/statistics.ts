import { Arena, viewBytes } from '#batch';
import { kernels } from '#kernels';
import { Order, type LeafType } from './schema.ts';

/** Bounds of a page or a chunk. Not exact: a long text was cut, and the greatest one raised after the cut. */
export interface Bounds {
  readonly min: Uint8Array;
  /** Undefined when a cut text can't be raised: it has no bound then. */
  readonly max: Uint8Array | undefined;
  readonly minExact: boolean;
  readonly maxExact: boolean;
}

const BLOCK = 256;

/** Least and greatest of the values since `clear`, in a block of the linear memory that the kernels widen. */
export class Statistics {
  readonly address: number;
  private readonly type: LeafType;

  constructor(type: LeafType, arena: Arena) {
    this.type = type;
    this.address = arena.allocate(BLOCK);
    this.clear();
  }

  clear(): void {
    this.block().fill(0);
  }

  /** Widens this by all that `other` has seen. */
  add(other: Statistics): void {
    if (this.type.order === Order.TEXT) kernels().pqTextWiden(other.address, this.address);
    else kernels().pqWiden(this.type.order, other.address, this.address);
  }

  /** Undefined when there is no value, or a NaN: DuckDB holds it for the greatest float, so a greatest value without it would hide rows. */
  bounds(): Bounds | undefined {
    return this.type.order === Order.TEXT ? this.textBounds() : this.fixedBounds();
  }

  private fixedBounds(): Bounds | undefined {
    const words = this.words();
    if (!words[8] || words[9]) return undefined;
    const min = this.block().slice(0, this.type.width);
    const max = this.block().slice(16, 16 + this.type.width);
    if (this.type.order === Order.F32 || this.type.order === Order.F64) zeroBounds(min, max);
    return { min, max, minExact: true, maxExact: true };
  }

  private textBounds(): Bounds | undefined {
    const [any, minLength = 0, maxLength = 0, minCut, maxCut] = this.words();
    if (!any) return undefined;
    const least = this.block().slice(32, 32 + minLength);
    const greatest = this.block().slice(128, 128 + maxLength);
    return {
      min: minCut && this.type.utf8 ? least.subarray(0, wholeCharacters(least)) : least,
      max: maxCut ? raised(greatest, this.type.utf8) : greatest,
      minExact: !minCut, maxExact: !maxCut,
    };
  }

  private block(): Uint8Array {
    return viewBytes(this.address, BLOCK);
  }

  private words(): Uint32Array {
    const { buffer } = this.block();
    return new Uint32Array(buffer, this.address, 10);
  }
}

/** Readers may compare -0 and +0 as bits: the bounds hold both. */
function zeroBounds(min: Uint8Array, max: Uint8Array): void {
  const last = min.length - 1;
  if (isZero(min)) min[last] = 0x80;
  if (isZero(max)) max[last] = 0;
}
function isZero(float: Uint8Array): boolean {
  return float.every((byte, i) => byte === 0 || i === float.length - 1 && byte === 0x80);
}

/** How much of a cut text is whole characters. */
function wholeCharacters(text: Uint8Array): number {
  let end = text.length;
  while (end > 0 && ((text[end - 1] ?? 0) & 0xc0) === 0x80) end--;
  const lead = text[end - 1] ?? 0;
  const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return end - 1 + size <= text.length ? end - 1 + size : Math.max(end - 1, 0);
}

/** The least short text above all that begin with `cut`; undefined when there is none. */
function raised(cut: Uint8Array, utf8: boolean): Uint8Array | undefined {
  if (!utf8) {
    let end = cut.length;
    while (end > 0 && cut[end - 1] === 0xff) end--;
    if (end === 0) return undefined;
    const bytes = cut.slice(0, end);
    bytes[end - 1] = (bytes[end - 1] ?? 0) + 1;
    return bytes;
  }
  const characters = Array.from(Buffer.from(cut.subarray(0, wholeCharacters(cut))).toString('utf8'));
  for (;;) {
    const code = characters.pop()?.codePointAt(0);
    if (code === undefined) return undefined;
    if (code === 0x10ffff) continue;
    return Buffer.from(characters.join('') + String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1), 'utf8');
  }
}

import { Arena, PADDING, viewBytes } from '#batch';
import { kernels } from '#kernels';

const SLOTS = 1 << 15;
const MOST_BYTES = 256 * 1024;
/** After so many values a dictionary is given up when nearly each of them was a new one. */
const GLANCE = 2048;
/** After so many, and from then on, it must have paid: fewer entries than half of them. */
const TRIAL = 16_000;

/** The distinct values of a column chunk, in a block of the linear memory that the kernels fill. */
export class Dictionary {
  readonly address: number;
  /** Scratch for `pqDictTextRange`. */
  readonly marks: number;
  private readonly arena = new Arena();
  private values = 0;

  /** `width` of the values; 0 for texts. Its size is halved so often as there are many columns. */
  constructor(width: number, halved: number) {
    const { arena } = this;
    const slots = SLOTS >> halved;
    const [entries, bytes] = [slots / 2, (MOST_BYTES >> halved) - PADDING];
    this.address = arena.allocate(32);
    const starts = width === 0 ? arena.allocate(entries * 4) : 0;
    this.marks = width === 0 ? arena.allocate(entries) : 0;
    new Uint32Array(viewBytes(0, 0).buffer, this.address, 8)
      .set([0, 0, entries, bytes, slots - 1, arena.allocate(slots * 4), starts, arena.allocate(bytes)]);
    kernels().pqDictClear(this.address);
  }

  release(): void {
    this.arena.release();
  }
  get entries(): number {
    return this.word(0);
  }
  get bytes(): number {
    return this.word(1);
  }
  get data(): number {
    return this.word(7);
  }

  /** How many values it may be given before it is asked whether it pays. */
  get untried(): number {
    return this.values < GLANCE ? GLANCE - this.values : Infinity;
  }

  /** To be told of every page part; false: it doesn't pay, write PLAIN. */
  pays(more: number): boolean {
    this.values += more;
    if (this.values < TRIAL) return this.values < GLANCE || this.entries < this.values * 0.95;
    return this.entries * 2 < this.values;
  }

  private word(i: number): number {
    return new Uint32Array(viewBytes(0, 0).buffer, this.address, 8)[i] ?? 0;
  }
}

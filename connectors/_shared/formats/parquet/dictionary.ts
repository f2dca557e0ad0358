import { Arena, viewBytes } from '#batch';
import { kernels } from '#kernels';

const SLOTS = 1 << 15;
const MOST_ENTRIES = SLOTS / 2;
const MOST_BYTES = 256 * 1024 - 64;
/** After so many values a dictionary must have paid: fewer entries than half of them. */
const TRIAL = 2048;

/** The distinct values of a column chunk, in a block of the linear memory that the kernels fill. */
export class Dictionary {
  readonly address: number;
  /** 0 for texts. */
  readonly width: number;
  private values = 0;

  constructor(width: number, arena: Arena) {
    this.width = width;
    this.address = arena.allocate(32);
    const starts = width === 0 ? arena.allocate(MOST_ENTRIES * 4) : 0;
    new Uint32Array(viewBytes(0, 0).buffer, this.address, 8)
      .set([0, 0, MOST_ENTRIES, MOST_BYTES, SLOTS - 1, arena.allocate(SLOTS * 4), starts, arena.allocate(MOST_BYTES)]);
    this.clear();
  }

  clear(): void {
    this.values = 0;
    kernels().pqDictClear(this.address);
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

  /** To be told of every page part; false: it doesn't pay, write PLAIN. */
  pays(more: number): boolean {
    this.values += more;
    return this.values < TRIAL || this.entries * 2 < this.values;
  }

  private word(i: number): number {
    return new Uint32Array(viewBytes(0, 0).buffer, this.address, 8)[i] ?? 0;
  }
}

import { Arena, PADDING, viewBytes } from '#batch';

/** Scratch in the linear memory that grows; `address` changes when it does. */
export class Region {
  address = 0;
  private size = 0;
  private arena: Arena | undefined;
  private readonly first: number;

  /** `first`: room at the start, where it is known what will be needed: growing copies. */
  constructor(first = 960) {
    this.first = first;
  }

  /** Room for `size` bytes, of which the first `keep` stay what they are. */
  ensure(size: number, keep = 0): number {
    if (size <= this.size) return this.address;
    const arena = new Arena();
    const room = Math.max(size, this.size * 2, this.first);
    const address = arena.allocate(room);
    if (keep > 0) viewBytes(address, keep).set(viewBytes(this.address, keep));
    this.arena?.release();
    this.arena = arena;
    this.address = address;
    this.size = room;
    return address;
  }

  release(): void {
    this.arena?.release();
    this.arena = undefined;
    this.size = 0;
  }
}

/** The common length of a chain's segments. */
export const SEGMENT = 64 * 1024;

/** Bytes that are kept until their place in the file is known. */
export class Chain {
  length = 0;
  private readonly segments: { arena: Arena; bytes: Uint8Array }[] = [];
  private readonly segment: number;
  private used: number;

  constructor(segment = SEGMENT) {
    this.segment = this.used = segment - PADDING;
  }

  append(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.used === this.segment) {
        const arena = new Arena();
        this.segments.push({ arena, bytes: arena.bytes(this.segment) });
        this.used = 0;
      }
      const piece = rest.subarray(0, this.segment - this.used);
      this.segments.at(-1)?.bytes.set(piece, this.used);
      this.used += piece.length;
      rest = rest.subarray(piece.length);
    }
    this.length += bytes.length;
  }

  /** Every piece in order; each is given back before the next is asked for. */
  async drain(write: (bytes: Uint8Array) => Promise<void>): Promise<void> {
    const last = this.segments.length - 1;
    for (const [i, { bytes }] of this.segments.entries()) await write(i === last ? bytes.subarray(0, this.used) : bytes);
    this.release();
  }

  release(): void {
    for (const { arena } of this.segments) arena.release();
    this.segments.length = 0;
    this.used = this.segment;
    this.length = 0;
  }
}

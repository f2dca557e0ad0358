import { EtlError } from '../errors/error.ts';

const PAGE = 65_536;
/** Address space, not memory: a page costs nothing until it is written. The memory never grows, so its views stay valid. */
const PAGES = 16_384;
const SMALLEST_CLASS = 10;

/** The one linear memory of the process: every vector lies in it, and the kernels work on it. */
export const linearMemory = reserved();
const bytes = new Uint8Array(linearMemory.buffer);

/** Kernels may read and write up to this many bytes past the end of what they were given, inside the same slab. */
export const PADDING = 64;

function reserved(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  } catch (error) {
    throw new EtlError({
      kind: 'not_found', code: 'ETL-MEM-003', message: `The column memory could not be reserved: ${error instanceof Error ? error.message : String(error)}.`, cause: error,
      hint: 'It is address space: lift the limit of virtual memory (`ulimit -v unlimited`). Limits of real memory, as a container has them, are no hindrance.',
    });
  }
}

const free: number[][] = Array.from({ length: 32 }, () => []);
let top = 16 * PAGE; // below lie the kernels' own statics
let inUse = 0;

function classOf(size: number): number {
  return Math.max(SMALLEST_CLASS, 32 - Math.clz32(size + PADDING - 1));
}

function take(sizeClass: number): number {
  const reused = free[sizeClass]?.pop();
  if (reused !== undefined) return reused;
  const size = 2 ** sizeClass;
  if (top + size > bytes.length) {
    throw new EtlError({
      kind: size > bytes.length / 4 ? 'data' : 'transient', // what others hold they give back
      code: 'ETL-MEM-001', message: `A batch needs ${size} bytes more than the ${bytes.length} bytes of column memory.`,
      hint: 'One value is too large, or too many large ones are moved at once: lower limits.concurrency to 1, drop the column, or leave the row out with a query.',
    });
  }
  const pointer = top;
  top += size;
  return pointer;
}

/** Columns that may each have a full part of a batch or of a file. */
const FULL_COLUMNS = 64;

/** How often the part of each of so many columns is halved, so that a wide table takes no more memory than one of 64 columns. */
export function halvings(columns: number): number {
  return Math.max(0, Math.ceil(Math.log2(columns / FULL_COLUMNS)));
}

/** Bytes handed out and not yet given back, padding and rounding included. */
export function memoryInUse(): number {
  return inUse;
}

/** What the bytes of a released arena become in test builds, so that a use after release shows. */
let poison: number | undefined;
export function poisonReleased(value: number | undefined): void {
  poison = value;
}

/** A set of slabs that live and die together: the memory of one batch. Created with one owner; each `retain` adds one. */
export class Arena {
  private readonly slabs: { pointer: number; sizeClass: number }[] = [];
  private owners = 1;

  /** Room for `size` bytes plus {@link PADDING}, 1024-aligned and not cleared. Returns its address. */
  allocate(size: number): number {
    const sizeClass = classOf(size);
    const pointer = take(sizeClass);
    inUse += 2 ** sizeClass;
    this.slabs.push({ pointer, sizeClass });
    return pointer;
  }

  /** `allocate`, as a view. */
  bytes(size: number): Uint8Array {
    return viewBytes(this.allocate(size), size);
  }

  retain(): void {
    this.owners++;
  }

  /** The last release gives the slabs back; whoever still reads a view of them then reads what is not theirs. */
  release(): void {
    if (--this.owners > 0) return;
    if (this.owners < 0) throw new EtlError({ kind: 'internal', code: 'ETL-MEM-002', message: 'A batch was released twice.' });
    for (const { pointer, sizeClass } of this.slabs) {
      if (poison !== undefined) bytes.fill(poison, pointer, pointer + 2 ** sizeClass);
      inUse -= 2 ** sizeClass;
      free[sizeClass]?.push(pointer);
    }
    this.slabs.length = 0;
  }
}

export function viewBytes(pointer: number, length: number): Uint8Array {
  return new Uint8Array(linearMemory.buffer, pointer, length);
}
export function viewInt32(pointer: number, length: number): Int32Array {
  return new Int32Array(linearMemory.buffer, pointer, length);
}
export function viewInt64(pointer: number, length: number): BigInt64Array {
  return new BigInt64Array(linearMemory.buffer, pointer, length);
}
